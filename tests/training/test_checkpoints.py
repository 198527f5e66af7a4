from pathlib import Path

from transformers import TrainerControl, TrainerState, TrainingArguments

from fineprune.training.checkpoints import (
    CompletionCallback,
    last_checkpoint,
    remove_partial_checkpoints,
)


def checkpoint(run: Path, step: int, *, whole: bool) -> Path:
    folder = run / f"checkpoint-{step}"
    folder.mkdir()
    (folder / "model.safetensors").touch()
    if whole:
        arguments = TrainingArguments(str(run), use_cpu=True)
        state = TrainerState(global_step=step, is_world_process_zero=True)
        CompletionCallback().on_save(arguments, state, TrainerControl())
    return folder


def test_the_last_whole_checkpoint(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    assert last_checkpoint(tmp_path / "nowhere") is None
    checkpoint(tmp_path, 9, whole=True)
    newest = checkpoint(tmp_path, 10, whole=True)
    checkpoint(tmp_path, 11, whole=False)
    (tmp_path / "checkpoint-of-mine").mkdir()
    assert last_checkpoint(tmp_path) == newest


def test_only_the_first_process_marks(tmp_path: Path) -> None:
    checkpoint(tmp_path, 1, whole=False)
    state = TrainerState(global_step=1, is_world_process_zero=False)
    arguments = TrainingArguments(str(tmp_path), use_cpu=True)
    CompletionCallback().on_save(arguments, state, TrainerControl())
    assert last_checkpoint(tmp_path) is None


def test_partial_checkpoints_are_removed_and_nothing_else(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path, 1, whole=True)
    checkpoint(tmp_path, 2, whole=False)
    mine = tmp_path / "checkpoint-of-mine"
    mine.mkdir()
    remove_partial_checkpoints(tmp_path)
    assert set(tmp_path.iterdir()) == {whole, mine}
