"""Sentence embeddings: a recipe, sentence-transformers and the engine have the same."""

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fineprune import Engine, pack
from fineprune.core.distillation import embedding_distance, margin_difference
from fineprune.errors import FinepruneError, TrainingError
from fineprune.pruning.checkpoint import load_model
from fineprune.pruning.counts import count
from fineprune.pruning.finalize import finalize_folder
from fineprune.report.accuracy import accuracy_in_engine
from fineprune.tasks.recipe_file import read_task
from fineprune.training.evaluate import evaluate
from fineprune.training.recipe import parse_recipe, read_recipe
from fineprune.training.run import run
from fineprune.training.run_folder import RunMetrics
from tests.workspace import Workspace

library = pytest.importorskip("sentence_transformers", reason="it is not installed")

PROMPTS = {"query": "w30 ", "document": "w31 "}
PRUNED = {"method": {"name": "magnitude", "keep": 0.4}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of texts that share words, with texts that share none and scores."""
    folder = tmp_path_factory.mktemp("pairs")
    draw = random.Random(0)
    for split, size in (("train", 16), ("validation", 12)):
        rows = []
        for i in range(size):
            own = [f"w{(3 * i + draw.randrange(3)) % 30}" for _ in range(4)]
            rows.append(
                {
                    "anchor": " ".join(own[: 1 + i % 3]),
                    "positive": " ".join([*own, f"w{i}"]),
                    "negative": f"w{(3 * i + 15) % 30} w{30 - i}",
                    "score": (i % 5) / 4,
                }
            )
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    return folder


def values_of(workspace: Workspace, data: Path, **changes: Any) -> dict[str, Any]:
    values = workspace.recipe(training__precision="float32", **changes)
    task = {
        "kind": "sentence-embedding",
        "train": str(data / "train.jsonl"),
        "validation": str(data / "validation.jsonl"),
        "max_length": 12,
        "prompts": PROMPTS,
    }
    values["task"] = {**task, **values["task"].get("more", {})}
    return values


def train(values: dict[str, Any], output: Path, **options: Any) -> RunMetrics:
    return run(parse_recipe(values, "test"), output, **options)


def texts(data: Path, column: str) -> list[str]:
    lines = (data / "validation.jsonl").read_text("utf-8").splitlines()
    return list(dict.fromkeys(json.loads(line)[column] for line in lines))


@pytest.fixture(scope="module")
def dense(workspace: Workspace, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("dense") / "run"
    train(values_of(workspace, data), output)
    return output


@pytest.fixture(scope="module")
def pruned(workspace: Workspace, data: Path, dense: Path, tmp_path_factory: Any) -> Path:
    """A folder with a run, the plain model that it came to, and that packed."""
    folder: Path = tmp_path_factory.mktemp("pruned")
    values = values_of(workspace, data, model=str(dense), teacher=str(dense), pruning=PRUNED)
    result = train(values, folder / "run")
    assert result.density == pytest.approx(0.4, abs=0.01)
    finalize_folder(folder / "run", folder / "plain")
    pack(folder / "plain", folder / "packed", bits=32, embedding_bits=32)
    return folder


def test_what_a_run_leaves_behind(pruned: Path) -> None:
    names = {path.name for path in (pruned / "run").iterdir()}
    assert names >= {
        "modules.json",
        "1_Pooling",
        "config_sentence_transformers.json",
        "recipe.yaml",
    }
    assert names >= {"metrics.json", "predictions.json", "model.safetensors", "trainer_state.json"}
    assert "README.md" not in names
    assert count(load_model(pruned / "run")).density == pytest.approx(0.4, abs=0.01)
    metrics = json.loads((pruned / "run" / "metrics.json").read_text("utf-8"))
    assert metrics["metrics"].keys() == {"ndcg@10", "mrr@10", "accuracy@1"}
    assert metrics["examples"] == 12


def test_the_library_and_the_engine_embed_alike(data: Path, pruned: Path) -> None:
    theirs = library.SentenceTransformer(str(pruned / "plain"), device="cpu")
    engine = Engine(pruned / "packed", threads=1)
    assert engine.limit.tokens == 12
    for column, encode, expected in (
        ("anchor", engine.encode_query, theirs.encode_query),
        ("positive", engine.encode_document, theirs.encode_document),
    ):
        batch = texts(data, column)
        np.testing.assert_allclose(encode(batch), expected(batch), atol=2e-5)
    masked = library.SentenceTransformer(str(pruned / "run"), device="cpu")
    batch = texts(data, "anchor")
    np.testing.assert_allclose(masked.encode_query(batch), theirs.encode_query(batch), atol=1e-5)


def test_evaluation_is_the_same_everywhere(pruned: Path) -> None:
    recipe = pruned / "run" / "recipe.yaml"
    written = json.loads((pruned / "run" / "metrics.json").read_text("utf-8"))["metrics"]
    for folder in (pruned / "run", pruned / "run" / "checkpoint-12", pruned / "plain"):
        found = evaluate(folder, read_recipe(recipe))
        assert found.metrics == pytest.approx(written, abs=1e-6)
        assert found.density == pytest.approx(0.4, abs=0.01)
    found = accuracy_in_engine(pruned / "packed", read_task(recipe), threads=1)
    assert found.metrics == pytest.approx(written, abs=1e-6)


def test_search_is_scored_as_the_library_scores_it(data: Path, pruned: Path) -> None:
    evaluation = __import__("sentence_transformers.sentence_transformer.evaluation", fromlist=["x"])
    rows = [json.loads(line) for line in (data / "validation.jsonl").read_text().splitlines()]
    queries, documents = texts(data, "anchor"), texts(data, "positive")
    relevant: dict[str, set[str]] = {}
    for row in rows:
        relevant.setdefault(str(queries.index(row["anchor"])), set()).add(
            str(documents.index(row["positive"]))
        )
    evaluator = evaluation.InformationRetrievalEvaluator(
        {str(i): text for i, text in enumerate(queries)},
        {str(i): text for i, text in enumerate(documents)},
        relevant,
        query_prompt_name="query",
        corpus_prompt_name="document",
        show_progress_bar=False,
    )
    theirs = evaluator(library.SentenceTransformer(str(pruned / "plain"), device="cpu"))
    written = json.loads((pruned / "run" / "metrics.json").read_text("utf-8"))["metrics"]
    for name, value in written.items():
        assert theirs[f"cosine_{name}"] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize("loss", ["CoSENTLoss", "AnglELoss", "CosineSimilarityLoss"])
def test_scored_pairs(loss: str, workspace: Workspace, data: Path, tmp_path: Path) -> None:
    changes = {"more": {"score": "score", "loss": loss, "prompts": {}}}
    values = values_of(workspace, data, task=changes, pruning=PRUNED)
    result = train(values, tmp_path / "run")
    assert result.metrics.keys() == {"spearman", "pearson"}
    evaluation = __import__("sentence_transformers.sentence_transformer.evaluation", fromlist=["x"])
    rows = [json.loads(line) for line in (data / "validation.jsonl").read_text().splitlines()]
    evaluator = evaluation.EmbeddingSimilarityEvaluator(
        [row["anchor"] for row in rows],
        [row["positive"] for row in rows],
        [row["score"] for row in rows],
        main_similarity="cosine",
        show_progress_bar=False,
    )
    theirs = evaluator(library.SentenceTransformer(str(tmp_path / "run"), device="cpu"))
    for name, value in result.metrics.items():
        assert theirs[f"{name}_cosine"] == pytest.approx(value, abs=1e-5), name


@pytest.mark.parametrize("embeddings", ["mse", "margin"])
def test_triplets_with_a_teacher(
    embeddings: str, workspace: Workspace, data: Path, dense: Path, tmp_path: Path
) -> None:
    changes = {"more": {"negative": "negative", "loss": "TripletLoss"}}
    values = values_of(
        workspace,
        data,
        task=changes,
        model=str(dense),
        teacher=str(dense),
        distillation={"alpha_ce": 0, "alpha_kd": 1, "embeddings": embeddings},
        training__learning_rate=0,
    )
    train(values, tmp_path / "run")
    log = json.loads((tmp_path / "run" / "trainer_state.json").read_text("utf-8"))["log_history"]
    losses = [line["task_loss"] for line in log if "task_loss" in line]
    assert len(losses) == 12
    # A student with dropout that is its teacher otherwise is near it, and not quite it.
    assert 0 < max(losses) < 1


@pytest.mark.parametrize("method", [PRUNED["method"], {"name": "l0", "final_lambda": 1}])
def test_a_resumed_run_ends_with_the_same_weights(
    method: Any, workspace: Workspace, data: Path, tmp_path: Path
) -> None:
    values = values_of(workspace, data, pruning={"method": method})
    train(values, tmp_path / "run")
    expected = load_file(tmp_path / "run" / "model.safetensors")
    for name in ("checkpoint-12", "metrics.json", "model.safetensors"):
        path = tmp_path / "run" / name
        (path / "complete").unlink() if path.is_dir() else path.unlink()
    train(values, tmp_path / "run", resume=True)
    found = load_file(tmp_path / "run" / "model.safetensors")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


def test_the_best_checkpoint(workspace: Workspace, data: Path, tmp_path: Path) -> None:
    values = values_of(
        workspace,
        data,
        pruning=PRUNED,
        training__early_stopping=2,
        training__evaluate_every=1,
        training__save_every=1,
    )
    result = train(values, tmp_path / "run")
    state = json.loads((tmp_path / "run" / "trainer_state.json").read_text("utf-8"))
    assert result.metrics["ndcg@10"] == pytest.approx(state["best_metric"])
    assert result.density == pytest.approx(0.4, abs=0.01)


def test_several_densities(workspace: Workspace, data: Path, tmp_path: Path) -> None:
    pruning = {"method": {"name": "magnitude"}, "densities": [0.5, 0.2]}
    result = train(values_of(workspace, data, pruning=pruning), tmp_path / "run")
    expected = {"density-0.5": 0.5, "density-0.2": 0.2}
    for name, density in expected.items():
        folder = tmp_path / "run" / name
        assert count(load_model(folder)).density == pytest.approx(density, abs=0.01)
        found = evaluate(folder, read_recipe(tmp_path / "run" / "recipe.yaml"))
        metrics = json.loads((folder / "metrics.json").read_text("utf-8"))["metrics"]
        assert found.metrics == pytest.approx(metrics, abs=1e-6)
    assert result.metrics == pytest.approx(metrics, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training__class_weights": "balanced"}, "training.class_weights is not for sentence"),
        ({"training__group_by_length": True}, "training.group_by_length is not for sentence"),
        ({"training__gradient_checkpointing": True}, "gradient_checkpointing is not for sentence"),
        (
            {"distillation": {"alpha_hidden": 1}, "teacher": "nowhere"},
            r"distillation\.alpha_hidden is not for sentence embeddings",
        ),
        ({"quantize": {"bits": 8}}, "quantize is not for sentence embeddings"),
        ({"model": "nowhere"}, "nowhere: no tokenizer could be loaded"),
    ],
)
def test_what_cannot_be_combined(
    changes: dict[str, Any], said: str, workspace: Workspace, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(FinepruneError, match=said):
        train(values_of(workspace, data, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_prompts_of_a_model_are_not_forgotten(
    workspace: Workspace, data: Path, dense: Path, tmp_path: Path
) -> None:
    values = values_of(workspace, data, model=str(dense), task={"more": {"prompts": {}}})
    with pytest.raises(FinepruneError, match=r"has prompts .* say under task\.prompts"):
        train(values, tmp_path / "run")


def test_a_teacher_of_another_size() -> None:
    from fineprune.training.distillation import Distillation
    from fineprune.training.embedding.loss import EmbeddingLoss

    loss = EmbeddingLoss.__new__(EmbeddingLoss)
    torch.nn.Module.__init__(loss)
    student, teacher = [torch.ones(3, 4)] * 2, [torch.ones(3, 6)] * 2
    loss._distillation = Distillation()
    with pytest.raises(TrainingError, match="have 6 numbers, and the model's 4: set distillation"):
        loss._divergence(student, teacher)
    loss._distillation = Distillation(embeddings="margin")
    assert float(loss._divergence(student, teacher)) == 0


def test_distances_by_hand() -> None:
    one, other = torch.tensor([[1.0, 0], [0, 2]]), torch.tensor([[1.0, 1], [3, 2]])
    assert float(embedding_distance(one, other)) == (1 + 9) / 2
    units = torch.eye(2)
    # The student's margins are 0 and 1, the teacher's 0 and 0.
    same = torch.ones(2, 2)
    assert float(margin_difference((units, units), (same, same))) == pytest.approx(0.5)


def test_without_the_library(
    workspace: Workspace, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.startswith("fineprune.training.embedding"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(FinepruneError, match=r"fineprune\[embed\]") as caught:
        train(values_of(workspace, data), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_other_tasks_distil_no_embeddings(workspace: Workspace) -> None:
    values = workspace.recipe(teacher="any", distillation={"embeddings": "margin"})
    with pytest.raises(
        FinepruneError, match=r"distillation\.embeddings is for sentence embeddings"
    ):
        parse_recipe(values, "test")


def test_there_is_no_frontier_of_embeddings(pruned: Path) -> None:
    from fineprune.report.frontier.measure import Search, measure_frontier

    settings = read_task(pruned / "run" / "recipe.yaml")
    search: Search = Search.__new__(Search)
    with pytest.raises(
        FinepruneError, match="a frontier of sentence embeddings cannot be measured"
    ):
        measure_frontier(pruned / "plain", None, settings, search, lambda line: None)
