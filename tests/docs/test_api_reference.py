"""The reference of Python names leaves nothing out."""

import importlib
import inspect
import sys
from types import ModuleType
from typing import Any

import pytest
from api_reference import (
    GROUPS,
    api_reference,
    data_text,
    members_of,
    modules_reference,
    names_of_modules,
    public_modules,
    resolve,
)

import fineprune

IN_GROUPS = [name for group in GROUPS for name in group.names]
IN_MODULES = [name for names in names_of_modules().values() for name in names]


def offered() -> list[str]:
    """All that the modules of the package offer by `__all__`."""
    return [
        f"{module}.{name}"
        for module in public_modules(fineprune)
        for name in vars(importlib.import_module(module)).get("__all__", [])
        if name != "__version__"
    ]


def test_all_that_the_package_offers_is_documented_for_users() -> None:
    documented = {name.rpartition(".")[2] for name in IN_GROUPS}
    assert set(fineprune.__all__) - {"__version__"} <= documented


def test_all_that_modules_offer_is_documented() -> None:
    documented = [resolve(name) for name in (*IN_GROUPS, *IN_MODULES)]
    missing = [name for name in offered() if not any(resolve(name) is one for one in documented)]
    assert len(offered()) > 100
    assert missing == []


def test_each_is_documented_once() -> None:
    assert len({*IN_GROUPS, *IN_MODULES}) == len([*IN_GROUPS, *IN_MODULES])
    for title in (group.title for group in GROUPS):
        assert api_reference().count(f"## {title}\n") == 1
    assert api_reference().count(".. autoclass:: fineprune.Engine\n") == 1
    assert ".. autoclass:: fineprune.Engine\n" not in modules_reference()


@pytest.mark.parametrize("name", [*IN_GROUPS, *IN_MODULES])
def test_it_says_something(name: str) -> None:
    documented = resolve(name)
    if inspect.isclass(documented) or inspect.isfunction(documented):
        assert inspect.getdoc(documented)
    else:
        assert data_text(name), f"{name}: put a string below its assignment that says what it is"


@pytest.mark.parametrize("name", [n for n in IN_GROUPS if inspect.isclass(resolve(n))])
def test_members_say_something(name: str) -> None:
    """A method or property without a docstring is one of a base that has one."""
    documented: type[Any] = resolve(name)
    own = {
        member: value
        for member, value in vars(documented).items()
        if not member.startswith("_") and isinstance(value, property | type(test_it_says_something))
    }
    silent = {member for member, value in own.items() if not value.__doc__}
    of_bases = {member for base in documented.__mro__[1:] for member in vars(base)}
    # The mixin's base is whatever trainer it is put before.
    if documented is fineprune.FinePruningMixin:
        of_bases |= set(dir(importlib.import_module("transformers").Trainer))
    assert silent <= of_bases
    assert set(members_of(documented)) >= own.keys() - silent - of_bases


def test_what_is_left_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = ModuleType("made_up"), ModuleType("made_up.part")
    package.__path__ = []
    vars(package)["__all__"] = ["known"]
    vars(package)["known"] = fineprune.pack
    vars(module)["__all__"] = ["unknown"]
    monkeypatch.setitem(sys.modules, "made_up", package)
    assert names_of_modules(package) == {}
    vars(package)["__all__"] = ["known", "unknown"]
    vars(package)["unknown"] = test_each_is_documented_once
    assert names_of_modules(package) == {"made_up": ["made_up.unknown"]}
