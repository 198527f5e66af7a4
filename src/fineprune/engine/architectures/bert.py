"""BERT (Devlin et al. 2018), and with it MiniLM and most sentence-transformers models."""

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

BERT = Architecture(
    prefix="bert.",
    base="BertModel",
    heads={
        "BertModel": sentence_embedding,
        "BertForSequenceClassification": sequence_classification(
            Step("bert.pooler.dense", "tanh"), Step("classifier")
        ),
        "BertForTokenClassification": token_classification(),
        "BertForQuestionAnswering": question_answering(),
    },
    positions=from_zero,
    embeddings=embeddings("tokens", "positions", "types"),
    layers=numbered("encoder.layer"),
)
