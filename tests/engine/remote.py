"""What another process is asked to do. It imports this by its name: nothing large stands here."""

import numpy as np
from numpy.typing import NDArray

from fineprune import Engine

IDS = np.random.default_rng(0).integers(5, 50, (3, 70))


def logits(engine: Engine) -> NDArray[np.float32]:
    """What the engine says to them."""
    return engine.run(IDS)["logits"]
