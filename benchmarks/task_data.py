"""Writes the data of the small runs in docs/results/small-runs.md, made of CLINC150 and XQuAD.

    python benchmarks/task_data.py data/clinc150/data_full.json data/xquad/xquad.en.json data/tasks

- `intents-*.jsonl`: an utterance and the name of its intent, as pairs for embeddings.
- `mixed-*.jsonl`: one to three utterances in a row and all of their intents, of ten: several
  labels a text, made as MixATIS is (Qin et al. 2020).
- `sentences-*.jsonl`: a question, a sentence of its paragraph, and whether the answer begins there.
"""

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_INTENTS = 10
_TEXTS = {"train": 1000, "validation": 400}
_NEGATIVES = 3  # of each question in training
_TRAINING_ARTICLES = 38
_SENTENCE = re.compile(r"[^.!?]+[.!?]*\s*")


def main(clinc150: str, xquad: str, target: str) -> None:
    """Writes all files."""
    folder = Path(target)
    folder.mkdir(parents=True, exist_ok=True)
    utterances = json.loads(Path(clinc150).read_text("utf-8"))
    articles = json.loads(Path(xquad).read_text("utf-8"))["data"]
    parts = {"train": articles[:_TRAINING_ARTICLES], "validation": articles[_TRAINING_ARTICLES:]}
    for split, own in (("train", "train"), ("validation", "val")):
        draw = random.Random(split)
        pairs = [(text, intent.replace("_", " ")) for text, intent in utterances[own]]
        _write(folder / f"intents-{split}.jsonl", [{"text": t, "intent": i} for t, i in pairs])
        _write(folder / f"mixed-{split}.jsonl", list(_mixed(pairs, _TEXTS[split], draw)))
        most = _NEGATIVES if split == "train" else None
        _write(folder / f"sentences-{split}.jsonl", list(_sentences(parts[split], most, draw)))


def _mixed(pairs: list[tuple[str, str]], count: int, draw: random.Random) -> Iterator[Row]:
    chosen = sorted({intent for _, intent in pairs})[:: 150 // _INTENTS]
    known = [pair for pair in pairs if pair[1] in chosen]
    for _ in range(count):
        parts = draw.sample(known, draw.randint(1, 3))
        yield {
            "text": ", and ".join(text for text, _ in parts),
            "intents": sorted({intent for _, intent in parts}),
        }


def _sentences(articles: list[Any], most: int | None, draw: random.Random) -> Iterator[Row]:
    for paragraph in (one for article in articles for one in article["paragraphs"]):
        found = [(one.start(), one.end(), one.group().strip()) for one in
                 _SENTENCE.finditer(paragraph["context"])]  # fmt: skip
        for question in paragraph["qas"]:
            place = question["answers"][0]["answer_start"]
            right = [text for start, end, text in found if start <= place < end]
            wrong = [text for start, end, text in found if not start <= place < end]
            if most is not None:
                wrong = draw.sample(wrong, min(most, len(wrong)))
            for text, label in [*((one, 1) for one in right), *((one, 0) for one in wrong)]:
                yield {"query": question["question"], "document": text, "label": label}


def _write(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
