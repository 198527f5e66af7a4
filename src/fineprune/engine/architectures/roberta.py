"""RoBERTa (Liu et al. 2019), and XLM-RoBERTa (Conneau et al. 2019), which differs in its name."""

from fineprune.engine.architectures.architecture import Architecture
from fineprune.engine.architectures.positions import after_padding
from fineprune.engine.heads import (
    Step,
    question_answering,
    sentence_embedding,
    sequence_classification,
    token_classification,
)


def _architecture(name: str) -> Architecture:
    return Architecture(
        prefix="roberta.",
        base=f"{name}Model",
        heads={
            f"{name}Model": sentence_embedding,
            f"{name}ForSequenceClassification": sequence_classification(
                Step("classifier.dense", "tanh"), Step("classifier.out_proj")
            ),
            f"{name}ForTokenClassification": token_classification,
            f"{name}ForQuestionAnswering": question_answering,
        },
        positions=after_padding,
    )


ROBERTA = _architecture("Roberta")
XLM_ROBERTA = _architecture("XLMRoberta")
