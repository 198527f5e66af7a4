"""Entities anywhere in a long text, and texts of which some are broken."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fineprune import Engine
from fineprune.engine.errors import UnsupportedModelError
from fineprune.text.pieces import pieces_of
from tests.engine.test_texts import POSITIONS, with_tokenizer

LABELS = dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))


class Encoding:
    """As tokenizers gives it: two special tokens around a text."""

    def __init__(self, length: int) -> None:
        self.ids = list(range(length + 2))
        self.sequence_ids = [None, *[0] * length, None]


@given(length=st.integers(1, 300), longest=st.integers(3, 60))
def test_each_token_is_best_in_one_window(length: int, longest: int) -> None:
    pieces = pieces_of(Encoding(length), longest)  # type: ignore[arg-type]
    owners = np.zeros(length + 2, int)
    for piece in pieces:
        assert len(piece.places) <= longest
        assert piece.places[0] == 0
        assert piece.places[-1] == length + 1
        assert (np.diff(piece.places[1:-1]) == 1).all()
        owners[piece.places[piece.best]] += 1
    assert (owners[1:-1] == 1).all()
    if len(pieces) == 1:
        return
    # No other window has more of the text on both sides.
    for piece in pieces:
        inner = piece.places[1:-1]
        for place in piece.places[piece.best]:
            own = min(place - inner[0], inner[-1] - place)
            others = [
                min(place - other.places[1], other.places[-2] - place)
                for other in pieces
                if other.places[1] <= place <= other.places[-2]
            ]
            assert own >= max(others) - 1  # windows of even length have no middle


def test_no_room() -> None:
    with pytest.raises(UnsupportedModelError, match="takes 2 tokens, no more than the special"):
        pieces_of(Encoding(5), 2)  # type: ignore[arg-type]


def test_entities_past_the_first_window(tmp_path: Path) -> None:
    """Each token's label is what the model says of the window around it."""
    model, tokenizer = with_tokenizer(tmp_path, "token", id2label=LABELS, num_labels=len(LABELS))
    draw = np.random.default_rng(3)
    words = [f"w{word}" for word in draw.integers(0, 36, 150)]
    found = Engine(model.file, threads=1)(" ".join(words), ignore_labels=())
    assert [one["word"] for one in found] == words
    ids = np.array(tokenizer(words, add_special_tokens=False)["input_ids"])[:, 0]
    ends: Any = tokenizer("")["input_ids"]
    room = POSITIONS - 2
    for place, entity in enumerate(found):
        said = {
            LABELS[int(model.expected(input_ids=window)["logits"][0, place - start + 1].argmax())]
            for start in range(max(0, place - room + 1), min(place, len(words) - room) + 1)
            for window in [np.array([[ends[0], *ids[start : start + room], ends[1]]])]
        }
        assert entity["entity"] in said
        assert entity["index"] == place + 1


@pytest.mark.parametrize("head", ["sequence", "token", "none"])
def test_a_lone_surrogate_among_others(head: str, tmp_path: Path) -> None:
    engine = Engine(with_tokenizer(tmp_path, head)[0].file, threads=1)
    texts = ["w1 w2", "w3 \ud83d w4", "w5"]
    answers, clean = engine(texts), engine([text.replace("\ud83d", "\ufffd") for text in texts])
    assert str(answers) == str(clean)
    assert len(answers) == 3


def test_a_lone_surrogate_in_a_context(tmp_path: Path) -> None:
    engine = Engine(with_tokenizer(tmp_path, "question")[0].file, threads=1)
    context = "w1 \ud83d w2 w3"
    answer = engine(question="w1 \udc00", context=context)
    assert answer["answer"] == context[answer["start"] : answer["end"]]


def test_anything_that_holds_texts(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    datasets = pytest.importorskip("datasets")
    engine = Engine(with_tokenizer(tmp_path, "sequence")[0].file, threads=1)
    texts = ["w1 w2", "w3"]
    expected = engine(texts)
    for same in (
        np.array(texts),
        pandas.Series(texts),
        datasets.Dataset.from_dict({"t": texts})["t"],
        (text for text in texts),
        dict.fromkeys(texts).keys(),
    ):
        assert engine(same) == expected
