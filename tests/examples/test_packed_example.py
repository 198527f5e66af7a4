"""The packed model that lies in the repository is the one that its card describes."""

import hashlib
import json
from pathlib import Path

import pytest

from fineprune import Engine
from fineprune.packing import read_packed

EXAMPLES = Path(__file__).parents[2] / "examples"
FILE, CARD = EXAMPLES / "clinc150.fineprune.safetensors", EXAMPLES / "clinc150.md"


def test_the_card_describes_this_file() -> None:
    card, content = CARD.read_text(encoding="utf-8"), FILE.read_bytes()
    assert hashlib.sha256(content).hexdigest() in card
    assert f"{len(content):,} bytes" in card
    assert len(content) <= 4_500_000
    provenance = read_packed(FILE, tensors=()).provenance
    bits = {name: provenance[name] for name in provenance if "bits" in name}
    assert bits == {"bits": 4, "embedding_bits": 4, "unseen_embedding_bits": 2}


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("how much money do i have in my savings account", "balance"),
        ("set an alarm for seven tomorrow", "alarm"),
        ("my card was stolen in paris", "report_lost_card"),
    ],
)
def test_it_answers(text: str, intent: str) -> None:
    assert Engine(FILE, threads=1)(text)["label"] == intent


@pytest.mark.shared
def test_it_is_as_accurate_as_the_card_says(shared: Path) -> None:
    data = json.loads((shared / "data" / "clinc150" / "data_full.json").read_text("utf-8"))
    texts, intents = zip(*data["test"], strict=True)
    answers = Engine(FILE, threads=1)(list(texts))
    right = sum(one["label"] == intent for one, intent in zip(answers, intents, strict=True))
    # One text more or less, as the last bits of another CPU may have it.
    assert right / len(texts) == pytest.approx(0.9516, abs=3 / len(texts))
