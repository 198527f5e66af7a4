from pathlib import Path

import pytest

from fineprune.errors import CheckpointError, PackedFileError
from fineprune.packing import pack
from fineprune.pruning.model_folder import model_folder
from tests.packing.folders import tiny_tensors, write_folder


def fail_in(path: Path) -> None:
    """Raises an error that names the folder of a model."""
    with model_folder(path) as folder:
        raise CheckpointError(f"{folder}/config.json: damaged")


def test_a_folder_stays_where_it_is(tmp_path: Path) -> None:
    with model_folder(tmp_path) as folder:
        assert folder == tmp_path


def test_a_packed_file_is_a_folder_for_a_while(tmp_path: Path) -> None:
    pack(write_folder(tmp_path / "plain", tiny_tensors()), tmp_path / "packed")
    with model_folder(tmp_path / "packed") as folder:
        assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}
    assert not folder.exists()


def test_errors_name_the_file_that_the_user_knows(tmp_path: Path) -> None:
    pack(write_folder(tmp_path / "plain", tiny_tensors()), tmp_path / "packed")
    with pytest.raises(CheckpointError) as caught:
        fail_in(tmp_path / "packed")
    assert str(caught.value) == f"{tmp_path / 'packed'}/config.json: damaged"


def test_a_file_that_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"rubbish" * 10)
    with pytest.raises(PackedFileError, match="no packed model"), model_folder(tmp_path / "file"):
        pass
