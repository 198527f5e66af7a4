"""What a recipe may say: one frozen dataclass a section."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.dataclasses import dataclass

from fineprune.errors import RecipeError, TrainingError
from fineprune.pruning.methods import Method, method_from_settings, settings_of
from fineprune.pruning.numbers import Count, Fraction, NotNegative, Positive, Seed
from fineprune.pruning.schedule import PruningSchedule
from fineprune.pruning.stages import require_densities, stages_of
from fineprune.tasks.classification.labels import label_name
from fineprune.tasks.registry import TaskSettings
from fineprune.tasks.sentence_embedding import SentenceEmbeddingSettings
from fineprune.training.augmentation import Augmentation
from fineprune.training.distillation import Distillation
from fineprune.training.rounding import Quantization

_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


def _interval(value: object) -> object:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if is_count or value in ("epoch", "never"):
        return value
    raise ValueError("expected a number of steps, 'epoch' or 'never'")


Interval = Annotated[int | str, BeforeValidator(_interval)]
"""How often something is done: a number of steps, `epoch` or `never`."""


_SHORT_NAMES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def _precision(value: object) -> object:
    return _SHORT_NAMES.get(str(value), value)


Precision = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"], BeforeValidator(_precision)
]
"""Of the arithmetic of training; short names, such as `bf16`, are understood."""

_DENSE_LEARNING_RATE = 3e-5


def _class_weights(value: object) -> object:
    if value is None or value == "balanced":
        return value
    weights = value.values() if isinstance(value, Mapping) else ()
    numbers = [one for one in weights if type(one) in (int, float) and 0 < one < math.inf]
    if isinstance(value, Mapping) and numbers and len(numbers) == len(value):
        return {label_name(name): weight for name, weight in value.items()}
    raise ValueError("expected 'balanced', or weights above 0 by label, such as {spam: 5, ham: 1}")


Weights = Annotated[
    Literal["balanced"] | Mapping[str, float] | None, BeforeValidator(_class_weights)
]


def _method(settings: object) -> Method[Any]:
    if isinstance(settings, Method):
        return settings
    if not isinstance(settings, Mapping):
        raise ValueError(f"expected a mapping such as {{name: magnitude}}, found {settings!r}")
    try:
        return method_from_settings(settings)
    except RecipeError as error:
        raise ValueError(str(error)) from error


@dataclass(frozen=True, config=_STRICT)
class PruningSettings:
    """How the model is pruned.

    Attributes:
        method: the method's name and its settings.
        densities: fractions to keep, from the largest to the smallest, in place of the method's
            `keep`: one run passes through them, and leaves a finalized folder for each.
        schedule: when the level moves.
        penalty_schedule: when the penalty grows; without it, as the level moves.
        freeze_after: fraction of the steps after the final density, from which on the masks stay
            as they are and scores are released; without it, masks move to the end.
        include: patterns of names of further linear layers to prune.
        exclude: patterns of names of layers to leave alone.
    """

    method: Annotated[Method[Any], BeforeValidator(_method), PlainSerializer(settings_of)]
    densities: tuple[Positive, ...] = ()
    schedule: PruningSchedule = PruningSchedule()
    penalty_schedule: PruningSchedule | None = None
    freeze_after: Fraction | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _keep_is_the_last_density(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("densities"), list | tuple):
            return values
        method, densities = values.get("method"), values["densities"]
        if densities and isinstance(method, Mapping) and "keep" not in method:
            values = {**values, "method": {**method, "keep": densities[-1]}}
        return values

    @model_validator(mode="after")
    def _method_passes_through_densities(self) -> Self:
        if self.densities:
            try:
                require_densities(self.method, self.densities)
            except TrainingError as error:
                raise ValueError(str(error)) from error
        return self


@dataclass(frozen=True, config=_STRICT)
class TrainingSettings:
    """How the weights are trained.

    Attributes:
        epochs: passes over the training set; may be a fraction.
        max_steps: optimizer steps; ends the run in place of `epochs`.
        batch_size: examples of one optimizer step, over all processes and accumulated batches.
        accumulation: batches whose gradients are summed for one step; lowers memory.
        evaluation_batch_size: examples of one batch in evaluation, over all processes.
        learning_rate: of the weights. Without one: 3e-5 for a dense run, and for a pruned one as
            many times that as weights under its method train best at.
        score_learning_rate: of the scores.
        warmup_steps: steps in which both rates rise from 0; below 1, as a fraction of all steps.
            They fall linearly to 0 from there on.
        weight_decay: of weights; never of scores, biases and LayerNorm.
        adam_epsilon: Adam's epsilon.
        max_grad_norm: norm to which gradients are clipped; 0 for no clipping.
        group_by_length: whether a batch holds texts of like length, which saves padding; where
            lengths differ much, a run takes half the time.
        freeze_embeddings: whether embeddings stay as they are, as in the paper.
        dropout: probability of all dropout in training; without it, the model's own. 0 suits a
            student whose texts are augmented: its labels are soft, and its texts never the same.
        class_weights: what examples count for in the task's loss, by their label, for tasks with
            classes: `balanced` lets each class count for as much as any other, however rare it is;
            or weights by name (`{spam: 5}`), others weighing 1. They are scaled so that examples
            weigh 1 in the mean. Of several labels a text, what the presence of one counts for,
            against 1 for its absence.
        gradient_checkpointing: whether activations are computed a second time for the gradient, in
            place of being kept: less memory, and a third more time.
        best_checkpoint: whether the run ends with the checkpoint whose evaluation was best (by the
            task's first metric, on the first validation set) and not with the last one. While the
            density still falls, none counts.
        early_stopping: after how many evaluations without a better one the run ends, with its best
            checkpoint; none count while the density still falls. Without it, the run goes on to
            its end.
        precision: of the arithmetic: `auto`, `float32`, `bfloat16` (or `bf16`) or `float16`.
            Weights and scores stay float32 in each. `auto` times a few steps in float32 and
            bfloat16, and takes the faster; the run's recipe says which, and a resumed run keeps it.
        seed: of everything random.
        evaluate_every: steps between evaluations, `epoch` or `never`.
        save_every: steps between checkpoints, `epoch` or `never`.
        keep_checkpoints: how many checkpoints stay on disk.
        log_every: steps between lines of the log.
        report_to: trackers, as `transformers` names them.
    """

    epochs: Positive = 3
    max_steps: Count | None = None
    batch_size: Count = 32
    accumulation: Count = 1
    evaluation_batch_size: Count = 64
    learning_rate: NotNegative | None = None
    score_learning_rate: NotNegative = 1e-2
    warmup_steps: NotNegative = 0.1
    weight_decay: NotNegative = 0.0
    adam_epsilon: Positive = 1e-8
    max_grad_norm: NotNegative = 1.0
    group_by_length: bool = False
    freeze_embeddings: bool = False
    dropout: Annotated[Fraction, Field(lt=1)] | None = None
    class_weights: Weights = None
    gradient_checkpointing: bool = False
    best_checkpoint: bool = False
    early_stopping: Count | None = None
    precision: Precision = "auto"
    seed: Seed = 92
    evaluate_every: Interval = "epoch"
    save_every: Interval = "epoch"
    keep_checkpoints: Annotated[Count, Field(ge=2)] = 2
    log_every: Count = 50
    report_to: tuple[str, ...] = ("tensorboard",)

    @property
    def keeps_best(self) -> bool:
        """Whether the run ends with its best checkpoint."""
        return self.best_checkpoint or self.early_stopping is not None

    @model_validator(mode="after")
    def _the_best_is_evaluated_and_saved(self) -> Self:
        if not self.keeps_best:
            return self
        key = "best_checkpoint" if self.best_checkpoint else "early_stopping"
        evaluated, saved = self.evaluate_every, self.save_every
        if "never" in (evaluated, saved):
            raise ValueError(f"{key} needs evaluations and checkpoints; one of them is never made")
        fits = evaluated == saved or (
            isinstance(evaluated, int) and isinstance(saved, int) and saved % evaluated == 0
        )
        if not fits:
            raise ValueError(
                f"{key} needs an evaluation of every checkpoint: save_every is {saved}, and "
                f"evaluate_every {evaluated}; set both alike, or the first to a multiple"
            )
        return self


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """One run, from data to model.

    Attributes:
        model: what training starts from: a folder, a hub name, or `package:NAME/PATH` for a
            folder inside of an installed Python package.
        task: what the model learns, and from which data.
        training: how.
        pruning: how it is pruned meanwhile; without it, the model is fine-tuned.
        teacher: a model of the same task and with the same tokenizer, to learn from beside the
            labels: a run, a folder or a hub name.
        distillation: how the teacher enters the loss. A recipe of a classification or of question
            answering that names a teacher and prunes, and leaves this out, leaves to fineprune how
            the student learns: what is open becomes what won (docs/recipes.md, "What is left out").
        augmentation: further versions of every training text, which the teacher alone labels
            (`distillation.alpha_ce: 0`); without it, none. `training.epochs` counts the texts, not
            their versions: with seven of these, eight epochs are one pass over all.
        quantize: how finely weights are rounded while the model recovers from pruning, as `pack`
            will round them; without it, not at all.
    """

    model: Annotated[str, Field(min_length=1)]
    task: TaskSettings
    training: TrainingSettings = TrainingSettings()
    pruning: PruningSettings | None = None
    teacher: str | None = None
    distillation: Distillation | None = None
    augmentation: Augmentation | None = None
    quantize: Quantization | None = None

    @model_validator(mode="after")
    def _distillation_has_a_teacher(self) -> Self:
        if self.distillation is not None and self.teacher is None:
            raise ValueError("distillation needs a teacher: a run, a folder or a hub name")
        return self

    @model_validator(mode="after")
    def _only_embeddings_are_distilled_as_such(self) -> Self:
        if (
            self.distillation is not None
            and self.distillation.embeddings is not None
            and not isinstance(self.task, SentenceEmbeddingSettings)
        ):
            raise ValueError(
                f"distillation.embeddings is for sentence embeddings, and the task is "
                f"{self.task.kind}: leave it out"
            )
        return self

    @model_validator(mode="after")
    def _the_teacher_labels_versions(self) -> Self:
        if self.augmentation is None:
            return self
        if self.distillation is None or self.distillation.alpha_ce:
            raise ValueError(
                "augmentation changes what texts say, so that their labels may be wrong: name a "
                "teacher, and set distillation.alpha_ce to 0"
            )
        return self

    @model_validator(mode="after")
    def _schedules_fit(self) -> Self:
        # A run given in epochs is as long as its data, and checked once those are known.
        if self.training.max_steps is not None:
            try:
                self.check_schedules(self.training.max_steps)
            except TrainingError as error:
                raise ValueError(str(error)) from error
        return self

    def with_learning_rate(self) -> Self:
        """The recipe with its learning rate written out, where it left that to the method."""
        if self.training.learning_rate is not None:
            return self
        ratio = self.pruning.method.learning_rate_ratio if self.pruning else 1.0
        training = replace(self.training, learning_rate=_DENSE_LEARNING_RATE * ratio)
        return replace(self, training=training)

    def with_precision(self, precision: Precision) -> Self:
        """The recipe with its precision written out."""
        return replace(self, training=replace(self.training, precision=precision))

    def check_schedules(self, total_steps: int) -> None:
        """Checks that a run of `total_steps` reaches its final level.

        Raises:
            TrainingError: it does not.
        """
        if self.pruning is None:
            return
        for key in ("schedule", "penalty_schedule"):
            schedule: PruningSchedule | None = getattr(self.pruning, key)
            try:
                if schedule is not None:
                    stages_of(schedule, total_steps, len(self.pruning.densities) or 1)
            except TrainingError as error:
                raise TrainingError(f"pruning.{key}.{error}") from error
