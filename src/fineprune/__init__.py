"""Fine-prune a transformer encoder, ship it as one small file, run it on a CPU.

All public names stand here. Those that need PyTorch are imported on first use, so that
`import fineprune` is quick and works without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fineprune.errors import FinepruneError
from fineprune.extras import needs

if TYPE_CHECKING:
    pass

__version__ = "0.1.0"

# Public name -> module that defines it. All of these modules need PyTorch.
_LAZY: dict[str, str] = {}

__all__ = ["FinepruneError", "__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs("train", what=f"fineprune.{name}"):
        value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
