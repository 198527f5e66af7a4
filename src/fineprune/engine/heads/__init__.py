"""What stands on top of an encoder, one file a head."""

from fineprune.engine.heads.head import Head, HeadBuilder, HeadSource
from fineprune.engine.heads.question_answering import QuestionAnswering, question_answering
from fineprune.engine.heads.sentence_embedding import SentenceEmbedding, sentence_embedding
from fineprune.engine.heads.sequence_classification import (
    SequenceClassification,
    sequence_classification,
)
from fineprune.engine.heads.steps import Step, StepNorm
from fineprune.engine.heads.token_classification import TokenClassification, token_classification

__all__ = [
    "Head",
    "HeadBuilder",
    "HeadSource",
    "QuestionAnswering",
    "SentenceEmbedding",
    "SequenceClassification",
    "Step",
    "StepNorm",
    "TokenClassification",
    "question_answering",
    "sentence_embedding",
    "sequence_classification",
    "token_classification",
]
