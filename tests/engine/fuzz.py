"""Opens mutated files and random bytes, and asks random texts: answers, or the package's errors.

    python -m tests.engine.fuzz --files 200000 --texts 20000

Files are small models with every head and kind of tokenizer. Their bytes are changed; or, with the
checksum renewed as somebody with intent would, values in config, tokenizer, recipe and the files of
sentence-transformers, names and shapes of tensors. What opens is asked a text.

Texts are made of all that Unicode has, and of what no text may hold; every task is asked them, with
options drawn at random.
"""

import argparse
import copy
import json
import random
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from fineprune import Engine
from fineprune.errors import FinepruneError
from fineprune.packing import ReadLimits
from fineprune.packing.attachments import compress, expand
from fineprune.packing.container import ATTACHMENT
from tests.conformance.models import make_pair
from tests.packing.crafting import changed
from tests.packing.fuzz import count_outcomes, mutated, with_intent

LIMITS = ReadLimits(weights=1 << 20, attachment_bytes=1 << 20)
MOST_SECONDS = 10  # of computing
MOST_WAITING = 600

MODELS = (
    ("bert", "sequence", "wordpiece"),
    ("roberta", "token", "byte-level"),
    ("distilbert", "question", "wordpiece"),
    ("xlm-roberta", "none", "unigram"),
    ("mpnet", "sequence", "wordpiece"),
    ("albert", "question", "unigram"),
    ("modernbert", "sequence", "byte-level"),
    ("deberta-v2", "token", "unigram"),
    ("electra", "none", "byte-level"),
)
RECIPE = "task:\n  kind: {kind}\n  max_length: 40\n  stride: 4\n  unanswerable: true\n"
BESIDE: dict[str, Any] = {
    "modules.json": [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
        {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"},
    ],
    "1_Pooling/config.json": {"word_embedding_dimension": 24, "pooling_mode_mean_tokens": True},
    "config_sentence_transformers.json": {
        "prompts": {"query": "query: "},
        "default_prompt_name": "query",
        "similarity_fn_name": "cosine",
    },
    "sentence_bert_config.json": {"max_seq_length": 30, "do_lower_case": True},
}


def corpus(folder: Path) -> list[bytes]:
    """Packed models with each head and each kind of tokenizer, and all that goes along."""
    files = []
    for number, (architecture, head, kind) in enumerate(MODELS):
        recipe = "question-answering" if head == "question" else "text-classification"
        beside = {"recipe.yaml": RECIPE.format(kind=recipe)}
        if number == len(MODELS) - 1:
            beside |= {name: json.dumps(content) for name, content in BESIDE.items()}
        place = folder / str(number)
        config = {"id2label": {0: "contradiction", 1: "neutral", 2: "entailment"}}
        pair = make_pair(
            place, architecture, head, kind, beside, config if head != "question" else {}
        )
        files.append(pair.file.read_bytes())
    return files


# Mutated files.

_VALUES: Sequence[Any] = (
    None, True, False, 0, 1, -1, 2, 3, 24, 255, 65535, 1 << 31, 1 << 62, 10**30, 0.0, 0.5, -1e-9,
    1e38, 1e308, float("inf"), float("nan"), "", "x", "[CLS]", "\ud800", "bert", "relu", "a" * 3000,
    [], {}, [[]], [None], {"": None}, {"content": "x"}, ["input_ids"],
)  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON value with each of its keys."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list) and value[key]:
            yield from places(value[key])


def change_json(text: str, rng: random.Random) -> str:
    """Some values of a JSON text replaced, removed, or put elsewhere."""
    content = json.loads(text)
    for _ in range(rng.choice((1, 1, 2, 3))):
        every = list(places(content)) if isinstance(content, dict | list) else []
        if not every:
            break
        # Half of the time not deep inside, where vocabularies have their thousands.
        inside, key = every[rng.randrange(min(len(every), rng.choice((40, len(every)))))]
        kind = rng.random()
        if kind < 0.6:
            inside[key] = copy.deepcopy(rng.choice(_VALUES))
        elif kind < 0.8:
            del inside[key]
        else:
            other, at = rng.choice(every)
            value = json.loads(json.dumps(other[at])) if at in _keys(other) else None
            inside[key] = value
    return json.dumps(content)


def _keys(container: Any) -> Any:
    return container if isinstance(container, dict) else range(len(container))


def change_content(data: bytes, rng: random.Random) -> bytes:
    """Values in the config or in an attached file changed, and the checksum renewed."""

    def change(entries: dict[str, bytes], metadata: dict[str, str]) -> None:
        files = sorted(name for name in entries if name.startswith(ATTACHMENT))
        name = rng.choice(("config", *files))
        if name == "config":
            metadata["config"] = change_json(metadata["config"], rng)
            return
        [content] = expand({"a.json": memoryview(entries[name])}, LIMITS).values()
        if name.endswith(".json"):
            content = change_json(content.decode(), rng).encode()
        else:
            content = mutated(content, rng)
        entries[name] = compress(content)

    return changed(data, change)


def change_tensors(data: bytes, rng: random.Random) -> bytes:
    """Two tensors exchanged, one renamed or removed."""

    def change(entries: dict[str, bytes], _: dict[str, str]) -> None:
        names = sorted(name for name in entries if name.startswith("tensor:"))
        one, other = rng.sample(names, 2)
        match rng.randrange(3):
            case 0:
                entries[one], entries[other] = entries[other], entries[one]
            case 1:
                del entries[one]
            case _:
                entries[one + rng.choice((".x", "bias", "/weight"))] = entries.pop(one)

    return changed(data, change)


_MUTATIONS: Sequence[Callable[[bytes, random.Random], bytes]] = (
    mutated,
    with_intent,
    change_content,
    change_content,
    change_content,
    change_tensors,
)


def mutate(files: Sequence[bytes], rng: random.Random) -> bytes:
    """A file that somebody or something has changed; now and then nothing but random bytes."""
    if rng.random() < 0.1:
        return rng.randbytes(rng.choice((0, 7, 8, 9, 100, 4000)))
    return rng.choice(_MUTATIONS)(rng.choice(files), rng)


class HangError(BaseException):
    """Something takes too long. No `Exception`, which the package may take for another's."""


@contextmanager
def no_hang() -> Iterator[None]:
    """Ends what computes too long, or waits for ever.

    The time of a machine's clock alone would blame us for whatever else it does.
    """

    def stop(_: int, __: FrameType | None) -> None:
        raise HangError(f"no end within {MOST_SECONDS} seconds, or {MOST_WAITING} of waiting")

    before = [(one, signal.signal(one, stop)) for one in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    signal.alarm(MOST_WAITING)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        for one, handler in before:
            signal.signal(one, handler)


def outcome(file: Path) -> str:
    """`success`, or the name of the package's error; any other error is raised."""
    try:
        with no_hang():
            engine = Engine(file, threads=1, limits=LIMITS)
            if "start_logits" in engine.run([[1, 2, 3]]):
                engine(question="Who is it?", context="Ada lives in London, doesn't she?")
            else:
                engine(["Ada lives in London, doesn't she?", ""])
    except FinepruneError as error:
        return name_of(error)
    return "success"


def name_of(error: FinepruneError) -> str:
    """Its class; what it says has to be one line."""
    if "\n" in str(error):
        raise AssertionError("an error of several lines") from error
    return type(error).__name__


def fuzz_files(count: int, seed: int) -> Counter[str]:
    """How often each outcome came.

    Raises:
        AssertionError: as `count_outcomes`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        files = corpus(Path(temporary))
        path = Path(temporary) / "file"

        def outcome_of(data: bytes) -> str:
            path.write_bytes(data)
            return outcome(path)

        return count_outcomes(count, seed, lambda rng, number: mutate(files, rng), outcome_of)


# Random texts.

_RANGES = (
    (0x20, 0x7E), (0x00, 0x20), (0x7F, 0xA0), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x5FF),
    (0x600, 0x6FF), (0x900, 0xE7F), (0x1100, 0x11FF), (0x2000, 0x206F), (0x3040, 0x30FF),
    (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xD800, 0xDFFF), (0xE000, 0xF8FF), (0xFB00, 0xFDFF),
    (0xFE00, 0xFFFF), (0x1F000, 0x1FAFF), (0x20000, 0x2FA1F), (0xE0000, 0x10FFFF),
)  # fmt: skip
_WORDS = (
    "[CLS]", "[SEP]", "[PAD]", "<s>", "</s>", "<mask>", "##s", "\u2581", "\u0120", " ", "\n",
    "\r\n", "Ada", "London", "{}", "{0}", "%s", "\\", '"', "\ufeff", "\u202e", "e\u0301" * 20,
    "x" * 300,
)  # fmt: skip


def random_text(rng: random.Random) -> str:
    """A text of up to some hundred parts, of few scripts."""
    ranges = rng.sample(_RANGES, rng.randrange(1, 4))
    parts = []
    for _ in range(int(rng.expovariate(1 / rng.choice((1, 8, 60))))):
        if rng.random() < 0.2:
            parts.append(rng.choice(_WORDS))
        else:
            parts.append(chr(rng.randint(*rng.choice(ranges))))
    return "".join(parts)


def random_options(head: str, rng: random.Random) -> dict[str, Any]:
    """Options of a task, each right in itself."""
    known: dict[str, dict[str, Sequence[Any]]] = {
        "sequence": {"top_k": (1, 2, None), "function_to_apply": (None, "sigmoid", "none")},
        "token": {
            "aggregation_strategy": ("none", "simple", "first", "average", "max"),
            "ignore_labels": ((), ("O",), ("neutral",)),
            "stride": (None, 0, 9),
        },
        "question": {
            "top_k": (1, 3, 40),
            "max_answer_len": (None, 1, 200),
            "handle_impossible_answer": (None, True, False),
            "null_threshold": (None, -3.5, 1e9),
            "max_seq_len": (None, 24),
            "doc_stride": (None, 0, 3),
            "max_question_len": (None, 1, 9),
        },
        "none": {
            "normalize_embeddings": (False, True),
            "truncate_dim": (None, 3),
            "batch_size": (1, 1024),
            "prompt": (None, "", random_text(rng)),
        },
    }
    return {name: rng.choice(values) for name, values in known[head].items()}


def ask(engine: Engine, head: str, texts: Sequence[str], rng: random.Random) -> None:
    """Asks a task, and looks at its answers."""
    options = random_options(head, rng)
    if head == "question":
        contexts = list(reversed(texts))
        answers = engine(question=list(texts), context=contexts, **options)
        for context, found in zip(contexts, answers, strict=True):
            for one in found if isinstance(found, list) else [found]:
                span = context[one["start"] : one["end"]]
                assert one["answer"] == span
                assert 0 <= one["score"] <= 1
        return
    pairs = [*zip(texts[::2], texts[1::2], strict=False)] if head == "sequence" else []
    inputs = [*texts, *pairs]
    if head == "sequence" and rng.random() < 0.2:
        labels = [text or "x" for text in texts[:3]]
        inputs, options = (
            list(texts),
            {"candidate_labels": labels, "multi_label": rng.random() < 0.5},
        )
    answers = engine(inputs, **options)
    assert len(answers) == len(inputs)
    if head == "none":
        assert np.isfinite(answers).all()
    elif head == "token":
        for text, entities in zip(inputs, answers, strict=True):
            for entity in entities:
                assert 0 <= entity["start"] <= entity["end"] <= len(text)
                assert 0 <= entity["score"] <= 1 + 1e-6
    json.dumps(answers if head != "none" else answers.tolist())


def fuzz_texts(count: int, seed: int) -> Counter[str]:
    """How many texts each task answered, and how often it refused some by an error of ours.

    Raises:
        AssertionError: a text had another outcome; the message holds seed and number.
    """
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        corpus(Path(temporary))
        engines = [
            (head, Engine(Path(temporary) / str(number) / "packed", threads=1))
            for number, (_, head, _) in enumerate(MODELS)
        ]
        for number in range(0, count, 20):
            texts = [random_text(rng) for _ in range(min(20, count - number))]
            for head, engine in engines:
                try:
                    with no_hang():
                        ask(engine, head, texts, rng)
                    outcomes[head] += len(texts)
                except FinepruneError as error:
                    outcomes[f"{head}: {name_of(error)}"] += 1
                except BaseException as error:
                    raise AssertionError(
                        f"seed {seed}, texts {number} of {head}: {error!r}"
                    ) from error
    return outcomes


def main() -> None:
    """Prints how often each outcome came."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    started = time.monotonic()
    for outcomes in (
        fuzz_texts(arguments.texts, arguments.seed),
        fuzz_files(arguments.files, arguments.seed),
    ):
        for name, times in outcomes.most_common():
            print(f"{times:9,}  {name}", flush=True)
        print(f"{time.monotonic() - started:9.0f}  seconds", flush=True)


if __name__ == "__main__":
    main()
