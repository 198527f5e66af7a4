"""Tokens and tags, texts and spans, of files and data sets: to windows, entities and scores."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from pydantic import ValidationError
from tokenizers import Tokenizer, decoders
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from fineprune.errors import DataError, RecipeError
from fineprune.tasks.data import TableSource, read, refuse
from fineprune.tasks.token_classification import (
    TokenClassification,
    TokenClassificationSettings,
    load_token_classification,
)
from fineprune.tasks.token_classification.tags import Span
from fineprune.text.fast import FastTokenizer
from fineprune.text.settings import TokenizerSettings
from tests.conformance.models import KINDS, tokenizer_files

PIECES = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "ada", "love", "##lace", "lives", "in", "new", "york"]
PLACES = {piece: place for place, piece in enumerate([*PIECES, ".", "-", "##s", "the"])}
TEXT = "ada lovelace lives in new york."
TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def tokenizer(most: int = 64) -> FastTokenizer:
    model = Tokenizer(WordPiece(PLACES, unk_token="[UNK]"))
    model.pre_tokenizer = BertPreTokenizer()
    model.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    model.decoder = decoders.WordPiece(prefix="##")
    settings = TokenizerSettings(
        model_max_length=most,
        model_input_names=("input_ids", "token_type_ids", "attention_mask"),
        cls_token="[CLS]",
        unk_token="[UNK]",
        pad_token="[PAD]",
    )
    return FastTokenizer(model.to_str(), settings)


def load(**values: Any) -> TokenClassification:
    return load_token_classification(
        TokenClassificationSettings(**{"max_length": 32, "stride": 8, **values})
    )


def written(path: Path, content: str | list[dict[str, Any]]) -> str:
    if not isinstance(content, str):
        content = "".join(f"{json.dumps(row)}\n" for row in content)
    path.write_text(content, encoding="utf-8")
    return str(path)


CONLL = """-DOCSTART- -X- O O

ada NNP B-NP I-PER
lovelace NNP I-NP I-PER
lives VBZ B-VP O
in IN B-PP O
new NNP B-NP I-LOC
york. NNP I-NP I-LOC

the DT B-NP O
"""
SPANS = [{"start": 0, "end": 12, "label": "PER"}, {"start": 22, "end": 30, "label": "LOC"}]
ROWS: dict[str, list[dict[str, Any]]] = {
    "spans": [{"text": TEXT, "entities": SPANS}, {"text": "the", "entities": []}],
    "lists": [{"text": TEXT, "entities": [[22, 30, "LOC"], [0, 12, "PER"]]}],
    "tokens": [
        {
            "tokens": ["ada", "lovelace", "lives", "in", "new", "york", "."],
            "tags": ["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC", "O"],
        }
    ],
}


def labels_of(task: TokenClassification) -> dict[str, str]:
    """Of the first text, the labels of its tokens that have one."""
    features = task.training_features(tokenizer())
    names = {place: piece for piece, place in PLACES.items()}
    row = features[0]
    return {
        names[token]: task.labels[label]
        for token, label in zip(row["input_ids"], row["labels"], strict=True)
        if label != -100
    }


EXPECTED = {
    "ada": "B-PER",
    "love": "I-PER",  # and nothing for what goes on with it
    "lives": "O",
    "in": "O",
    "new": "B-LOC",
    "york": "I-LOC",
    ".": "O",
}


@pytest.mark.parametrize("kind", ROWS)
def test_json_lines(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", ROWS[kind])
    columns = {} if kind == "tokens" else {"text": "text", "spans": "entities"}
    task = load(train=path, **columns)
    assert list(task.labels) == TAGS
    assert labels_of(task) == EXPECTED
    assert task.head.config["num_labels"] == 5
    assert task.head.config["label2id"]["B-PER"] == 3


@pytest.mark.parametrize("ending", ["conll", "bio", "iob"])
def test_conll(ending: str, tmp_path: Path) -> None:
    task = load(train=written(tmp_path / f"a.{ending}", CONLL))
    # IOB1; its last token is two words to the tokenizer, and both are of the entity.
    assert labels_of(task) == {**EXPECTED, ".": "I-LOC"}
    source = TableSource(path=str(tmp_path / f"a.{ending}"))
    table = read(source, {"tokens", "tags"}, refuse)
    assert list(table.numbers) == [3, 10]
    assert list(table.column("tags"))[1] == ["O"]


def test_conll_with_tabs_and_comments(tmp_path: Path) -> None:
    content = "# id = 1\n#\tO\nada\tB-PER\n# not a token\n\t\nnew york\tB-LOC\r\n"
    source = TableSource(path=written(tmp_path / "a.conll", content))
    table = read(source, {"tokens", "tags"}, refuse)
    assert list(table.column("tokens")) == [["#", "ada"], ["new york"]]
    named = TableSource(path=source.path, columns=("tags", "tokens"))
    assert list(read(named, {"tokens"}, refuse).column("tokens")) == [["O", "B-PER"], ["B-LOC"]]


def test_conll_with_a_broken_line(tmp_path: Path) -> None:
    path = written(tmp_path / "a.conll", "ada B-PER\n\nnew B-LOC\nyork\n\nin O\n")
    said = r"a\.conll, line 4: 1 fields where 2 are expected \('tokens', 'tags'\)"
    with pytest.raises(DataError, match=said):
        load(train=path)
    task = load(train=path, broken_rows="drop")
    assert "broken rows left out: 1" in task.notes[0]
    assert task.train is not None
    assert [one.text for one in task.train.examples] == ["ada", "in"]


def test_a_data_set_declares_its_tags(tmp_path: Path, dataset_cache: Path) -> None:
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
    features = Features({"tokens": List(Value("string")), "ner": List(ClassLabel(names=names))})
    rows = {"tokens": [["ada", "lives", "in", "york"]], "ner": [[1, 0, 0, 3]]}
    (tmp_path / "set").mkdir()
    Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "set" / "train.parquet")
    for path in (tmp_path / "set", tmp_path / "set" / "train.parquet"):
        task = load(train=str(path), tags="ner")
        assert list(task.labels) == names
        assert labels_of(task) == {"ada": "B-PER", "lives": "O", "in": "O", "york": "B-LOC"}
        assert task.notes == (f"{task.train.source}: no entity is of the kind ORG",)  # type: ignore[union-attr]
    assert dataset_cache.exists()


@pytest.mark.parametrize("longest", [6, 7, 11])
def test_windows(longest: int, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", ROWS["spans"])
    task = load(
        train=path,
        validation=path,
        text="text",
        spans="entities",
        max_length=longest,
        stride=longest // 3,
    )
    reading = tokenizer()
    (one,) = task.evaluation_sets(reading)
    features = one.features
    assert max(map(len, features["input_ids"][:])) <= longest
    assert features.column_names == ["input_ids", "token_type_ids", "attention_mask"]
    # Logits that say what the training labels say, each token that has none anything else.
    rows = task.training_features(reading)
    logits = np.zeros((len(features), longest + 2, 5), np.float32)
    for row, labels in enumerate(rows["labels"][:]):
        for place, label in enumerate(labels):
            logits[row, place, label if label != -100 else 1 + place % 4] = 9
    assert one.score((logits,)) == {
        "f1": 1.0,
        "precision": 1.0,
        "recall": 1.0,
        "f1_LOC": 1.0,
        "f1_PER": 1.0,
    }
    first, second = one.predictions((logits,))
    assert second == []
    assert [{**found, "score": None} for found in first] == [
        {"entity_group": "PER", "score": None, "word": "ada lovelace", "start": 0, "end": 12},
        {"entity_group": "LOC", "score": None, "word": "new york", "start": 22, "end": 30},
    ]
    assert json.loads(json.dumps(first)) == first


@pytest.mark.parametrize("kind", KINDS)
def test_tokenizers_of_every_kind(kind: str, tmp_path: Path) -> None:
    """Entities of whole tokens are found again, however the tokenizer cuts them."""
    content = (
        "Ada B-PER\nLovelace I-PER\nlived O\nin O\nLondon B-LOC\nUK B-LOC\n, O\nLondon B-LOC\n"
    )
    # More words than a window holds, however few tokens they become.
    path = written(tmp_path / "a.conll", content + 8 * "in O\n")
    files = {name: text.encode() for name, text in tokenizer_files(kind).items()}
    reading = FastTokenizer.read(files, "bert")
    task = load(train=path, validation=path, max_length=12, stride=4)
    (one,) = task.evaluation_sets(reading)
    assert one.notes == ()
    rows = task.training_features(reading)["labels"][:]
    assert len(rows) > 1
    logits = np.zeros((len(rows), 12, 5), np.float32)
    for row, labels in enumerate(rows):
        for place, label in enumerate(labels):
            logits[row, place, label if label != -100 else 1 + place % 4] = 9
    assert one.score((logits,))["f1"] == 1.0
    text = "Ada Lovelace lived in London UK , London"
    found = [text[answer["start"] : answer["end"]] for answer in one.predictions((logits,))[0]]
    assert found == ["Ada Lovelace", "London", "UK", "London"]


def test_entities_inside_of_words(tmp_path: Path) -> None:
    rows = [{"text": "lovelace in york", "entities": [[4, 8, "PER"], [12, 16, "LOC"]]}]
    path = written(tmp_path / "a.jsonl", rows)
    task = load(train=path, validation=path, text="text", spans="entities")
    assert labels_of(task) == {"love": "B-PER", "in": "O", "york": "B-LOC"}
    (one,) = task.evaluation_sets(tokenizer())
    assert len(one.notes) == 1
    assert "1 of 2 entities begin or end inside of what are words" in one.notes[0]


def test_two_entities_of_one_word(tmp_path: Path) -> None:
    rows = [{"text": "lovelace york", "entities": [[0, 4, "PER"], [4, 8, "LOC"], [9, 13, "LOC"]]}]
    path = written(tmp_path / "a.jsonl", rows)
    task = load(train=path, validation=path, text="text", spans="entities")
    assert labels_of(task) == {"love": "B-PER", "york": "B-LOC"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"tokens": ["ada"], "tags": ["O", "O"]}, "there are 1 tokens and 2 tags"),
        ({"tokens": "ada", "tags": ["O"]}, "the list of tokens is 'ada', of type str"),
        ({"tokens": ["ada"]}, "the list of tags is missing"),
        ({"tokens": ["ada", " "], "tags": ["O", "O"]}, "' ' is no token"),
        ({"tokens": [3], "tags": ["O"]}, "3 is no token"),
        ({"tokens": ["\ud800"], "tags": ["O"]}, "is not Unicode"),
        ({"tokens": ["ada"], "tags": ["NOUN"]}, "the tag 'NOUN' is none of an entity"),
        ({"tokens": ["ada"], "tags": [1.5]}, "the label 1.5 is of type float"),
    ],
)
def test_broken_rows_of_tokens(row: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [*ROWS["tokens"], row])
    with pytest.raises(DataError, match=rf"a\.jsonl, line 2: .*{said}") as caught:
        load(train=path)
    assert "\n" not in str(caught.value)
    assert "broken rows left out: 1" in load(train=path, broken_rows="drop").notes[0]


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        (None, "the list of spans is missing"),
        ({"start": 0}, "the list of spans is"),
        ([[0, 3]], "is none: expected {start: 0, end: 5, label: PER}"),
        ([[0, "3", "X"]], "is none: expected"),
        ([[True, 3, "X"]], "is none: expected"),
        ([[3, 3, "X"]], "the span 3 to 3 is not inside of the text"),
        ([[-1, 3, "X"]], "the span -1 to 3 is not inside of the text"),
        ([[0, 99, "X"]], "which has 31 characters"),
        ([[0, 5, "X"], [4, 8, "Y"]], "two entities overlap, 0 to 5 and 4 to 8"),
        ([[0, 3, None]], "the label is missing"),
    ],
)
def test_broken_spans(spans: Any, said: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [*ROWS["spans"], {"text": TEXT, "entities": spans}])
    with pytest.raises(DataError, match=r"a\.jsonl, line 3: ") as caught:
        load(train=path, text="text", spans="entities")
    assert said in str(caught.value)


def test_kinds_that_the_model_does_not_know(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", ROWS["tokens"])
    with pytest.raises(DataError, match="text 1: the entity 'new york' is of the kind 'LOC'"):
        load(validation=path, labels=["O", "B-PER", "I-PER"])
    values: dict[str, Any] = {"train": "gone.jsonl", "validation": path}
    settings = TokenClassificationSettings(**values)
    task = load_token_classification(settings, only="validation", labels=TAGS)
    assert (list(task.labels), task.train) == (TAGS, None)
    with pytest.raises(DataError, match="the model's labels: the tag 'a'"):
        load_token_classification(settings, only="validation", labels=["a", "b"])


def test_nothing_to_learn(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [{"tokens": ["ada"], "tags": ["O"]}])
    with pytest.raises(DataError, match="holds no entity, and at least one is needed"):
        load(train=path)


def test_class_weights_count_words(tmp_path: Path) -> None:
    task = load(train=written(tmp_path / "a.jsonl", ROWS["tokens"]))
    features = task.training_features(tokenizer())
    weights = task.class_weights("balanced", features)
    # 3 words are O, and one each of the others.
    assert weights == pytest.approx([7 / 15, 7 / 5, 7 / 5, 7 / 5, 7 / 5])
    with pytest.raises(RecipeError, match="there is no label 'PER'"):
        task.class_weights({"PER": 2}, features)


@pytest.mark.parametrize(
    ("values", "most", "said"),
    [
        ({"max_length": 65}, 64, "task.max_length is 65, but this model takes at most 64"),
        ({"max_length": 8, "stride": 6}, 64, "leaves 6 tokens for the text beside 2 special ones"),
        ({"max_length": 2, "stride": 0}, 64, "leaves 0 tokens for the text"),
    ],
)
def test_windows_that_cannot_be(
    values: dict[str, Any], most: int, said: str, tmp_path: Path
) -> None:
    task = load(train=written(tmp_path / "a.jsonl", ROWS["tokens"]), **values)
    with pytest.raises(RecipeError, match=said):
        task.training_features(tokenizer(most))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"text": "text"}, "text and spans go together"),
        ({"tokens": "tags"}, "two columns are called 'tags'"),
        ({"stride": 256}, "stride 256 must be less than max_length 256"),
        ({"train": ()}, "train is needed to learn the labels from"),
        ({"labels": ["PER", "O"]}, "the tag 'PER' is none of an entity"),
        ({"labels": ["O", "B-PER"]}, "expected O, and B- and I- for each kind"),
        ({"label": "x"}, "label"),
    ],
)
def test_settings_that_cannot_be(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TokenClassificationSettings(**{"train": "a.jsonl", **values})


def test_a_span() -> None:
    assert Span(0, 2, "X") == (0, 2, "X")
