"""A data set of what people say to their home, and of what they mean by it.

The package `home-assistant-intents` (Apache-2.0) holds the sentence patterns by which the voice
assistant Home Assistant understands commands: some twenty for each intent, written by many people.
The task is to tell the intent from a sentence. It is made so that there is something to learn and
nothing to look up:

- The validation set is drawn from patterns that the training set never saw: a quarter of those of
  each intent. What is measured is how well the model understands other ways of saying the same.
- An intent with fewer than four patterns, or a hundred sentences, is left out: too few to learn
  from some and test on others.
- All intents have about as many sentences, however many patterns they have.
- A quarter of the sentences are more than their pattern: "please", "could you", and what else the
  assistant skips.
- A sentence that stands for several intents, or in both sets, is left out.

Each pattern draws from a stream of its own, so that its sentences depend neither on other patterns
nor on their order.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from fineprune.demo.patterns import Grammar
from fineprune.demo.words import NAMES, OPEN_LISTS
from fineprune.errors import DataError
from fineprune.files import replacing
from fineprune.tasks.model_names import resolve_name

SOURCE = "package:home_assistant_intents/data"
LANGUAGE = "en.json"
LEAST_PATTERNS = 4
LEAST_SENTENCES = 100
TRAINED_ON = 240
VALIDATED_ON = 60
"""Sentences of each intent."""

_HELD_OUT = 0.25  # of the patterns
_POLITE = 0.25  # of the sentences
_TRIES = 8  # for each sentence that is wanted: some patterns have few
_DAMAGED = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class CommandDataset:
    """The files of the data set: one JSON object `{"text": ..., "label": ...}` a line.

    Attributes:
        train: file of the training set.
        validation: file of the validation set.
        train_examples: number of lines in `train`.
        validation_examples: number of lines in `validation`.
        labels: names of all intents, sorted.
    """

    train: Path
    validation: Path
    train_examples: int
    validation_examples: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """One sentence and the intent that it stands for."""

    text: str
    label: str


@dataclass(frozen=True)
class Pattern:
    """One way of saying something.

    Attributes:
        intent: what is meant.
        text: the pattern.
        kinds: of devices whose names may stand in it.
    """

    intent: str
    text: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Language:
    """What all patterns share.

    Attributes:
        lists: words by the name of their list.
        rules: what patterns refer to.
        skipped: words that may stand anywhere and say nothing.
    """

    lists: Mapping[str, Sequence[str]]
    rules: Mapping[str, str]
    skipped: Sequence[str]


def patterns_file() -> Path:
    """The English patterns of the package.

    Raises:
        CheckpointError: it is not installed.
    """
    return Path(resolve_name(SOURCE)) / LANGUAGE


def write_command_dataset(folder: Path, file: Path) -> CommandDataset:
    """Draws sentences and writes them as two JSON-lines files.

    The same patterns give the same files, byte for byte.

    Args:
        folder: where `train.jsonl` and `validation.jsonl` appear; made if missing.
        file: of patterns, as the package has it.

    Raises:
        DataError: the file is not as expected.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        found = list(patterns(content["intents"]))
        language = Language(
            lists={name: words_of(one) for name, one in content["lists"].items()},
            rules={str(name): str(rule) for name, rule in content["expansion_rules"].items()},
            skipped=[str(word) for word in content["skip_words"]],
        )
    except (OSError, *_DAMAGED) as error:
        raise DataError(
            f"{file} is no file of sentence patterns "
            f"({type(error).__name__}: {error}); install home-assistant-intents 2026.10.27"
        ) from error
    training, validation = split(found)
    train = draw(training, TRAINED_ON, language)
    held_out = draw(validation, VALIDATED_ON, language)
    train, held_out = unambiguous(train, held_out)
    labels = learnable(train, held_out)
    if len(labels) < 2:
        raise DataError(
            f"{file} has {len(labels)} intents of {LEAST_PATTERNS} patterns and "
            f"{LEAST_SENTENCES} sentences or more; expected several"
        )
    train, held_out = ([one for one in part if one.label in labels] for part in (train, held_out))
    folder.mkdir(parents=True, exist_ok=True)
    return CommandDataset(
        train=_write(folder / "train.jsonl", train),
        validation=_write(folder / "validation.jsonl", held_out),
        train_examples=len(train),
        validation_examples=len(held_out),
        labels=labels,
    )


def patterns(intents: Mapping[str, Any]) -> Iterator[Pattern]:
    """The patterns of all intents that have enough, each once.

    Args:
        intents: by name, as the package has them.
    """
    for intent, content in intents.items():
        kinds: dict[str, dict[str, None]] = {}
        for block in content["data"]:
            context = block.get("requires_context", {})
            for text in block["sentences"]:
                kinds.setdefault(str(text), {}).update(dict.fromkeys(_domains(context)))
        if len(kinds) >= LEAST_PATTERNS:
            for text, domains in kinds.items():
                yield Pattern(intent.removeprefix("Hass"), text, tuple(domains))


def _domains(context: Mapping[str, Any]) -> list[str]:
    domain = context.get("domain", [])
    return [domain] if isinstance(domain, str) else list(domain)


def words_of(content: Mapping[str, Any]) -> Sequence[str]:
    """The words of a list, which may be patterns themselves; none of one that a home fills."""
    if "values" in content:
        return [str(one["in"] if isinstance(one, dict) else one) for one in content["values"]]
    if "range" in content:
        span = content["range"]
        return [str(one) for one in range(span["from"], span["to"] + 1, span.get("step", 1))]
    return []


def split(found: Sequence[Pattern]) -> tuple[list[Pattern], list[Pattern]]:
    """Patterns to train with, and those that are held out: a quarter of each intent's.

    Which ones, depends on a hash of their texts alone.
    """
    training, held_out = [], []
    for intent in dict.fromkeys(one.intent for one in found):
        ordered = sorted((one for one in found if one.intent == intent), key=_position)
        boundary = round(_HELD_OUT * len(ordered))
        held_out += ordered[:boundary]
        training += ordered[boundary:]
    return training, held_out


def draw(found: Sequence[Pattern], count: int, language: Language) -> list[Example]:
    """Sentences of patterns, about `count` of each intent, as many of each of its patterns.

    Raises:
        DataError: a pattern is none, or refers to something that is not there.
    """
    sizes = Counter(pattern.intent for pattern in found)
    return [
        Example(text, pattern.intent)
        for pattern in found
        for text in _sentences(pattern, -(-count // sizes[pattern.intent]), language)
    ]


def _sentences(pattern: Pattern, count: int, language: Language) -> list[str]:
    """At most `count` different sentences."""
    random = Random(pattern.text)
    kinds = [kind for kind in pattern.kinds if kind in NAMES] or list(NAMES)
    names = [name for kind in kinds for name in NAMES[kind]]
    known = {**language.lists, **OPEN_LISTS, "name": names}

    def words(name: str, random: Random) -> str:
        if not known.get(name):
            raise DataError(f"a pattern of home-assistant-intents has an unknown list {name!r}")
        return grammar.sentence(random.choice(known[name]), random)

    grammar = Grammar(language.rules, words)
    found: dict[str, None] = {}
    for _ in range(_TRIES * count):
        if len(found) < count:
            found[grammar.sentence(pattern.text, random)] = None
    return [_politely(sentence, language, random) for sentence in found]


def _politely(sentence: str, language: Language, random: Random) -> str:
    """The sentence, sometimes with a word before or behind it that says nothing."""
    if not language.skipped or random.random() >= _POLITE:
        return sentence
    parts = [sentence, random.choice(language.skipped)]
    return " ".join(random.sample(parts, 2))


def unambiguous(
    train: Sequence[Example], validation: Sequence[Example]
) -> tuple[list[Example], list[Example]]:
    """Each sentence once, those of the validation set not in the training set; none of two intents.

    Both come in the order of their hashes, which mixes the intents.
    """
    intents: dict[str, set[str]] = {}
    for one in (*train, *validation):
        intents.setdefault(one.text.casefold(), set()).add(one.label)
    seen: set[str] = set()
    sets = []
    for examples in (train, validation):
        kept = []
        for one in examples:
            key = one.text.casefold()
            if key not in seen and len(intents[key]) == 1:
                seen.add(key)
                kept.append(one)
        sets.append(sorted(kept, key=_position))
    return sets[0], sets[1]


def learnable(train: Sequence[Example], validation: Sequence[Example]) -> tuple[str, ...]:
    """Names of the intents that have enough sentences, sorted."""
    sizes = Counter(one.label for one in train)
    tested = {one.label for one in validation}
    return tuple(
        sorted(name for name, size in sizes.items() if size >= LEAST_SENTENCES and name in tested)
    )


def _position(one: Pattern | Example) -> bytes:
    """What depends on the text alone and is spread evenly over texts."""
    return hashlib.sha256(one.text.encode()).digest()


def _write(path: Path, examples: Sequence[Example]) -> Path:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for example in examples:
            file.write(json.dumps({"text": example.text, "label": example.label}) + "\n")
    return path
