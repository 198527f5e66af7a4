"""Prints the lowest versions that the metadata declares, as constraints for pip.

    python tests/lowest.py [EXTRA ...] > constraints.txt

Those of the base, or of extras alone: what an extra needs may need more of the base than the base
itself. What dependencies need in turn is pip's choice.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[(?P<extras>[\w,-]+)\])?(>=(?P<floor>[\w.]+))?")


def lowest(extras: list[str]) -> Iterator[str]:
    """A line for each dependency of extras, or of the base if there are none.

    Raises:
        ValueError: a dependency has no floor.
    """
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    wanted = [project["optional-dependencies"][one] for one in extras] or [project["dependencies"]]
    for requirement in (one for some in wanted for one in some):
        found = _REQUIREMENT.match(requirement)
        assert found is not None
        if found["name"] == project["name"]:  # an extra that includes others
            yield from lowest(found["extras"].split(","))
        elif found["floor"] is None:
            raise ValueError(f"{requirement!r} in {PYPROJECT.name} has no lowest version")
        else:
            yield f"{found['name']}=={found['floor']}"


if __name__ == "__main__":
    print("\n".join(dict.fromkeys(lowest(sys.argv[1:]))))
