"""An engine's answers as rows of a table."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, TypeAlias, final

from fineprune.corpus.columns import ERROR, Columns, Records, Scalar, Vector
from fineprune.corpus.rows import Row
from fineprune.engine import Engine
from fineprune.engine.errors import InputError
from fineprune.engine.tasks import (
    QuestionAnswering,
    SentenceEmbedding,
    Task,
    TextClassification,
    TokenClassification,
)
from fineprune.engine.tasks.cuts import add_cuts, counting_cuts
from fineprune.engine.tasks.task import positive
from fineprune.engine.tasks.text import check_text
from fineprune.text.characters import without_surrogates
from fineprune.text.fast import TextRefusedError
from fineprune.wording import listed

Answer: TypeAlias = dict[str, Any]
Texts: TypeAlias = tuple[str, ...]

_SPAN: Mapping[str, Scalar] = {
    "answer": "text",
    "score": "number",
    "start": "integer",
    "end": "integer",
}
_LABEL: Mapping[str, Scalar] = {"label": "text", "score": "number"}
_TOKEN: Mapping[str, Scalar] = {
    "entity": "text",
    "score": "number",
    "index": "integer",
    "word": "text",
    "start": "integer",
    "end": "integer",
}
_ENTITY: Mapping[str, Scalar] = {
    "entity_group": "text",
    "score": "number",
    "word": "text",
    "start": "integer",
    "end": "integer",
}


@final
class Answerer:
    """Answers rows of texts, those that cannot be answered among them.

    Args:
        engine: the model.
        pairs: whether rows have two texts: pairs, or questions with their contexts.
        context: what all questions are about, if rows have one text.
        options: of the task's own call: `top_k`, `prompt_name`, `aggregation_strategy` and so on.

    Attributes:
        columns: of the answers, `error` the last of them.

    Raises:
        InputError: the model does not take such rows, or its task has no such option for them.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        pairs: bool = False,
        context: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if context is not None:
            if pairs:
                raise InputError("a second column and a context for all: give one of them")
            check_text(context)
            context = without_surrogates(context)
        self._form = _FORMS[type(engine.task)](engine, pairs, context, dict(options or {}))
        self.columns: Columns = {**self._form.columns, ERROR: "text"}

    def __call__(self, rows: Sequence[Row]) -> list[Answer]:
        """One answer for each row, by names of columns; all but `error` None where it has none.

        Texts that are cut are counted as by tasks (`counting_cuts`), each once.
        """
        good = [row for row in rows if not row.fault]
        answers = dict(
            zip([row.number for row in good], self._all([row.texts for row in good]), strict=True)
        )
        return [answers[row.number] if not row.fault else self._none(row.fault) for row in rows]

    def _all(self, texts: Sequence[Texts]) -> list[Answer]:
        """Answers to all; if that fails, to halves, until what cannot be answered stands alone."""
        if not texts:
            return []
        try:
            with counting_cuts() as cuts:  # of a call that fails, none count
                answers = self._form.answers(texts)
        except (InputError, TextRefusedError) as error:
            if len(texts) == 1:
                return [self._none(str(error))]
        else:
            add_cuts(cuts.number)
            return [{**answer, ERROR: None} for answer in answers]
        half = len(texts) // 2
        return self._all(texts[:half]) + self._all(texts[half:])

    def _none(self, fault: str) -> Answer:
        return {**dict.fromkeys(self.columns), ERROR: fault}


class _Form(ABC):
    """How one kind of task is asked, and what its answers look like.

    Attributes:
        barred: options of the task's own call that are not for rows of a table.
        columns: of its answers.
    """

    barred: ClassVar[frozenset[str]] = frozenset()
    columns: Columns

    def __init__(
        self, engine: Engine, pairs: bool, context: str | None, options: dict[str, Any]
    ) -> None:
        known = [name for name in engine.task.options() if name not in self.barred]
        if barred := sorted(options.keys() & self.barred):
            raise InputError(
                f"{listed(barred)} cannot be given for a file or a table of texts; what can be is "
                f"{listed(known)}"
            )
        if unknown := sorted(options.keys() - set(known)):
            raise InputError(f"this model's task has no {listed(unknown)}; it has {listed(known)}")
        self._engine, self._pairs, self._context, self._given = engine, pairs, context, options
        self._prepare()
        if options:  # what is wrong with one shows here, and not row by row
            with suppress(TextRefusedError):  # which is of this text alone
                self.answers([("a", "a") if pairs else ("a",)])

    @abstractmethod
    def _prepare(self) -> None:
        """Sets `columns`, and checks that rows are such as the task takes."""

    @abstractmethod
    def answers(self, texts: Sequence[Texts]) -> list[Answer]:
        """Answers to rows."""

    def _several(self, fields: Mapping[str, Scalar]) -> Columns:
        """Columns of the best answer, or one with several answers."""
        return fields if self._top_k == 1 else {"answers": Records(fields)}

    def _each(self, answers: Sequence[Any]) -> list[Answer]:
        return list(answers) if self._top_k == 1 else [{"answers": one} for one in answers]

    @property
    def _top_k(self) -> Any:
        return self._given.get("top_k", 1)


@final
class _Classification(_Form):
    barred = frozenset({"candidate_labels", "hypothesis_template", "multi_label"})

    def _prepare(self) -> None:
        task = self._engine.task
        assert isinstance(task, TextClassification)
        self._task = task
        classes = self._engine.run([[0]])["logits"].shape[1]
        self._scores_only = classes == 1
        if self._scores_only and (counted := {"top_k", "threshold"} & self._given.keys()):
            raise InputError(
                f"this model has one class, or value: leave out {' and '.join(sorted(counted))}"
            )
        if self._scores_only:
            self.columns = {"score": "number"}
        else:
            self._many = task.gives_several(self._given)
            self.columns = {"answers": Records(_LABEL)} if self._many else _LABEL

    def answers(self, texts: Sequence[Texts]) -> list[Answer]:
        asked = [self._asked(one) for one in texts]
        if not self._scores_only:
            said = self._task(asked, **self._given)
            return [{"answers": one} for one in said] if self._many else list(said)
        if self._task.is_regression or self._given.get("function_to_apply") is not None:
            return [{"score": one["score"]} for one in self._task(asked, **self._given)]
        return [{"score": score} for score in self._engine.predict(asked).tolist()]

    def _asked(self, texts: Texts) -> Any:
        if self._context is not None and len(texts) == 1:
            return texts[0], self._context
        return texts if len(texts) > 1 else texts[0]


@final
class _Embedding(_Form):
    barred = frozenset({"batch_size", "show_progress_bar"})

    def _prepare(self) -> None:
        _refuse_second(self._pairs, self._context, "embeds single texts")
        task = self._engine.task
        assert isinstance(task, SentenceEmbedding)
        self._task = task
        size = self._engine.run([[0]])["embeddings"].shape[1]
        kept = self._given.get("truncate_dim")
        kept = size if kept is None else positive("truncate_dim", kept)
        self.columns = {"embedding": Vector(min(size, kept))}

    def answers(self, texts: Sequence[Texts]) -> list[Answer]:
        embeddings = self._task([text for (text,) in texts], **self._given)
        return [{"embedding": row} for row in embeddings]


@final
class _Questions(_Form):
    def _prepare(self) -> None:
        if not self._pairs and self._context is None:
            raise InputError(
                "this model answers questions: say what they are about, by a second column "
                "(--pair-column) or one text for all (--context)"
            )
        self.columns = self._several(_SPAN)

    def answers(self, texts: Sequence[Texts]) -> list[Answer]:
        questions = [one[0] for one in texts]
        contexts = [one[1] if len(one) > 1 else self._context for one in texts]
        said = self._engine.task(questions, contexts, **self._given)
        return self._each(said)


@final
class _Tokens(_Form):
    def _prepare(self) -> None:
        _refuse_second(self._pairs, self._context, "finds entities in single texts")
        task = self._engine.task
        assert isinstance(task, TokenClassification)
        whole = task.strategy(self._given.get("aggregation_strategy")) != "none"
        self.columns = {"entities": Records(_ENTITY if whole else _TOKEN)}

    def answers(self, texts: Sequence[Texts]) -> list[Answer]:
        entities = self._engine.task([text for (text,) in texts], **self._given)
        return [{"entities": one} for one in entities]


def _refuse_second(pairs: bool, context: str | None, what: str) -> None:
    if pairs or context is not None:
        raise InputError(f"this model {what}; leave out the second column or the context")


_FORMS: Mapping[type[Task], Callable[..., _Form]] = {
    QuestionAnswering: _Questions,
    SentenceEmbedding: _Embedding,
    TextClassification: _Classification,
    TokenClassification: _Tokens,
}
