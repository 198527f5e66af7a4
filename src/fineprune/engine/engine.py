"""Runs a packed model on a CPU, without PyTorch."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fineprune.engine.calls import Calls
from fineprune.engine.config import Config
from fineprune.engine.errors import InputError
from fineprune.engine.model import MOST_TOKENS, build_model
from fineprune.engine.native import (
    Precision,
    check_precision,
    choose_instruction_set,
    require_native,
)
from fineprune.engine.plan import MatrixPlan
from fineprune.engine.tasks import Limit, Task, TaskSource, make_task
from fineprune.engine.threads import count_threads
from fineprune.packing import ReadLimits, read_packed
from fineprune.packing.places import packed_file


class Engine(Calls):
    """A packed model, ready to run.

    Calls from several threads run side by side: each on those of the engine's threads that are
    free, and on its own at least. A process that is forked from this one can use the engine as
    well; one that gets it by pickling opens the file again.

    Args:
        path: a packed file, or a folder with one, as `pack_folder` writes it.
        threads: how many threads run the model; as many as there are cores if None, or as
            `OMP_NUM_THREADS` says.
        precision: `"float32"`, exact; `"bf16"`, where the CPU has instructions for it: activations
            rounded to eight significant bits before each multiplication; `"int8"`: weights and
            activations as codes of eight bits, but for matrices that this would round by too much;
            or `"fast"`: whichever of these is measured to be fastest when the file is loaded.
        limits: what reading the file may take at most.
        max_batch_tokens: how many tokens are computed at the same time: larger batches are run part
            by part, in memory for one part. A text counts as the next multiple of 16 tokens, and
            one that is longer than all of it is a part of its own.

    Attributes:
        threads: how many threads run the model: never more than CPUs, affinity and the quota of a
            container let run at the same time.
        max_batch_tokens: as above.
        precision: that was asked for.
        arithmetic: that the model runs in: the precision, or what `"fast"` has chosen. Of single
            matrices `plan` tells.
        instruction_set: that the kernels use: the best of this CPU, or what the environment
            variable `FINEPRUNE_INSTRUCTION_SET` names.

    Raises:
        PackedFileError: the file is no packed model, or a damaged one.
        UnsupportedModelError: the engine does not know how to run this model.
        InputError: a precision, a number of threads or a batch that cannot be had.
        ThreadsError: the system does not start the threads.
        NativeMissingError: the engine's native part is not installed.

    Warns:
        SlowPrecisionWarning: the precision is slower than float32 on this CPU; said once.
    """

    def __init__(
        self,
        path: str | Path,
        threads: int | None = None,
        precision: Precision = "float32",
        *,
        limits: ReadLimits | None = None,
        max_batch_tokens: int = MOST_TOKENS,
    ) -> None:
        require_native()
        self.instruction_set = choose_instruction_set()
        check_precision(precision, self.instruction_set)
        self.threads = count_threads(threads)
        self.max_batch_tokens = _at_least_one("max_batch_tokens", max_batch_tokens)
        self.precision = precision
        self._file = packed_file(Path(path)).absolute()
        packed = read_packed(self._file, limits=limits)
        self._model = build_model(
            packed, precision, self.instruction_set, self.threads, max_batch_tokens
        )
        self.arithmetic = self._model.plan.arithmetic.precision
        self._source = TaskSource(self._model, Config(packed.config), packed.attachments)
        # Absolute: another process, or this one later, may work in another folder.
        self._arguments = Path(path).absolute(), threads, precision, limits, max_batch_tokens

    def __reduce__(self) -> tuple[Any, ...]:
        return _open, self._arguments

    def run(
        self,
        input_ids: ArrayLike,
        attention_mask: ArrayLike | None = None,
        token_type_ids: ArrayLike | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        """Runs the model on token ids.

        Tokens that the mask leaves out are not computed at all, wherever they stand; the others
        keep the positions that they have in their row, as in `transformers`. What is said of a
        whole sequence comes from its first token that is not left out.

        Args:
            input_ids: integers of shape `(batch, tokens)`.
            attention_mask: of the same shape, 1 for tokens and 0 for padding; all ones if None.
            token_type_ids: of the same shape; all zeros if None.

        Returns:
            Arrays of float32. Classification and regression: `logits` of shape `(batch, classes)`.
            Token classification: `logits` of shape `(batch, tokens, classes)`, 0 at padding.
            Question answering: `start_logits` and `end_logits` of shape `(batch, tokens)`, minus
            infinity at padding. Models without a head: `last_hidden_state` of shape
            `(batch, tokens, hidden)`, 0 at padding, and `embeddings` of shape `(batch, hidden)`.

        Raises:
            InputError: an array is of the wrong type or shape, an id is not in the vocabulary, a
                row is longer than the model has positions for, or has no token that counts.
        """
        return self._model.run(input_ids, attention_mask, token_type_ids)

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Answers to texts, as the model's task has it; one for one text, a list for a list.

        What is accepted and returned stands with the tasks: `TextClassification`,
        `TokenClassification`, `QuestionAnswering`, `SentenceEmbedding` in
        `fineprune.engine.tasks`.

        A model that classifies reviews answers `engine("A film to remember.")` with
        `{'label': 'positive', 'score': 0.998}`.

        Raises:
            InputError: the inputs are not such as the task takes, or the file has no tokenizer.
        """
        return self.task(*inputs, **options)

    @cached_property
    def task(self) -> Task:
        """What the model does with texts; made on first use, because tokenizers load slowly."""
        return make_task(self._source)

    @property
    def path(self) -> Path:
        """The file that the engine was made of."""
        return self._file

    @property
    def origin(self) -> Path:
        """What the engine was made of, as it was named: a file, or a folder."""
        return self._arguments[0]

    @property
    def limit(self) -> Limit:
        """The longest text in tokens, and where that number comes from.

        Raises:
            InputError: the file has no tokenizer.
        """
        return self.task.limit

    def plan(self) -> tuple[MatrixPlan, ...]:
        """For each matrix of the encoder, how it runs, and why."""
        return tuple(self._model.plan.planner.plans)


def _open(
    path: Path,
    threads: int | None,
    precision: Precision,
    limits: ReadLimits | None,
    max_batch_tokens: int,
) -> Engine:
    """What pickling calls: keywords do not go through it."""
    return Engine(path, threads, precision, limits=limits, max_batch_tokens=max_batch_tokens)


def _at_least_one(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name} is {value!r}; expected a whole number of at least 1")
    return value
