"""RoBERTa (Liu et al. 2019), and models that differ from it in their names.

XLM-RoBERTa (Conneau et al. 2019) and CamemBERT (Martin et al. 2019).
"""

from fineprune.engine.architectures.architecture import Architecture
from fineprune.engine.architectures.positions import after_padding
from fineprune.engine.architectures.post_norm import embeddings, numbered
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
            f"{name}ForTokenClassification": token_classification(),
            f"{name}ForQuestionAnswering": question_answering(),
        },
        positions=after_padding,
        embeddings=embeddings("tokens", "positions", "types"),
        layers=numbered("encoder.layer"),
    )


ROBERTA = _architecture("Roberta")
CAMEMBERT = _architecture("Camembert")
XLM_ROBERTA = _architecture("XLMRoberta")
