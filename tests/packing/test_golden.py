"""Files of version 1 stay readable, and packing stays as it is until somebody means to change it.

    python -m tests.packing.test_golden

writes the file anew, for a new version of the format.
"""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fineprune.packing import SparseTensor, pack, read_packed
from tests.packing.crafting import container_of
from tests.packing.folders import write_folder

GOLDEN = Path(__file__).with_name("version-1.safetensors")


def weights() -> dict[str, NDArray[np.float32]]:
    """Tensors by formula, exact in every precision they are packed with."""
    rows, columns = np.mgrid[:40, :50]
    kept = (rows * rows + 3 * columns) % (5 + rows // 8) == 0
    vector = np.arange(-8, 8) / 4
    return {
        "encoder.layer.0.weight": (np.where(kept, rows - columns, 0) / 16).astype(np.float32),
        "embeddings.weight": ((rows * columns % 31) - 15).astype(np.float32),
        "embeddings.bias": vector.astype(np.float32),
    }


def packed_now(folder: Path) -> Path:
    source = write_folder(folder / "plain", weights())
    pack(source, folder / "packed", bits=32, embedding_bits=16)
    return folder / "packed"


def test_a_file_of_version_1_is_read() -> None:
    tensors = read_packed(GOLDEN).tensors
    assert isinstance(tensors["encoder.layer.0.weight"], SparseTensor)
    for name, array in weights().items():
        np.testing.assert_array_equal(tensors[name].to_array(), array)


def test_packing_gives_the_same_records_as_ever(tmp_path: Path) -> None:
    now, then = (container_of(path.read_bytes()).entries for path in (packed_now(tmp_path), GOLDEN))
    assert now.keys() == then.keys()
    for name, record in then.items():
        assert bytes(now[name]) == bytes(record), name


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        GOLDEN.write_bytes(packed_now(Path(temporary)).read_bytes())
