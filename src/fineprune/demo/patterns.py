r"""Sentence patterns of Home Assistant, and sentences drawn from them.

A pattern is text with these in it, at any depth:

| in a pattern | in a sentence |
|---|---|
| `[a]` | `a` or nothing |
| `(a\|b)` | one of them |
| `(a;b)` | all of them, in any order |
| `<rule>` | what the pattern of that name gives |
| `{list}`, `{list:slot}` | a word of that list |
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from fineprune.errors import DataError
from fineprune.wording import quoted

_TOKENS = re.compile(r"[\[\]()|;]|<[\w ]+>|\{[\w: ]+\}|[^\[\]()|;<>{}]+")
_CLOSING = {"(": ")", "[": "]"}
_DEEPEST = 50  # rules that stand in rules
_LEFT_OUT = 0.5  # of what need not be there

Words = Callable[[str, Random], str]
"""From the name of a list to a word of it."""


@dataclass(frozen=True)
class Grammar:
    """What patterns refer to.

    Attributes:
        rules: patterns by name.
        words: draws from lists.
    """

    rules: Mapping[str, str]
    words: Words

    def sentence(self, pattern: str, random: Random) -> str:
        """A sentence of a pattern, with single spaces.

        Raises:
            DataError: the pattern is none, or refers to a rule that is not there, or to itself.
        """
        return " ".join(_Drawing(self, pattern, random).whole().split())


class _Drawing:
    """A pattern that is read and drawn from, both from left to right.

    Args:
        grammar: what it refers to.
        pattern: it.
        random: draws.
        depth: rules that it stands in.
    """

    def __init__(self, grammar: Grammar, pattern: str, random: Random, depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise DataError(f"a rule of home-assistant-intents refers to itself: {quoted(pattern)}")
        self._grammar = grammar
        self._pattern = pattern
        self._random = random
        self._depth = depth
        tokens = _TOKENS.findall(pattern)
        if "".join(tokens) != pattern:
            raise self._damaged()
        self._tokens = tokens[::-1]  # the next one last

    def whole(self) -> str:
        """Text of the whole pattern, spaces as they come."""
        return self._group("")

    def _group(self, end: str) -> str:
        """Text of what stands up to a bracket, or up to the end of the pattern."""
        parts = [""]
        separators: set[str] = set()
        while self._tokens:
            token = self._tokens.pop()
            if token == end:
                break
            if token in ("|", ";"):
                separators.add(token)
                parts.append("")
            else:
                parts[-1] += self._element(token)
        else:
            if end:
                raise self._damaged()
        if separators == {";"}:
            return " ".join(self._random.sample(parts, len(parts)))
        return self._random.choice(parts)

    def _element(self, token: str) -> str:
        if token in _CLOSING:
            inside = self._group(_CLOSING[token])
            return "" if token == "[" and self._random.random() < _LEFT_OUT else inside
        if token in _CLOSING.values():
            raise self._damaged()
        if token.startswith("<"):
            return self._rule(token[1:-1])
        if token.startswith("{"):
            return self._grammar.words(token[1:-1].partition(":")[0], self._random)
        return token

    def _rule(self, name: str) -> str:
        if name not in self._grammar.rules:
            raise DataError(f"a pattern of home-assistant-intents has no rule {quoted(name)}")
        rule = self._grammar.rules[name]
        return _Drawing(self._grammar, rule, self._random, self._depth + 1).whole()

    def _damaged(self) -> DataError:
        return DataError(f"a pattern of home-assistant-intents is none: {quoted(self._pattern)}")
