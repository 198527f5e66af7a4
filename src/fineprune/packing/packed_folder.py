"""From a finalized folder to a packed one, which `AutoModel` and the engine load alike."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fineprune.files import new_folder
from fineprune.packing.folder import write_companions
from fineprune.packing.packer import pack
from fineprune.packing.places import FILENAME, METHOD
from fineprune.packing.reader import read_packed
from fineprune.packing.report import PackReport
from fineprune.packing.unseen import Unseen

# `transformers_weights` names the file that transformers is to load. There is none of this name:
# without the import that it asks for, loading fails with these words, where transformers would
# start a model from random numbers if it were led to the packed file.
_CONFIG: Mapping[str, Any] = {
    "quantization_config": {"quant_method": METHOD},
    "transformers_weights": "import fineprune.huggingface to load this model.safetensors",
    "dtype": "float32",  # without, transformers would take that of the packed file: bytes
}


def pack_folder(
    source: str | Path,
    target: str | Path,
    *,
    bits: int = 8,
    embedding_bits: int = 8,
    unseen: Unseen | None = None,
    provenance: Mapping[str, Any] | None = None,
    add: Callable[[Path], None] | None = None,
) -> PackReport:
    """Packs a finalized model into a folder: the packed file, with config and tokenizer beside it.

    After `import fineprune.huggingface`, `from_pretrained` of transformers loads it.

    Args:
        source: a plain Hugging Face folder.
        target: folder to write; it must not exist, or be empty, and appears whole or not at all.
        bits: as for `pack`.
        embedding_bits: as for `pack`.
        unseen: as for `pack`.
        provenance: as for `pack`.
        add: writes what else shall lie in the folder, such as a model card, before it appears.

    Returns:
        What was kept, lost and written, by tensor.

    Raises:
        FolderTakenError: there is something at the target already.
        FinepruneError: as `pack`.
    """
    with new_folder(Path(target)) as folder:
        file = folder / FILENAME
        report = pack(
            source,
            file,
            bits=bits,
            embedding_bits=embedding_bits,
            unseen=unseen,
            provenance=provenance,
        )
        write_companions(read_packed(file), folder, _CONFIG)
        if add is not None:
            add(folder)
    return report
