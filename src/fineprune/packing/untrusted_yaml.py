"""YAML from a file that somebody else made."""

from typing import Any

import yaml


class _WithoutAliases(yaml.SafeLoader):
    """Refuses aliases: a few of them, each of many others, stand for more than fits into memory."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias; expected plain values")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def load_untrusted(content: bytes | str) -> Any:
    """The plain values of a YAML document.

    Raises:
        yaml.YAMLError: it is no YAML, or has aliases.
        RecursionError: it is nested too deeply.
        ValueError: it is not UTF-8, or a number or a date in it is none.
    """
    return yaml.load(content, _WithoutAliases)
