"""Tasks need neither PyTorch nor transformers: tried where neither can be imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import fineprune.tasks

# Hidden rather than refused: libraries ask whether a package is there before they import it.
HIDDEN = """
import sys
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "accelerate"):
            return None
        return self.finder.find_spec(name, path, target)
sys.meta_path[:] = map(Hiding, sys.meta_path)
"""
FOLDER = Path(fineprune.tasks.__file__).parent
MODULES = sorted(
    ".".join(("fineprune", "tasks", *path.relative_to(FOLDER).with_suffix("").parts))
    for path in FOLDER.rglob("*.py")
)


def python(code: str, folder: Path) -> str:
    """Standard output of `code` in a fresh interpreter that finds no PyTorch."""
    command = [sys.executable, "-W", "error", "-c", HIDDEN + code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("name", ["torch", "transformers"])
def test_what_is_hidden_cannot_be_imported(name: str, tmp_path: Path) -> None:
    code = f"""
try:
    import {name}
except ModuleNotFoundError as error:
    print(error)
"""
    assert python(code, tmp_path) == f"No module named {name!r}"


def test_every_module_is_imported(tmp_path: Path) -> None:
    assert "fineprune.tasks.registry" in MODULES
    code = f"import importlib\nfor name in {MODULES}: importlib.import_module(name)\nprint('done')"
    assert python(code, tmp_path) == "done"


# A tokenizer without a library: a word is a token, the number of its letters is its id.
TOKENIZER = """
class Encoding(dict):
    pass

class Words:
    is_fast, model_max_length, padding_side = True, 512, "right"
    model_input_names, cls_token, cls_token_id = ["input_ids"], "[CLS]", 0

    def num_special_tokens_to_add(self, pair):
        return 2 + pair

    def __call__(self, texts, **options):
        return Encoding(input_ids=[[0, *map(len, text.split()), 0] for text in texts])
"""


@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
def test_files_are_read_and_logits_scored(tmp_path: Path, ending: str) -> None:
    rows = [("a bc", "x"), ("def", "y"), ("g", "x")]
    content = {
        "tsv": "t\tl\n" + "".join(f"{text}\t{label}\n" for text, label in rows),
        "csv": "t,l\n" + "".join(f"{text},{label}\n" for text, label in rows),
        "jsonl": "".join(f'{{"t": "{text}", "l": "{label}"}}\n' for text, label in rows),
    }
    (tmp_path / f"a.{ending}").write_text(content[ending])
    printed = python(
        f"""{TOKENIZER}
import numpy as np
from pydantic import TypeAdapter
from fineprune.tasks.registry import TaskSettings, load_task
settings = TypeAdapter(TaskSettings).validate_python(
    dict(
        kind="text-classification",
        train="a.{ending}",
        validation="a.{ending}",
        text="t",
        label="l",
    )
)
task = load_task(settings)
(evaluation,) = task.evaluation_sets(Words())
print(evaluation.features["input_ids"][:], evaluation.score((np.eye(2)[[0, 1, 1]],)))
""",
        tmp_path,
    )
    ids = "[[0, 1, 2, 0], [0, 3, 0], [0, 1, 0]]"
    assert printed == f"{ids} {{'accuracy': {2 / 3}, 'macro_f1': {2 / 3}}}"


def test_a_data_set_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"t": "a", "l": 1}\n{"t": "b", "l": 0}\n')
    printed = python(
        """
import datasets
datasets.config.HF_DATASETS_CACHE = "cache"
from fineprune.tasks.data import TableSource, read, refuse
table = read(TableSource(path="set", split="train"), {"t", "l"}, refuse)
print(list(table.column("t")), list(table.column("l")))
""",
        tmp_path,
    )
    assert printed == "['a', 'b'] [1, 0]"


def test_questions_are_read_and_answers_scored(tmp_path: Path) -> None:
    question = {"id": "1", "question": "?", "answers": [{"text": "b", "answer_start": 2}]}
    squad = {"data": [{"paragraphs": [{"context": "a b", "qas": [question]}]}]}
    (tmp_path / "a.json").write_text(json.dumps(squad))
    printed = python(
        """
import numpy as np
from fineprune.tasks.question_answering import QuestionAnsweringSettings, load_question_answering
from fineprune.text.answers import predict_answers
from fineprune.tasks.question_answering.metrics import Judged, squad_v1_metrics
from fineprune.text.windows import ContextMap
task = load_question_answering(QuestionAnsweringSettings(validation="a.json"))
(example,) = task.examples["validation"]
windows = ContextMap(np.array([0]), np.array([0]), np.array([[[0, 0], [0, 1], [2, 3]]]))
logits = np.array([[0.0, 1.0, 2.0]])
(prediction,) = predict_answers([example], windows, (logits, logits), task.rules)
print(squad_v1_metrics([Judged(prediction.answer.text, (example.answers[0].text,))]))
""",
        tmp_path,
    )
    assert printed == "{'exact_match': 100.0, 'f1': 100.0}"
