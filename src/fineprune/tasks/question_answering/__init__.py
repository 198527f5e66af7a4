"""Extractive question answering: an answer is a span of the context, or none (SQuAD 2.0)."""

from fineprune.tasks.question_answering.settings import QuestionAnsweringSettings
from fineprune.tasks.question_answering.task import QuestionAnswering

__all__ = ["QuestionAnswering", "QuestionAnsweringSettings"]
