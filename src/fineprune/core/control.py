"""Finds the weight of a penalty that brings a share to where it is wanted, by when it is wanted."""

import math
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Steering:
    """What a controller remembers from one step to the next.

    Attributes:
        penalty_weight: the penalty's weight lambda.
        share: the share as it was when this weight was set.
    """

    penalty_weight: float
    share: float


@final
@dataclass(frozen=True)
class PenaltyController:
    """Raises lambda while a share falls too slowly to reach its target in time, else lowers it.

    A controller of speed: it compares how fast log(share) falls with how fast it has to, and moves
    lambda by a small factor. Unlike one that adds up the distance (Lagrangian ascent, CoFi, Xia et
    al. 2022), it does not wind up in the many steps that scores take to answer, and has no rate to
    tune: lambda can grow ten-thousandfold in a fifth of the steps there are.

    Attributes:
        target: the share that is wanted.
    """

    target: float
    _START = 1.0
    _GROWTH = math.log(1e4)
    _SHARE_OF_STEPS = 0.2
    _MOST = 1e12

    def start(self, share: float) -> Steering:
        """The steering before the first step, from the share as it is."""
        return Steering(self._START, share)

    def steered(self, last: Steering, share: float, *, step: int, begin: int, end: int) -> Steering:
        """The steering for the step that comes next.

        Args:
            last: that of the last step.
            share: the share as it is now, above 0.
            step: how many steps were made.
            begin: step from which the share is to fall.
            end: step by which it is to reach the target; it is held from there on.
        """
        window = end - begin
        if step <= begin:
            return Steering(last.penalty_weight, share)
        left = max(end - step, window // 10, 1)
        needed = math.log(share / self.target) / left
        fallen = math.log(last.share / share)
        factor = math.exp(self._GROWTH / (self._SHARE_OF_STEPS * window))
        weight = last.penalty_weight * (factor if fallen < needed else 1 / factor)
        # Scores that hardly move never answer: the gradient's norm would overflow in the end.
        return Steering(min(weight, self._MOST), share)
