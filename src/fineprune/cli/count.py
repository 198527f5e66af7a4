"""`fineprune count`."""

from fineprune.cli.options import JsonOption, MethodOption, ModelArgument, ThresholdOption
from fineprune.cli.printing import print_json, print_table
from fineprune.extras import needs
from fineprune.report.names import MatrixName


def count(
    model: ModelArgument,
    *,
    method: MethodOption = None,
    threshold: ThresholdOption = None,
    json: JsonOption = False,
) -> None:
    """Count the kept weights of each matrix and of the whole encoder."""
    with needs("train", "fineprune count"):
        from fineprune.pruning import counts, load_model
        from fineprune.pruning.model_folder import model_folder

    with model_folder(model) as folder:
        counted = counts.count(load_model(folder, method=method, threshold=threshold))
    if json:
        print_json(
            {
                "matrices": {
                    name: {"kept": matrix.kept, "total": matrix.total, "at_floor": matrix.at_floor}
                    for name, matrix in counted.matrices.items()
                },
                "kept": counted.kept,
                "prunable": counted.prunable,
                "density": counted.density,
                "encoder_kept": counted.encoder_kept,
                "encoder_total": counted.encoder_total,
                "encoder_density": counted.encoder_density,
            }
        )
        return
    rows = [
        _row(
            f"{MatrixName.of(name)}{' (at the floor)' if matrix.at_floor else ''}",
            matrix.kept,
            matrix.total,
        )
        for name, matrix in counted.matrices.items()
    ]
    rows += [
        _row("all prunable weights", counted.kept, counted.prunable),
        _row("all of the encoder's blocks", counted.encoder_kept, counted.encoder_total),
    ]
    columns = {"matrix": "left", "kept": "right", "of": "right", "density": "right"}
    print_table(columns, rows, title=str(model))


def _row(name: str, kept: int, total: int) -> list[str]:
    return [name, f"{kept:,}", f"{total:,}", f"{kept / total:.2%}"]
