import pytest
from transformers import BertForMaskedLM, BertModel, PreTrainedModel

from fineprune.errors import CheckpointError
from fineprune.tasks.base import Head
from fineprune.training.heads import require_head, require_same_labels
from tests.workspace import LABELS, Kind, bert_config, make_model

HEADS: dict[Kind, Head] = {
    "classification": Head(
        "AutoModelForSequenceClassification", {"num_labels": 3, "id2label": dict(enumerate(LABELS))}
    ),
    "regression": Head("AutoModelForSequenceClassification", {"num_labels": 1}),
    "question-answering": Head("AutoModelForQuestionAnswering", {"num_labels": 2}),
}


@pytest.mark.parametrize("task", HEADS)
@pytest.mark.parametrize("kind", HEADS)
def test_only_the_head_of_the_task_will_do(kind: Kind, task: Kind) -> None:
    model = make_model(kind)
    if kind == task:
        require_head(model, HEADS[task], "the model")
        return
    with pytest.raises(CheckpointError, match=r"^the teacher 'x' ") as caught:
        require_head(model, HEADS[task], "the teacher 'x'")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [BertModel, BertForMaskedLM])
def test_a_model_without_a_head_for_any_task(kind: type[PreTrainedModel]) -> None:
    model = kind(bert_config())
    for head in HEADS.values():
        with pytest.raises(CheckpointError, match=f"is a {kind.__name__}, and the task needs"):
            require_head(model, head, "the model")


# Labels.


def test_the_same_labels() -> None:
    require_same_labels({0: "no", 1: "yes"}, {1: "yes", 0: "no"}, "the teacher 'x'")


def test_labels_that_nobody_named_match_any_of_the_same_number() -> None:
    named, unnamed = {0: "no", 1: "yes"}, {0: "LABEL_0", 1: "LABEL_1"}
    require_same_labels(named, unnamed, "the model 'x'")
    require_same_labels(unnamed, named, "the teacher 'x'")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({0: "yes", 1: "no"}, "another order"),
        ({0: "no", 1: "maybe"}, "other labels"),
        ({0: "no", 1: "yes", 2: "maybe"}, "predicts 3 labels"),
        ({0: "LABEL_0"}, "predicts 1 labels"),
        ({0: "no", 1: "LABEL_1"}, "other labels"),
    ],
)
def test_other_labels(model: dict[int, str], words: str) -> None:
    with pytest.raises(CheckpointError, match=words) as caught:
        require_same_labels({0: "no", 1: "yes"}, model, "the teacher 'x'")
    assert str(caught.value).startswith("the teacher 'x' ")
    assert "\n" not in str(caught.value)
