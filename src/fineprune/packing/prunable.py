"""Which weights of a model could be pruned, as names and shapes of its tensors tell.

`fineprune.pruning.find_targets` finds them among the modules of a model in memory; files have none.
Density is kept weights over these, wherever it is counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Self

from fineprune.packing.quantize import Role
from fineprune.packing.tensors import Shape

_WEIGHT = ".weight"
_NOTES = ("pruning", "pruned")  # of a model that is being pruned, and of one that was


@dataclass(frozen=True)
class Prunable:
    """A rule that tells prunable matrices: those of layers, and what patterns add or take away.

    Attributes:
        include: patterns (`*` matches anything) of names of linear layers that are pruned as well.
        exclude: patterns of names of layers that are left alone; wins over `include`.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """The rule of a model's config; no patterns where it holds no note, or a damaged one."""
        for name in _NOTES:
            if isinstance(note := config.get(name), Mapping):
                return cls(_patterns(note.get("include")), _patterns(note.get("exclude")))
        return cls()

    def covers(self, tensor: str, shape: Shape) -> bool:
        """Whether a tensor of a model's `state_dict` is a prunable matrix.

        Args:
            tensor: its name.
            shape: of it.
        """
        role = Role.of(tensor, shape)
        layer = tensor.removesuffix(_WEIGHT)
        if role is Role.VECTOR or layer == tensor:
            return False
        is_meant = role is Role.LAYER or matches(layer, self.include)
        return is_meant and not matches(layer, self.exclude)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns is that of a name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _patterns(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
