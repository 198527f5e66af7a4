"""YAML that somebody else made cannot grow beyond its own size."""

import pytest
import yaml

from fineprune.packing.untrusted_yaml import load_untrusted


def test_plain_values() -> None:
    assert load_untrusted(b"a: [1, x, null]\nb: {c: 2.5}") == {"a": [1, "x", None], "b": {"c": 2.5}}


@pytest.mark.parametrize("text", ["a: &a [1]\nb: *a", "&a [*a]"])
def test_aliases_are_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="an alias"):
        load_untrusted(text)


def test_no_python_objects() -> None:
    with pytest.raises(yaml.YAMLError):
        load_untrusted("!!python/object/apply:os.system [true]")
