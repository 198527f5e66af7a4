"""The `task:` section of a recipe, for text classification and regression."""

from dataclasses import field
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from fineprune.tasks.classification.examples import Columns
from fineprune.tasks.classification.glue import GLUE, LABEL, glue_name, hub_splits
from fineprune.tasks.classification.labels import label_name
from fineprune.tasks.data import Splits
from fineprune.tasks.data.named_sources import NamedSources, OneOrMoreSources


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _label_names(value: Any) -> Any:
    return tuple(map(label_name, value)) if isinstance(value, list | tuple) else value


def _glue(value: Any) -> Any:
    return glue_name(value) if isinstance(value, str) else value


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ClassificationSettings:
    """Texts or pairs of texts, each with a class or a number: a GLUE task, or the user's own data.

    A source is the name of a file or data set, or a mapping with the keys of `task.train`; where
    one is expected, a list of several is read as one set. `validation` and `test` also take a
    mapping from names to sources, for evaluation sets that are scored apart:
    `{matched: dev_matched.tsv, mismatched: dev_mismatched.tsv}`.

    Labels are names: text, or whole numbers or truth values as JSON writes them. The classes and
    their order are those of the first of these that is given: `glue`, `labels`, the training set's
    own declaration (data sets of the hub), the labels that occur in the training set (in numerical
    order if all are whole numbers, else sorted as text).

    Attributes:
        kind: which task this is.
        glue: name of a GLUE task, which determines columns, labels and metrics; without sources,
            its data are loaded from the hub.
        train: sources to train on. Without them, the task can be evaluated if its labels are known.
        validation: sources to evaluate on during and after training.
        test: sources to evaluate on at the end; a test set without any labels can be predicted, not
            scored.
        text: the column that holds the text, or two for pairs; GLUE has its own default.
        label: the column that holds the label, or with `multi_label` a list of columns; GLUE has
            its own default.
        labels: names of the classes, in the order of the model's outputs.
        regression: whether labels are numbers to be predicted as such.
        multi_label: whether a text has any number of labels, none among them. They stand in one
            column of lists, or `label` names a column for each, of 0 and 1.
        threshold: of several labels a text, the probability from which on one is predicted; 0.5 if
            not given.
        max_length: most tokens of an input, special tokens included; longer texts are cut.
        broken_rows: what happens to rows that cannot be used (fields missing, no text, a label
            that is missing or unknown): `"refuse"` stops at the first, `"drop"` leaves them out
            and counts them in the notes of the task.
    """

    kind: Literal["text-classification"] = "text-classification"
    glue: Annotated[str, BeforeValidator(_glue)] | None = None
    train: OneOrMoreSources = ()
    validation: NamedSources = field(default_factory=dict)
    test: NamedSources = field(default_factory=dict)
    text: Annotated[tuple[str, ...], BeforeValidator(_names), Field(max_length=2)] = ()
    label: str | Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    labels: Annotated[tuple[str, ...], BeforeValidator(_label_names)] = ()
    regression: bool = False
    multi_label: bool = False
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_length: int = Field(default=128, gt=0)
    broken_rows: Literal["refuse", "drop"] = "refuse"

    @property
    def columns(self) -> Columns:
        """The columns that hold texts and labels."""
        text = self.text or (GLUE[self.glue].text if self.glue else ())
        label = self.label or LABEL
        return Columns(text, (label,) if isinstance(label, str) else label)

    @property
    def splits(self) -> Splits:
        """The sources of each split, those of the hub where a GLUE task names none."""
        if self.glue and not (self.train or self.validation or self.test):
            return hub_splits(self.glue)
        return Splits(self.train, self.validation, self.test)

    @model_validator(mode="after")
    def _labels_are_given_once(self) -> Self:
        if self.glue and (self.labels or self.regression or self.multi_label):
            raise ValueError("glue determines labels, regression and multi_label: leave these out")
        if self.regression and self.labels:
            raise ValueError("labels names classes, and a regression has none")
        if self.regression and self.multi_label:
            raise ValueError("regression predicts one number, multi_label several labels: name one")
        if self.threshold is not None and not self.multi_label:
            raise ValueError(f"threshold {self.threshold} has no effect without multi_label: true")
        if len(set(self.labels)) < len(self.labels) or len(self.labels) == 1:
            raise ValueError("labels has to name at least two classes, each once")
        return self

    @model_validator(mode="after")
    def _own_data_is_described(self) -> Self:
        if self.glue:
            return self
        if not (self.text and self.label):
            raise ValueError("text and label have to name columns, or glue has to name a task")
        if not (self.train or self.labels or self.regression):
            raise ValueError("train is needed to learn the labels from, or labels to list them")
        if not (self.train or self.validation or self.test):
            raise ValueError("one of train, validation and test has to name data")
        return self

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        columns = self.columns
        if len(columns.all) < len(columns.text) + len(columns.labels):
            raise ValueError("text and label have to name different columns")
        if len(columns.labels) > 1 and not self.multi_label:
            raise ValueError("several columns of labels need multi_label: true")
        if len(columns.labels) > 1 and self.labels and {*self.labels} != {*columns.labels}:
            raise ValueError("labels has to name the columns of label, in the order of the outputs")
        return self
