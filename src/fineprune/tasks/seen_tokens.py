"""Which tokens of its vocabulary a model read while it was trained."""

from pathlib import Path

from fineprune.errors import CheckpointError, DataError
from fineprune.packing.told import CONFIG, json_object
from fineprune.tasks.recipe_file import read_task
from fineprune.tasks.registry import load_task
from fineprune.text.fast import FastTokenizer
from fineprune.text.settings import TOKENIZER
from fineprune.text.trained import RECIPE


def seen_tokens(folder: Path) -> frozenset[int]:
    """Numbers of the tokens in the training texts of a model's recipe, special ones among them.

    Args:
        folder: a model's, with tokenizer and the resolved recipe of its run. Paths of data in the
            recipe are meant from where the run was started.

    Raises:
        CheckpointError: recipe or tokenizer are not there.
        FinepruneError: the data that the recipe names cannot be read.
    """
    for name in (RECIPE, TOKENIZER):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} holds no {name}; which tokens were seen in training is read from the "
                f"recipe of a run, which `fineprune train` and `fineprune finalize` leave there"
            )
    files = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    tokenizer = FastTokenizer.read(files, json_object(files.get(CONFIG)).get("model_type"))
    features = load_task(read_task(folder / RECIPE)).training_features(tokenizer)
    seen = {token for row in features["input_ids"] for token in row}
    if not seen:
        raise DataError(f"{folder / RECIPE}: its training data hold no tokens")
    return frozenset(seen)
