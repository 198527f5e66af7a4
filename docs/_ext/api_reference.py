"""The reference of Python names, written from the package itself.

`GROUPS` says what belongs together for somebody who uses the package. Whatever else a module offers
in its `__all__` is listed by module, for those who change it.
"""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from types import FunctionType, ModuleType
from typing import Any

import fineprune

_MEMBERS = (FunctionType, property, cached_property, classmethod, staticmethod)
_ERRORS = ("fineprune.errors", "fineprune.packing.errors", "fineprune.engine.errors")


@dataclass(frozen=True)
class Group:
    """What somebody does, and the names that it takes.

    Attributes:
        title: its heading.
        about: a sentence or two below it, in Markdown.
        names: dotted names.
    """

    title: str
    about: str
    names: tuple[str, ...]


def _of(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names)


def _errors_of(module: str) -> tuple[str, ...]:
    found = vars(importlib.import_module(module)).values()
    return tuple(
        f"{module}.{one.__name__}"
        for one in found
        if inspect.isclass(one) and one.__module__ == module
    )


GROUPS = (
    Group(
        "Prune a model",
        "The parts that fit under any training loop: see [](guides/own-loop.md).",
        (
            *_of("fineprune", "attach", "FinePruningTrainer", "FinePruningMixin"),
            *_of("fineprune", "PruningCallback", "Pruner", "PruningSchedule", "parameter_groups"),
            *_of("fineprune", "Distillation", "Quantization", "finalize", "detach"),
            *_of("fineprune.pruning", "finalize_folder"),
        ),
    ),
    Group(
        "Choose a method",
        "What each of them computes stands in [](methods.md).",
        (
            *_of("fineprune", "Fisher", "Magnitude", "Movement", "SoftMovement", "L0"),
            *_of("fineprune", "Threshold", "Locked", "Method"),
            *_of("fineprune.pruning", "Matrix"),
            *_of("fineprune", "Level", "KeepFraction", "ScoreCut"),
        ),
    ),
    Group(
        "See what is kept",
        "",
        _of(
            "fineprune",
            *("count", "Counts", "MatrixCount", "load_model", "Masks", "MaskedWeight", "Mask"),
        ),
    ),
    Group(
        "Pack",
        "How to use these stands in [](packing.md). None of them needs PyTorch.",
        (
            *_of("fineprune", "pack", "pack_folder", "unpack", "read_packed", "ReadLimits"),
            *_of("fineprune", "PackedModel", "SparseTensor", "DenseTensor", "Scales"),
            *_of("fineprune.packing", "Tensor"),
            *_of("fineprune", "PackReport", "TensorReport"),
        ),
    ),
    Group(
        "Run a packed file",
        "How to use these stands in [](engine.md). All but `load` do without PyTorch.",
        (
            *_of("fineprune", "Engine", "MatrixPlan"),
            *_of(
                "fineprune.engine.tasks",
                *("TextClassification", "QuestionAnswering", "TokenClassification"),
                *("SentenceEmbedding", "Limit"),
            ),
            *_of("fineprune.engine", "SlowPrecisionWarning"),
            *_of("fineprune", "load"),
        ),
    ),
    Group(
        "Answer a corpus",
        "Files of any size: `fineprune predict --input`, in [](corpus.md). Clusters: "
        "[](clusters.md).",
        _of("fineprune", "BatchPredictor", "spark_udf"),
    ),
    Group(
        "Share a packed file, and load it in transformers",
        "`Engine.from_pretrained` and `Engine.push_to_hub` are the short way. "
        "`import fineprune.huggingface` is all that `AutoModel` needs.",
        (
            *_of("fineprune.hub", "pull", "push", "FILENAME"),
            *_of("fineprune.huggingface", "PackedConfig", "PackedQuantizer"),
        ),
    ),
    Group(
        "Handle errors",
        "Each is a `FinepruneError`, whose message is one line: what was found, what was "
        "expected, what to do.",
        ("fineprune.FinepruneError", *(name for module in _ERRORS for name in _errors_of(module))),
    ),
)


def api_reference() -> str:
    """All that a user calls, by what it is for, as Markdown."""
    seen: list[Any] = []
    parts = []
    for group in GROUPS:
        names = [name for name in group.names if not _is_in(resolve(name), seen)]
        seen += [resolve(name) for name in names]
        parts.append("\n\n".join([f"## {group.title}", group.about, _entries(names)]))
    return "\n\n".join(parts) + "\n"


def modules_reference() -> str:
    """What modules offer each other beside that, as Markdown."""
    parts = []
    for module, names in names_of_modules().items():
        about = inspect.cleandoc(importlib.import_module(module).__doc__ or "").split("\n")[0]
        parts.append("\n\n".join([f"## `{module}`", about, _entries(names)]))
    return "\n\n".join(parts) + "\n"


def names_of_modules(package: ModuleType = fineprune) -> dict[str, list[str]]:
    """By module: the names of its `__all__` that stand in none of the groups, nor further up."""
    seen = [*_in_groups()]
    found = {}
    for module in public_modules(package):
        offered = vars(importlib.import_module(module)).get("__all__", [])
        names = [name for name in _of(module, *offered) if not _is_in(resolve(name), seen)]
        names = [name for name in names if not name.rpartition(".")[2].startswith("__")]
        seen += [resolve(name) for name in names]
        if names:
            found[module] = names
    return found


def public_modules(package: ModuleType) -> list[str]:
    """A package and all modules below it whose names do not begin with an underscore."""
    below = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    names = (one.name for one in below)
    return [package.__name__, *(name for name in names if "._" not in name)]


def resolve(name: str) -> Any:
    """The object of a dotted name."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def members_of(documented: type[Any]) -> list[str]:
    """Methods and properties with docstrings, those of bases without an entry among them.

    What another library's class has as well is described there.
    """
    owners = _owners_of(documented)
    members = {name: member for base in reversed(owners) for name, member in vars(base).items()}
    foreign = [base for base in documented.__mro__ if _is_foreign(base)]
    return [
        name
        for name, member in members.items()
        if (name == "__call__" or not name.startswith("_"))
        and isinstance(member, _MEMBERS)
        and member.__doc__
        and not any(name in vars(base) for base in foreign)
    ]


def data_text(name: str) -> str:
    """The string below the assignment that makes a constant or an alias; empty if it has none."""
    value, attribute = resolve(name), name.rpartition(".")[2]
    for module in public_modules(fineprune):
        if vars(importlib.import_module(module)).get(attribute) is value:
            found = _assigned_in(module).get(attribute)
            if found:
                return found
    return ""


@cache
def _assigned_in(module: str) -> dict[str, str]:
    """What a module assigns to names, and says of them in a string below."""
    body = ast.parse(inspect.getsource(importlib.import_module(module))).body
    found = {}
    for statement, following in pairwise(body):
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign):
            target = statement.target
        else:
            continue
        if not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)):
            continue
        if isinstance(target, ast.Name) and isinstance(following.value.value, str):
            found[target.id] = inspect.cleandoc(following.value.value)
    return found


@cache
def _in_groups() -> tuple[Any, ...]:
    return tuple(resolve(name) for group in GROUPS for name in group.names)


def _owners_of(documented: type[Any]) -> list[type[Any]]:
    """A class, and its bases in the package that have no entry of their own."""
    return [
        base
        for base in documented.__mro__
        if base is documented or not (_is_foreign(base) or _is_in(base, _in_groups()))
    ]


def _is_foreign(base: type[Any]) -> bool:
    return base.__module__.split(".")[0] != fineprune.__name__


def _is_in(one: Any, several: Iterable[Any]) -> bool:
    return any(one is other for other in several)


def _entries(names: list[str]) -> str:
    lines = ["```{eval-rst}", *(line for name in names for line in _directive(name)), "```"]
    return "\n".join(lines)


def _directive(name: str) -> Iterator[str]:
    documented = resolve(name)
    if inspect.isclass(documented):
        kind = "autoexception" if issubclass(documented, Exception) else "autoclass"
        yield f".. {kind}:: {name}"
        members = members_of(documented)
        if members:
            yield f"   :members: {', '.join(members)}"
        if any(member not in vars(documented) for member in members):
            others = {base.__name__ for base in documented.__mro__} - {
                base.__name__ for base in _owners_of(documented)
            }
            yield f"   :inherited-members: {', '.join(sorted(others))}"
    elif inspect.isfunction(documented):
        yield f".. autofunction:: {name}"
    else:
        yield f".. py:data:: {name}"
        yield ""
        yield from (f"   {line}".rstrip() for line in data_text(name).splitlines())
    yield ""
