import pytest

from fineprune.errors import CheckpointError
from fineprune.training.heads import require_same_labels


def test_the_same_labels() -> None:
    require_same_labels({0: "no", 1: "yes"}, {1: "yes", 0: "no"}, "the teacher 'x'")


def test_labels_that_nobody_named_match_any_of_the_same_number() -> None:
    require_same_labels({0: "no", 1: "yes"}, {0: "LABEL_0", 1: "LABEL_1"}, "the model 'x'")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({0: "yes", 1: "no"}, "another order"),
        ({0: "no", 1: "maybe"}, "other labels"),
        ({0: "no", 1: "yes", 2: "maybe"}, "predicts 3 labels"),
        ({0: "LABEL_0"}, "predicts 1 labels"),
    ],
)
def test_other_labels(model: dict[int, str], words: str) -> None:
    with pytest.raises(CheckpointError, match=words) as caught:
        require_same_labels({0: "no", 1: "yes"}, model, "the teacher 'x'")
    assert str(caught.value).startswith("the teacher 'x' ")
    assert "\n" not in str(caught.value)
