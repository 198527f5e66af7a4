"""What people bring along to a trainer works as it does without pruning."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import datasets
import pytest
import torch
from torch import Tensor, nn
from transformers import (
    BertModel,
    DataCollatorWithPadding,
    PreTrainedConfig,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    integrations,
)
from transformers.hyperparameter_search import ALL_HYPERPARAMETER_SEARCH_BACKENDS
from transformers.trainer_utils import BestRun, HPSearchBackend

from fineprune import PruningCallback, attach, count, finalize
from fineprune.errors import TargetError
from fineprune.pruning import L0, Method, Movement, SoftMovement
from fineprune.pruning.masks import has_masks
from fineprune.training import Distillation, FinePruningMixin
from tests.training.loop import (
    EXAMPLES,
    METHODS,
    SCHEDULE,
    STEPS,
    Calls,
    Recorder,
    arguments,
    dataset,
    masked,
    model_of,
    other,
    plain,
    state_of,
    trainer_of,
    uneven,
)
from tests.workspace import bert_config

WEIGHTS = sum(2 * [*4 * [16 * 16], *2 * [16 * 24]])


def assert_pruned(model: nn.Module, method: Method[Any]) -> None:
    """That a method which says how much to keep kept that; the others have to run longer."""
    keep = getattr(method, "keep", None)
    if keep is not None:
        assert count(model).density == pytest.approx(keep, abs=1 / 256)


# Gradient checkpointing.


@pytest.mark.parametrize("name", METHODS)
def test_gradient_checkpointing_gives_the_same_weights(name: str, tmp_path: Path) -> None:
    found = []
    for checkpointing in (False, True):
        trainer = trainer_of(tmp_path, METHODS[name])
        if checkpointing:
            model: Any = model_of(trainer)
            # Newer versions of transformers call it by the second name.
            getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
        query = model_of(trainer).get_submodule("bert.encoder.layer.0.attention.self.query")
        forwards: list[None] = []
        query.register_forward_pre_hook(lambda *_, seen=forwards: seen.append(None))
        trainer.train()
        assert len(forwards) == STEPS * (1 + checkpointing)
        found.append(state_of(model_of(trainer)))
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)


# Data.


@pytest.mark.parametrize("strategy", ["group_by_length", "sequential"])
@pytest.mark.parametrize("name", ["movement", "l0 to a density"])
def test_strategies_of_sampling(name: str, strategy: str, tmp_path: Path) -> None:
    rows, collator = uneven("classification")
    teacher = other()
    trainer = trainer_of(
        tmp_path,
        METHODS[name],
        train_dataset=rows,
        data_collator=collator,
        teacher=teacher,
        changes={"train_sampling_strategy": strategy},
    )
    calls, seen = Calls(teacher), []

    def watch(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        seen.append(kwargs["attention_mask"].sum(1).tolist())

    trainer.model.register_forward_pre_hook(watch, with_kwargs=True)  # type: ignore[union-attr]
    trainer.train()
    assert calls.texts == EXAMPLES
    assert_pruned(model_of(trainer), METHODS[name])
    lengths = [len(ids) for ids in rows["input_ids"]]
    if strategy == "group_by_length":
        assert seen[0][0] == max(lengths), "the longest text comes first"
    else:
        assert seen == [lengths[4 * (i % 6) :][:4] for i in range(STEPS)]


def test_streamed_data(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        while True:
            yield from dataset()

    teacher = other()
    trainer = trainer_of(
        tmp_path,
        SoftMovement(keep=0.2),
        train_dataset=datasets.IterableDataset.from_generator(rows),
        teacher=teacher,
    )
    calls, record = Calls(teacher), Recorder(trainer)
    trainer.train()
    assert (calls.count, calls.texts) == (STEPS, 4 * STEPS)
    assert all("distillation_loss" in logs for logs in record.logs if "loss" in logs)
    assert not (tmp_path / "_teacher-logits").exists()
    assert_pruned(model_of(trainer), SoftMovement(keep=0.2))


def test_a_data_set_of_pytorch(tmp_path: Path) -> None:
    class Rows(torch.utils.data.Dataset[dict[str, Any]]):
        def __len__(self) -> int:
            return EXAMPLES

        def __getitem__(self, place: int) -> dict[str, Any]:
            return dict(dataset()[place])

    teacher = other()
    trainer = trainer_of(tmp_path, Movement(keep=0.2), train_dataset=Rows(), teacher=teacher)
    calls = Calls(teacher)
    trainer.train()
    assert calls.texts == 4 * STEPS
    assert_pruned(model_of(trainer), Movement(keep=0.2))


def test_label_smoothing(tmp_path: Path) -> None:
    trainer = trainer_of(
        tmp_path, Movement(keep=0.2), changes={"label_smoothing_factor": 0.2, "max_steps": 9}
    )
    batch = {name: torch.tensor(values) for name, values in dataset()[:8].items()}
    with torch.no_grad():
        logits = model_of(trainer).train(False)(input_ids=batch["input_ids"]).logits
    logs = logits.log_softmax(-1)
    expected = -0.8 * logs.gather(1, batch["labels"][:, None]).mean() - 0.2 * logs.mean()
    loss = trainer.compute_loss(model_of(trainer).train(), dict(batch))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    trainer.train()


@pytest.mark.parametrize("name", METHODS)
def test_bfloat16_leaves_weights_scores_and_masks_in_their_types(name: str, tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, METHODS[name], changes={"bf16": True}, teacher=other())
    before, seen = state_of(model_of(trainer)), set()
    model_of(trainer).get_submodule("classifier").register_forward_hook(
        lambda module, args, output: seen.add(output.dtype)
    )
    trainer.train()
    assert seen == {torch.bfloat16}
    after = state_of(model_of(trainer))
    assert {key: value.dtype for key, value in after.items()} == {
        key: value.dtype for key, value in before.items()
    }
    assert all(value.isfinite().all() for value in after.values())
    assert_pruned(model_of(trainer), METHODS[name])


# Models that are made anew.


class Kept(TrainerCallback):
    """Keeps what each training ended with."""

    def __init__(self) -> None:
        self.ends: list[dict[str, Tensor]] = []
        self.rates: list[float] = []

    def on_train_end(self, *_: Any, **kwargs: Any) -> None:
        self.ends.append(state_of(kwargs["model"]))
        self.rates.append(kwargs["optimizer"].param_groups[0]["initial_lr"])


@pytest.mark.parametrize("name", METHODS)
def test_a_model_that_is_made_anew_trains_anew(name: str, tmp_path: Path) -> None:
    kept = Kept()
    trainer = trainer_of(
        tmp_path,
        None,
        model=None,
        model_init=lambda: masked(METHODS[name]),
        callbacks=[kept],
        teacher=other(),
        freeze_after=0.5,
    )
    trainer.train()
    first = trainer.model
    trainer.train()
    assert trainer.model is not first
    torch.testing.assert_close(kept.ends[1], kept.ends[0], rtol=0, atol=0)
    assert_pruned(model_of(trainer), METHODS[name])


class Trial:
    """A trial as optuna's, whose parameters are given."""

    def __init__(self, number: int, **params: float) -> None:
        self.number = number
        self.params = params


def test_search_of_hyperparameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = [Trial(0, learning_rate=1e-3), Trial(1, learning_rate=1e-2, max_steps=10)]

    class Given:
        """A backend that tries what it is told to."""

        def ensure_available(self) -> None:
            pass

        def run(self, trainer: Trainer, n_trials: int, direction: str, **_: Any) -> BestRun:
            losses = []
            for trial in tried[:n_trials]:
                trainer.train(trial=trial)
                metrics = trainer.evaluate()
                losses.append(metrics["eval_loss"])
                assert metrics["eval_density"] == pytest.approx(0.2, abs=1 / 256)
            best = losses.index(min(losses))
            return BestRun(str(best), losses[best], dict(tried[best].params))

    monkeypatch.setitem(sys.modules, "optuna", ModuleType("optuna"))
    monkeypatch.setitem(ALL_HYPERPARAMETER_SEARCH_BACKENDS, HPSearchBackend.OPTUNA, Given)
    monkeypatch.setattr(integrations, "hp_params", lambda trial: trial.params)
    kept = Kept()
    trainer = trainer_of(
        tmp_path,
        None,
        model=None,
        model_init=lambda trial: masked(Movement(keep=0.2)),
        eval_dataset=dataset(seed=5),
        callbacks=[kept],
    )
    best = trainer.hyperparameter_search(
        hp_space=lambda trial: trial.params, n_trials=2, direction="minimize", backend="optuna"
    )
    assert isinstance(best, BestRun)
    assert kept.rates == [1e-3, 1e-2]
    # Trained by itself, the last trial ends the same.
    alone = trainer_of(
        tmp_path,
        None,
        model=None,
        model_init=lambda: masked(Movement(keep=0.2)),
        changes={"learning_rate": 1e-2, "max_steps": 10},
    )
    alone.train()
    torch.testing.assert_close(kept.ends[1], state_of(model_of(alone)), rtol=0, atol=0)


# Adapters.


class Adapted(nn.Module):
    """A linear layer as PEFT wraps it."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base
        self.lora_A = nn.ModuleDict({"default": nn.Linear(base.in_features, 2, bias=False)})
        self.lora_B = nn.ModuleDict({"default": nn.Linear(2, base.out_features, bias=False)})

    def forward(self, x: Tensor) -> Tensor:
        low: Tensor = self.lora_B["default"](self.lora_A["default"](x))
        return low + self.base_layer(x)  # type: ignore[no-any-return]


def adapted(*names: str) -> PreTrainedModel:
    model = plain()
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and name.endswith(names):
            model.set_submodule(name, Adapted(module))
    return model


def test_adapters_are_refused() -> None:
    model = adapted("query", "value")
    before = state_of(model)
    with pytest.raises(TargetError, match=r"belongs to an adapter; merge it .*merge_and_unload"):
        attach(model, Movement(keep=0.2))
    assert not has_masks(model)
    torch.testing.assert_close(state_of(model), before, rtol=0, atol=0)


def test_adapters_that_are_excluded_are_left_alone(tmp_path: Path) -> None:
    model = adapted("query", "value")
    masks = attach(model, Movement(keep=0.2), exclude=["*.query.*", "*.value.*"])
    assert len(masks) == 8
    assert not any("lora" in one.name or "base_layer" in one.name for one in masks)
    trainer = trainer_of(tmp_path, None, model=model)
    trainer.train()
    rows = torch.tensor(dataset()["input_ids"][:])
    with torch.no_grad():
        expected = model.train(False)(input_ids=rows).logits
        found = finalize(model)(input_ids=rows).logits
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_adapters_of_peft(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    config = peft.LoraConfig(target_modules=["query", "value"])
    with pytest.raises(TargetError, match="belongs to an adapter"):
        attach(peft.get_peft_model(plain(), config), Movement(keep=0.2))


# Trainers of others.


class Wrapper(nn.Module):
    """A model around a `transformers` model, as sentence-transformers has it."""

    def __init__(self, inner: PreTrainedModel) -> None:
        super().__init__()
        self.inner = inner
        self.config: PreTrainedConfig = inner.config

    def forward(self, input_ids: Tensor, **_: Any) -> Tensor:
        hidden: Tensor = self.inner.base_model(input_ids=input_ids).last_hidden_state
        return hidden.mean(1)


class EmbeddingTrainer(Trainer):
    """A trainer whose loss is no output of its model, as `SentenceTransformerTrainer`'s is not."""

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        labels = inputs.pop("labels")
        embedding = model(**inputs)
        same = (labels[:, None] == labels[None]).float()
        loss = nn.functional.normalize(embedding) @ nn.functional.normalize(embedding).T - same
        return (loss.square().mean(), {"embedding": embedding}) if return_outputs else loss.mean()


class PruningEmbeddingTrainer(FinePruningMixin, EmbeddingTrainer):
    """Ours put before theirs."""


@pytest.mark.parametrize("name", METHODS)
def test_a_trainer_of_embeddings(name: str, tmp_path: Path) -> None:
    model = Wrapper(plain())
    attach(model, METHODS[name])
    settings = arguments(tmp_path, remove_unused_columns=False, save_strategy="steps", save_steps=6)
    trainer = PruningEmbeddingTrainer(
        model=model, args=settings, train_dataset=dataset(), schedule=SCHEDULE
    )
    record = Recorder(trainer)
    trainer.train()
    assert_pruned(model, METHODS[name])
    losses = [logs["loss"] for logs in record.logs if "loss" in logs]
    assert len(losses) == STEPS
    rows = torch.tensor(dataset()["input_ids"][:])
    with torch.no_grad():
        expected = model.train(False)(rows)
        found = finalize(model)(rows)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_a_trainer_of_embeddings_with_the_callback_alone(tmp_path: Path) -> None:
    model = Wrapper(plain())
    attach(model, METHODS["fisher"])
    EmbeddingTrainer(
        model=model,
        args=arguments(tmp_path, remove_unused_columns=False),
        train_dataset=dataset(),
        callbacks=[PruningCallback(SCHEDULE)],
    ).train()
    assert_pruned(model, METHODS["fisher"])


def test_the_trainer_of_sentence_transformers(tmp_path: Path) -> None:
    library = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed"
    )
    losses = importlib.import_module("sentence_transformers.sentence_transformer.losses")

    class SentencePruner(FinePruningMixin, library.SentenceTransformerTrainer):  # type: ignore[misc, name-defined]
        pass

    BertModel(bert_config()).save_pretrained(tmp_path / "encoder")
    uneven("classification")[1].tokenizer.save_pretrained(tmp_path / "encoder")
    model = library.SentenceTransformer(str(tmp_path / "encoder"), device="cpu")
    attach(model, METHODS["movement"])
    pairs = {"anchor": ["w1 w2", "w3 w4"] * 24, "positive": ["w1 w5", "w3 w6"] * 24}
    trainer = SentencePruner(
        model=model,
        args=library.SentenceTransformerTrainingArguments(
            str(tmp_path / "run"), max_steps=STEPS, report_to="none", save_strategy="no",
            per_device_train_batch_size=4, use_cpu=True,
        ),
        train_dataset=datasets.Dataset.from_dict(pairs),
        loss=losses.MultipleNegativesRankingLoss(model),
        schedule=SCHEDULE,
    )  # fmt: skip
    trainer.train()
    assert_pruned(model, METHODS["movement"])


@pytest.mark.parametrize("shared", [False, True])
def test_a_data_collator_of_a_users_own(shared: bool, tmp_path: Path) -> None:
    # One that knows its columns drops the number of a row: then the teacher is asked as before.
    pad = DataCollatorWithPadding(uneven("classification")[1].tokenizer)
    rows, _ = uneven("classification")

    def collate(features: list[dict[str, Any]]) -> Any:
        known = ("input_ids", "attention_mask", "labels")
        return pad(features if shared else [{k: one[k] for k in known} for one in features])

    teacher = other()
    trainer = trainer_of(
        tmp_path,
        Movement(keep=0.2),
        train_dataset=rows,
        data_collator=collate,
        teacher=teacher,
        distillation=Distillation(),
    )
    calls, record = Calls(teacher), Recorder(trainer)
    trainer.train()
    assert calls.texts == EXAMPLES + (0 if shared else 4 * STEPS)
    assert all("distillation_loss" in logs for logs in record.logs if "loss" in logs)


def test_layers_that_share_weights(tmp_path: Path) -> None:
    from tests.models import ARCHITECTURES

    [albert] = [one for one in ARCHITECTURES if one.name == "albert"]
    for method in (Movement(keep=0.2), L0(keep=0.2)):
        model = albert.build()
        attach(model, method)
        rows = dataset().map(lambda row: {"labels": row["labels"] % 2}, load_from_cache_file=False)
        trainer_of(tmp_path, None, model=model, train_dataset=rows).train()
        assert_pruned(model, method)
