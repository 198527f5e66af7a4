"""Learning rates of runs that pass through several densities."""

from collections.abc import Callable, Sequence

from fineprune.pruning.stages import Stage


def rewound(stages: Sequence[Stage], warmup_steps: float) -> Callable[[int], float]:
    """What multiplies each learning rate at each step: in every stage it rises, and falls to 0.

    A rate that fell once over the whole run would leave the last stages nothing to recover with.

    Args:
        stages: of the run.
        warmup_steps: steps in which the rate rises; below 1, as a fraction of a stage.
    """

    def factor(step: int) -> float:
        stage = next((one for one in stages if step < one.stop), None)
        if stage is None:
            return 0.0
        length, made = stage.stop - stage.start, step - stage.start
        warmup = round(warmup_steps if warmup_steps >= 1 else warmup_steps * length)
        if made < warmup:
            return made / warmup
        return (length - made) / max(1, length - warmup)

    return factor
