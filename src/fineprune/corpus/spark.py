"""An engine as a pandas UDF of Spark."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fineprune.corpus.batches import BatchPredictor, series_columns, values_of_series
from fineprune.corpus.columns import Columns, Kind, Records, Vector
from fineprune.errors import MissingExtraError
from fineprune.extras import needs

if TYPE_CHECKING:
    import pandas

Batches = Callable[[Iterator[Any]], "Iterator[pandas.DataFrame]"]

_TYPES = {"text": "string", "number": "double", "integer": "bigint"}


def spark_udf(model: str | Path, *, pairs: bool = False, **options: Any) -> Any:
    """A pandas UDF that answers a column of texts, or two columns of pairs.

    Its result is a struct of the same columns that `fineprune predict --input` writes. Each Python
    worker of Spark opens the model once.

    Args:
        model: a packed file that the driver and each worker can read, or the name of a repository
            on the hub.
        pairs: whether it is called with two columns: pairs, or questions and their contexts.
        **options: of `BatchPredictor` but for its columns: `context`, `threads`, `precision`, and
            what the task's own call takes.

    Returns:
        What `pyspark.sql.functions.pandas_udf` returns.

    Raises:
        MissingExtraError: pyspark or pandas is not there.
        FinepruneError: as `BatchPredictor`.
    """
    pandas_udf = _pandas_udf()
    with needs("scale", "fineprune.spark_udf"):
        import pandas

    columns = _predictor(model, pairs, options).columns  # what is wrong shows before a job starts
    batches = batch_function(model, pairs=pairs, **options)

    # Spark reads from these types what it is to pass.
    if pairs:

        def of_pairs(
            batch: Iterator[tuple[pandas.Series, pandas.Series]],
        ) -> Iterator[pandas.DataFrame]:
            return batches(batch)

        return pandas_udf(of_pairs, spark_type(columns))

    def of_texts(batch: Iterator[pandas.Series]) -> Iterator[pandas.DataFrame]:
        return batches(batch)

    return pandas_udf(of_texts, spark_type(columns))


def _pandas_udf() -> Any:
    # No extra brings it: what Spark a cluster has, the cluster decides.
    try:
        from pyspark.sql.functions import pandas_udf
    except ImportError as error:
        raise MissingExtraError(
            "fineprune.spark_udf needs pyspark, which Spark brings along: call it in Spark's own "
            "Python, or pip install pyspark in the cluster's version"
        ) from error
    return pandas_udf


def batch_function(model: str | Path, *, pairs: bool = False, **options: Any) -> Batches:
    """What the UDF runs: from series of texts to frames of answers, one for each.

    Args:
        model: as for `spark_udf`.
        pairs: whether each batch is a tuple of two series.
        **options: as for `spark_udf`.
    """

    def answer(batches: Iterable[Any]) -> "Iterator[pandas.DataFrame]":
        with needs("scale", "fineprune.spark_udf"):
            import pandas
        predictor = _predictor(model, pairs, options)
        for batch in batches:
            columns = batch if pairs else (batch,)
            said = predictor.answers([values_of_series(series) for series in columns])
            yield pandas.DataFrame(series_columns(predictor.columns, said))

    return answer


def spark_type(columns: Columns) -> str:
    """The type of a struct of these columns, as Spark writes types."""
    return ", ".join(f"{name} {_type(kind)}" for name, kind in columns.items())


def _type(kind: Kind) -> str:
    if isinstance(kind, Vector):
        return "array<float>"
    if isinstance(kind, Records):
        fields = ", ".join(f"{name}: {_TYPES[scalar]}" for name, scalar in kind.fields.items())
        return f"array<struct<{fields}>>"
    return _TYPES[kind]


_PREDICTORS: dict[str, BatchPredictor] = {}
"""Of this process: a worker of Spark runs one part of the data after another."""


def _predictor(model: str | Path, pairs: bool, options: dict[str, Any]) -> BatchPredictor:
    key = repr((str(model), pairs, sorted(options.items())))
    if key not in _PREDICTORS:
        _PREDICTORS[key] = BatchPredictor(model, pair_column="pair" if pairs else None, **options)
    return _PREDICTORS[key]
