"""The pictures of the page of methods, drawn from the package's own functions.

Colors are those of the report's page, as CSS variables; `docs/_static/pictures.css` says what they
are in the documentation's light and dark themes.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from transformers import BertConfig, BertModel

from fineprune import Fisher, Magnitude, Movement, Pruner, PruningSchedule, attach
from fineprune.core.gates import expected_gates, open_probability, sample_noise, sampled_gates
from fineprune.core.masked_weight import masked_weight
from fineprune.core.selection import keep_largest, kth_largest
from fineprune.pruning import Matrix
from fineprune.pruning.stages import level_schedules, stages_of
from fineprune.report.page.themes import FAINT, INK, LINES, SERIES, style, to_svg

_STEPS = 300
_WIDTH = 7.5  # inches; the page scales it to its own
_KEPT, _PRUNED = SERIES[0], FAINT


def pictures() -> Mapping[str, str]:
    """All pictures by name, each an element of SVG."""
    torch.manual_seed(0)
    with style():
        return {name: draw() for name, draw in _PICTURES.items()}


def schedule() -> str:
    """How the density falls: along the cubic, in Fisher's cuts, and through several densities."""
    figure = Figure((_WIDTH, 2.8), layout="constrained")
    one, several = figure.subplots(1, 2, sharey=True)
    steps = range(_STEPS)
    stage = stages_of(PruningSchedule(), _STEPS)
    [cubic] = level_schedules(Movement(keep=0.05), stage, ())
    one.plot(
        steps, [100 * cubic(step) for step in steps], LINES[1], color=SERIES[1], label="Movement"
    )
    one.stairs(
        [100 * kept for kept in fisher_densities(0.05)],
        color=SERIES[0],
        label="Fisher",
        baseline=None,
    )
    for step, what in ((stage[0].begin, "a"), (stage[0].end, "b")):
        one.axvline(step, color=FAINT, linewidth=0.8)
        one.annotate(what, (step, 96), color=INK, xytext=(3, 0), textcoords="offset points")
    one.set_title("keep = 0.05")
    one.set_ylabel("kept, %")
    one.legend()
    densities = (0.2, 0.1, 0.05, 0.03)
    stages = stages_of(PruningSchedule(), _STEPS, len(densities))
    levels = level_schedules(Fisher(keep=densities[-1]), stages, densities)
    for place, (part, level) in enumerate(zip(stages, levels, strict=True)):
        there = range(part.start, part.stop)
        several.plot(there, [100 * level(step) for step in there], color=SERIES[place])
        several.annotate(
            f"{densities[place]:.0%}", (part.stop - 1, 100 * densities[place]), color=INK,
            xytext=(-2, 4), textcoords="offset points", ha="right",
        )  # fmt: skip
    several.set_title("densities = [0.2, 0.1, 0.05, 0.03]")
    for axes in (one, several):
        axes.set_xlabel("step")
    return to_svg(figure, "schedule", "the density over the steps of a run")


@cache
def fisher_densities(keep: float) -> list[float]:
    """What a tiny model keeps in each step of a run with Fisher, measured."""
    model = BertModel(
        BertConfig(
            vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=1,
            intermediate_size=32, max_position_embeddings=4,
        )
    )  # fmt: skip
    masks = attach(model, Fisher(keep=keep))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    pruner = Pruner(model, optimizer, total_steps=_STEPS)
    found = []
    for _ in range(_STEPS):
        found.append(masks.density())
        model(input_ids=torch.randint(8, (2, 4))).last_hidden_state[..., 0].mean().backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    return found


def masks() -> str:
    """A matrix before and after fine-tuning: what magnitude keeps of it, and what movement."""
    before, after, scores = fine_tuned()
    count = before.numel() // 10
    kept = {
        "Magnitude": keep_largest(_importance(Magnitude(), after), count),
        "Movement": keep_largest(_importance(Movement(), after, scores=scores), count),
    }
    figure = Figure((_WIDTH, 5.2), layout="constrained")
    for column, (name, mask) in enumerate(kept.items()):
        points = figure.add_subplot(2, 2, 1 + column)
        for what, where, color in (("pruned", ~mask, _PRUNED), ("kept", mask, _KEPT)):
            points.scatter(before[where], after[where], 5, color=color, label=what, linewidths=0)
        points.set_title(f"{name}: the largest {'|W|' if column == 0 else 'S'}")
        points.set_xlabel("weight before fine-tuning")
        points.set_ylabel("after")
        image = figure.add_subplot(2, 2, 3 + column)
        rows, columns = mask.nonzero(as_tuple=True)
        image.scatter(columns, rows, 9, marker="s", color=_KEPT, linewidths=0)
        image.set(xlim=(-1, len(mask)), ylim=(len(mask), -1), aspect="equal")
        image.set_title("the mask")
        image.grid(visible=False)
    figure.legend(*points.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    title = "weights before and after fine-tuning, and which of them magnitude and movement keep"
    return to_svg(figure, "masks", title)


def fine_tuned(size: int = 32, steps: int = 300) -> tuple[Tensor, Tensor, Tensor]:
    """A matrix that learns a task: its weights before and after, and the scores of movement.

    Args:
        size: rows and columns.
        steps: of gradient descent on the squared error of its outputs.
    """
    before = torch.randn(size, size)
    wanted = before + 0.4 * torch.randn(size, size)
    weight, scores = before.clone().requires_grad_(), torch.zeros(size, size, requires_grad=True)
    optimizer = torch.optim.SGD([weight, scores], lr=0.3)
    everything = torch.ones(size, size, dtype=torch.bool)
    for _ in range(steps):
        inputs = torch.randn(64, size)
        error = inputs @ (masked_weight(weight, scores, everything) - wanted).T
        optimizer.zero_grad()
        error.square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return before, weight.detach(), scores.detach()


def gates() -> str:
    """L0's gates: what they are in evaluation, in training, and the probability of being open."""
    figure = Figure((_WIDTH, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    scores = torch.linspace(-6, 6, 241)
    left.plot(scores, expected_gates(scores), color=SERIES[0], label="gate in evaluation")
    left.plot(scores, open_probability(scores), LINES[1], color=SERIES[1], label="P(open)")
    left.set_xlabel("score S")
    left.legend()
    bins = torch.linspace(0, 1, 26)
    for place, score in enumerate((-2.0, 0.0, 2.0)):
        several = torch.full((20_000,), score)
        drawn = sampled_gates(several, sample_noise(several))
        shares = torch.histogram(drawn, bins).hist / len(drawn)
        right.stairs(
            100 * shares, bins, color=SERIES[place], label=f"S = {score:g}", linestyle=LINES[place]
        )
    right.set_yscale("log")
    right.set_xlabel("gate in training")
    right.set_ylabel("% of draws")
    right.legend(loc="upper center")
    return to_svg(figure, "gates", "gates of L0 by score, and how they are drawn in training")


def fisher() -> str:
    """Fisher's cuts through weights and gradients, at falling densities."""
    weight = torch.randn(32, 32).abs()
    second_moment = (torch.randn(32, 32).abs() * torch.rand(32, 1)).square()
    felt = _importance(Fisher(), weight, second_moment=second_moment)
    figure = Figure((_WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    kept = keep_largest(felt, felt.numel() // 20)
    for what, where, color in (("pruned", ~kept, _PRUNED), ("kept at 5%", kept, _KEPT)):
        axes.scatter(
            weight[where], second_moment[where].sqrt(), 5, color=color, label=what, linewidths=0
        )
    across = torch.linspace(0.02, 3.5, 200)
    for place, density in enumerate((0.5, 0.2, 0.05)):
        cut = kth_largest([felt], int(density * felt.numel()))
        axes.plot(
            across,
            cut / across,
            LINES[place],
            color=SERIES[1 + place],
            label=f"cut at {density:.0%}",
        )
    axes.set(xlim=(0, 3.5), ylim=(0, 2.5), xlabel="|w|", ylabel="root of v: size of gradients")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper")
    title = "weights by their size and that of their gradients, and the cuts of Fisher through them"
    return to_svg(figure, "fisher", title)


def _importance(method: Any, weight: Tensor, **known: Tensor) -> Tensor:
    mask = torch.ones_like(weight, dtype=torch.bool)
    matrix = Matrix(weight, known.get("scores"), mask, known.get("second_moment"))
    importance: Tensor = method.importance(matrix)
    return importance


_PICTURES: Mapping[str, Callable[[], str]] = {
    "schedule": schedule,
    "masks": masks,
    "gates": gates,
    "fisher": fisher,
}
