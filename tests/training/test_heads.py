import pytest
from transformers import BertForMaskedLM, BertModel, PreTrainedModel

from fineprune.errors import CheckpointError
from fineprune.tasks.base import Head
from fineprune.training.heads import require_head
from tests.workspace import LABELS, Kind, bert_config, make_model

HEADS: dict[Kind, Head] = {
    "classification": Head(
        "AutoModelForSequenceClassification", {"num_labels": 3, "id2label": dict(enumerate(LABELS))}
    ),
    "regression": Head("AutoModelForSequenceClassification", {"num_labels": 1}),
    "question-answering": Head("AutoModelForQuestionAnswering"),
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
