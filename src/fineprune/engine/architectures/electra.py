"""ELECTRA (Clark et al. 2020): embeddings may be narrower than layers, a projection widens them."""

from fineprune.engine.architectures.architecture import Architecture
from fineprune.engine.architectures.positions import from_zero
from fineprune.engine.architectures.post_norm import embeddings, numbered
from fineprune.engine.heads import (
    Step,
    question_answering,
    sentence_embedding,
    sequence_classification,
    token_classification,
)

ELECTRA = Architecture(
    prefix="electra.",
    base="ElectraModel",
    heads={
        "ElectraModel": sentence_embedding,
        "ElectraForSequenceClassification": sequence_classification(
            Step("classifier.dense", "gelu"), Step("classifier.out_proj")
        ),
        "ElectraForTokenClassification": token_classification(),
        "ElectraForQuestionAnswering": question_answering(),
    },
    positions=from_zero,
    embeddings=embeddings("tokens", "positions", "types"),
    layers=numbered("encoder.layer"),
)
