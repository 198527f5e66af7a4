"""A teacher over fixed inputs is asked once, and says what it would say live."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    BertForSequenceClassification,
    BertModel,
    PreTrainedModel,
)

from fineprune import Masks
from fineprune.errors import CheckpointError, TrainingError
from fineprune.pruning import Movement
from fineprune.training import Distillation, FinePruningTrainer
from fineprune.training.teacher import ROW, content_key, is_fixed, with_rows
from tests.models import mask_at_random
from tests.training.loop import (
    EXAMPLES,
    STEPS,
    Calls,
    Recorder,
    dataset,
    masked,
    model_of,
    other,
    plain,
    state_of,
    trainer_of,
    uneven,
)
from tests.workspace import LABELS, bert_config

KINDS = ("classification", "regression", "tokens", "question-answering")


def on_the_fly(rows: datasets.Dataset) -> datasets.Dataset:
    """The same rows, of which nobody can know that they are the same each time."""
    return rows.with_transform(lambda batch: batch)


def run(
    folder: Path, kind: str, rows: datasets.Dataset, teacher: PreTrainedModel, **options: Any
) -> tuple[FinePruningTrainer, Recorder]:
    changes = {"optim": "sgd", "max_grad_norm": 0.0, **options.pop("changes", {})}
    trainer = trainer_of(
        folder,
        Movement(keep=0.2),
        kind,
        train_dataset=rows,
        teacher=teacher,
        distillation=Distillation(alpha_ce=0.0, alpha_kd=1.0),
        changes=changes,
        **options,
    )
    return trainer, Recorder(trainer)


# What it says.


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("kind", KINDS)
def test_stored_logits_teach_as_a_live_teacher_does(kind: str, side: str, tmp_path: Path) -> None:
    rows, collator = uneven(kind, side)
    found = []
    for name, given in (("stored", rows), ("live", on_the_fly(rows))):
        trainer, record = run(
            tmp_path / name, kind, given, other(kind), data_collator=collator,
            changes={"remove_unused_columns": False},
        )  # fmt: skip
        calls = Calls(trainer.teacher or nn.Module())
        trainer.train()
        assert calls.count == (STEPS if name == "live" else EXAMPLES // 8)
        found.append(record)
    stored, live = found
    assert [logs["loss"] for logs in stored.logs[:-1]] == pytest.approx(
        [logs["loss"] for logs in live.logs[:-1]], rel=1e-5, abs=1e-6
    )
    for ours, theirs in zip(stored.gradients, live.gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_logits_of_a_batch_are_those_of_its_rows(kind: str, side: str, tmp_path: Path) -> None:
    rows, collator = uneven(kind, side)
    teacher = other(kind).train(False)
    trainer, _ = run(tmp_path, kind, rows, teacher, data_collator=collator)
    known = trainer._ask(teacher)
    places = [5, 0, 17, 5]
    batch = collator([with_rows(rows)[place] for place in places])
    assert batch[ROW].tolist() == places
    found = known.of(batch[ROW], batch["attention_mask"])
    for i, place in enumerate(places):
        alone = collator([rows[place]])
        real = alone["attention_mask"][0].bool()
        with torch.no_grad():
            outputs = teacher(input_ids=alone["input_ids"], attention_mask=alone["attention_mask"])
        for name, logits in found.items():
            mine, expected = logits[i], outputs[name][0]
            if kind in ("tokens", "question-answering"):
                mine, expected = mine[batch["attention_mask"][i].bool()], expected[real]
            torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)
    names = {"start_logits", "end_logits"} if kind == "question-answering" else {"logits"}
    assert set(found) == names


@pytest.mark.parametrize("kind", ["tokens", "question-answering"])
def test_padding_has_no_part_in_what_is_distilled(kind: str, tmp_path: Path) -> None:
    # The same texts, padded and alone: the mean over real tokens is the same.
    rows, collator = uneven(kind)
    student, teacher = plain(kind).train(False), other(kind).train(False)
    batch = {k: v for k, v in collator([rows[i] for i in range(4)]).items() if "pos" not in k}
    batch.pop("labels", None)
    with torch.no_grad():
        padded = Distillation().divergence(
            student(**batch), teacher(**batch), batch["attention_mask"]
        )
        alone, weights = [], []
        for i in range(4):
            ids = torch.tensor([rows[i]["input_ids"]])
            alone.append(Distillation().divergence(student(ids), teacher(ids)))
            weights.append(ids.shape[1] if kind == "tokens" else 1)
    expected = sum(w * one for w, one in zip(weights, alone, strict=True)) / sum(weights)
    assert padded.item() == pytest.approx(float(expected), rel=1e-4)


# Asked once.


def test_a_teacher_is_asked_once_and_never_again(tmp_path: Path) -> None:
    trainer, _ = run(tmp_path, "classification", dataset(), other())
    assert trainer.teacher is not None
    calls = Calls(trainer.teacher)
    trainer.train()
    assert (calls.count, calls.texts) == (3, EXAMPLES)  # eight texts at a time
    trainer.train()
    assert calls.texts == EXAMPLES
    [file] = (tmp_path / "_teacher-logits").iterdir()
    assert load_file(file)["logits"].shape == (EXAMPLES, 3)


def test_a_second_run_and_a_resumed_one_ask_nothing(tmp_path: Path) -> None:
    shared = {"teacher_folder": tmp_path / "logits"}
    saving = {"save_strategy": "steps", "save_steps": 6}
    trainer, _ = run(
        tmp_path / "one", "classification", dataset(), other(), changes=saving, **shared
    )
    trainer.train()
    for name, resumed in (("two", None), ("one", str(tmp_path / "one" / "checkpoint-6"))):
        again, _ = run(
            tmp_path / name, "classification", dataset(), other(), changes=saving, **shared
        )
        assert again.teacher is not None
        calls = Calls(again.teacher)
        again.train(resume_from_checkpoint=resumed)
        assert calls.count == 0
        torch.testing.assert_close(
            state_of(model_of(again)), state_of(model_of(trainer)), rtol=0, atol=0
        )
    assert len(list((tmp_path / "logits").iterdir())) == 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "other bytes", "other values", "no key"])
def test_a_damaged_file_is_asked_for_anew(damage: str, tmp_path: Path) -> None:
    trainer, _ = run(tmp_path, "classification", dataset(), other())
    trainer.train()
    [file] = (tmp_path / "_teacher-logits").iterdir()
    # Cloned: what is loaded is the file itself, by its pages.
    whole, logits = file.read_bytes(), {k: v.clone() for k, v in load_file(file).items()}
    if damage == "truncated":
        file.write_bytes(whole[:-7])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "other bytes":
        file.write_bytes(whole[:-4] + b"\x00\x00\x80\x3f")
    elif damage == "other values":
        save_file({"logits": torch.zeros(EXAMPLES, 3)}, file, {"key": file.stem, "content": "x"})
    else:
        save_file(load_file(file), file)
    again, _ = run(tmp_path, "classification", dataset(), other())
    assert again.teacher is not None
    calls = Calls(again.teacher)
    again.train()
    assert calls.texts == EXAMPLES
    torch.testing.assert_close(load_file(file), logits, rtol=0, atol=0)
    assert sorted(file.read_bytes()) == sorted(whole), "metadata has no order"
    torch.testing.assert_close(state_of(model_of(again)), state_of(model_of(trainer)))


# The key.


def test_the_key_is_of_all_that_logits_depend_on() -> None:
    teacher, rows = other(), dataset()
    key = content_key(teacher, rows)
    assert content_key(other(), dataset()) == key
    changed = rows.to_dict()
    changed["input_ids"][-1] = [*changed["input_ids"][-1][:-1], 4]
    assert rows[-1]["input_ids"][-1] != 4
    assert content_key(teacher, datasets.Dataset.from_dict(changed)) != key
    turned = rows.select(range(EXAMPLES - 1, -1, -1))
    assert content_key(teacher, turned) != key
    assert content_key(teacher, rows.select(range(EXAMPLES - 1))) != key
    types = rows.add_column("token_type_ids", [[0] * 6] * EXAMPLES)
    assert content_key(teacher, types) != key
    with torch.no_grad():
        teacher.get_parameter("classifier.bias")[0] += 1e-6
    assert content_key(teacher, rows) != key


def test_labels_and_numbers_of_rows_are_not_in_the_key() -> None:
    teacher, rows = other(), dataset()
    key = content_key(teacher, rows)
    relabelled = rows.remove_columns("labels").add_column("labels", [0] * EXAMPLES)
    assert content_key(teacher, relabelled) == key
    assert content_key(teacher, rows.remove_columns("labels")) == key
    assert content_key(teacher, with_rows(rows)) == key


def test_how_rows_are_stored_is_not_in_the_key() -> None:
    teacher, rows = other(), dataset()
    key = content_key(teacher, rows)
    assert content_key(teacher, rows.with_format("torch")) == key
    halves = [rows.select(range(9)), rows.select(range(9, EXAMPLES))]
    assert content_key(teacher, datasets.concatenate_datasets(halves)) == key


@pytest.mark.parametrize(
    ("make", "fixed"),
    [
        (dataset, True),
        (lambda: dataset().with_format("torch"), True),
        (lambda: on_the_fly(dataset()), False),
        (lambda: dataset().to_iterable_dataset(), False),
        (lambda: list(dataset()), False),
        (lambda: dataset().rename_column("input_ids", "pixel_values"), False),
        (lambda: None, False),
    ],
    ids=["table", "formatted", "transformed", "streamed", "list", "images", "none"],
)
def test_what_is_fixed(make: Callable[[], object], fixed: bool) -> None:
    assert is_fixed(make()) is fixed


# Which teachers.


def test_a_masked_teacher_is_finalized(tmp_path: Path) -> None:
    teacher = other()
    mask_at_random(teacher, Movement(keep=0.3))
    rows = torch.tensor(dataset()["input_ids"][:])
    with torch.no_grad():
        expected = teacher.train(False)(input_ids=rows).logits
    trainer, _ = run(tmp_path, "classification", dataset(), teacher)
    assert trainer.teacher is not None
    with pytest.raises(Exception, match="has no masks"):
        Masks.of(trainer.teacher)
    known = trainer._ask(trainer.teacher)
    found = known.of(torch.arange(EXAMPLES), None)["logits"]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    trainer.train()  # masks that nobody moves would stop it


def test_a_teacher_without_logits_is_refused_by_name(tmp_path: Path) -> None:
    teacher = BertModel(bert_config(id2label=dict(enumerate(("first", "second", "third")))))
    for rows in (dataset(), on_the_fly(dataset())):
        trainer, _ = run(
            tmp_path, "classification", rows, teacher, changes={"remove_unused_columns": False}
        )
        with pytest.raises(TrainingError, match=r"last_hidden_state.* has no logits to distil"):
            trainer.train()


def test_a_teacher_with_real_names_and_a_student_with_none(tmp_path: Path) -> None:
    student = masked(Movement(keep=0.2))
    student.config.id2label = {i: f"LABEL_{i}" for i in range(3)}
    trainer_of(tmp_path, None, model=student, teacher=other(), changes={"max_steps": 9}).train()


def test_a_teacher_without_names(tmp_path: Path) -> None:
    teacher = other()
    teacher.config.id2label = {i: f"LABEL_{i}" for i in range(3)}
    trainer_of(tmp_path, Movement(keep=0.2), teacher=teacher)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({0: "LABEL_0", 1: "LABEL_1"}, "predicts 2 labels"),
        ({0: "first", 1: "third", 2: "second"}, "another order"),
        ({0: "a", 1: "b", 2: "c"}, "other labels"),
    ],
)
def test_a_teacher_of_other_labels(names: dict[int, str], said: str, tmp_path: Path) -> None:
    teacher = other()
    teacher.config.id2label = names
    with pytest.raises(CheckpointError, match=said):
        trainer_of(tmp_path, Movement(keep=0.2), teacher=teacher)


# Several labels a text.


def test_several_labels_a_text_are_answers_of_their_own(tmp_path: Path) -> None:
    def several() -> PreTrainedModel:
        model = masked(None)
        model.config.problem_type = "multi_label_classification"
        return model

    draw = np.random.default_rng(0)
    rows = dataset().remove_columns("labels")
    rows = rows.add_column("labels", draw.integers(0, 2, (EXAMPLES, 3)).astype("float32").tolist())
    teacher = other()
    teacher.config.problem_type = "multi_label_classification"
    trainer = trainer_of(
        tmp_path,
        None,
        model=several(),
        train_dataset=rows,
        teacher=teacher,
        distillation=Distillation(temperature=2.0, alpha_ce=0.0, alpha_kd=1.0),
        changes={"train_sampling_strategy": "sequential", "max_steps": 1},
    )
    record = Recorder(trainer)
    trainer.train()
    ids = torch.tensor(rows[:4]["input_ids"])
    with torch.no_grad():
        student, taught = (
            model.train(False)(input_ids=ids).logits.double() for model in (several(), other())
        )
    p, q = torch.sigmoid(taught / 2), torch.sigmoid(student / 2)
    per_label: Tensor = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    logged = record.logs[0]["distillation_loss"]
    assert logged == pytest.approx(4 * per_label.mean().item(), rel=1e-4)


# Hidden states.


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_compared_at_every_step(kind: str, tmp_path: Path) -> None:
    rows, collator = uneven(kind)
    teacher = other(kind).train(False)
    distillation = Distillation(alpha_ce=0.0, alpha_kd=0.0, alpha_hidden=0.5)
    trainer = trainer_of(
        tmp_path, Movement(keep=0.2), kind, train_dataset=rows, data_collator=collator,
        teacher=teacher, distillation=distillation, changes={"remove_unused_columns": False},
    )  # fmt: skip
    calls = Calls(teacher)
    batch = collator([rows[place] for place in range(4)])
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    model: Any = trainer.model
    with torch.no_grad():
        ours = model.train()(**inputs, output_hidden_states=True).hidden_states[1:]
        theirs = teacher(**inputs, output_hidden_states=True).hidden_states[1:]
    real = batch["attention_mask"].bool()
    expected = sum(
        float((a[i] - b[i])[real[i]].square().mean() / b[i][real[i]].square().mean()) / len(real)
        for a, b in zip(ours, theirs, strict=True)
        for i in range(len(real))
    )
    loss = trainer.compute_loss(model, dict(batch))
    assert loss.item() == pytest.approx(0.5 * expected, rel=1e-5)
    before = calls.count
    trainer.train()
    assert calls.count == before + STEPS  # and never ahead
    assert "hidden_loss" in next(logs for logs in trainer.state.log_history if "loss" in logs)


def test_a_teacher_of_another_depth_is_refused(tmp_path: Path) -> None:
    deeper = BertForSequenceClassification(
        bert_config(num_hidden_layers=3, num_labels=3, id2label=dict(enumerate(LABELS)))
    )
    trainer = trainer_of(
        tmp_path, None, teacher=deeper, distillation=Distillation(alpha_hidden=1.0)
    )
    with pytest.raises(TrainingError, match="2 layers of 16, and the teacher 3 layers of 16"):
        trainer.train()
