"""DistilBERT (Sanh et al. 2019): no token types, and names of its own."""

from fineprune.engine.architectures.architecture import Architecture
from fineprune.engine.architectures.operations import Attention
from fineprune.engine.architectures.positions import from_zero
from fineprune.engine.architectures.post_norm import LayerNames, embeddings, numbered
from fineprune.engine.heads import (
    Step,
    question_answering,
    sentence_embedding,
    sequence_classification,
    token_classification,
)

DISTILBERT = Architecture(
    prefix="distilbert.",
    base="DistilBertModel",
    heads={
        "DistilBertModel": sentence_embedding,
        "DistilBertForSequenceClassification": sequence_classification(
            Step("pre_classifier", "relu"), Step("classifier")
        ),
        "DistilBertForTokenClassification": token_classification(),
        "DistilBertForQuestionAnswering": question_answering(),
    },
    positions=from_zero,
    # Its LayerNorms take 1e-12, whatever the config says.
    embeddings=embeddings("tokens", "positions", epsilon=None),
    layers=numbered(
        "transformer.layer",
        LayerNames(
            query="attention.q_lin",
            key="attention.k_lin",
            value="attention.v_lin",
            output="attention.out_lin",
            attention_norm="sa_layer_norm",
            up="ffn.lin1",
            down="ffn.lin2",
            output_norm="output_layer_norm",
            activation="activation",
            epsilon=None,
        ),
        Attention(heads="n_heads"),
    ),
    roots=("embeddings.", "transformer."),
)
