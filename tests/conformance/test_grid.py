"""The engine against transformers on the unpacked folder: tokens, logits, labels, spans."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from fineprune.text.characters import without_surrogates
from fineprune.text.fast import Cut
from tests.conformance.models import KINDS, LABELS, Pair, make_pair
from tests.conformance.texts import REFUSED, TEXTS
from tests.engine.zoo import ARCHITECTURES, HEADS

Inputs = str | tuple[str, str]

NEAR = 2e-5
EVERY = [*TEXTS.values()]
PAIRS = [(EVERY[i], EVERY[-i - 1]) for i in range(0, len(EVERY), 2)]

MakePair = Callable[..., Pair]


@pytest.fixture
def make(tmp_path: Any) -> MakePair:
    return lambda *names, **settings: make_pair(tmp_path, *names, **settings)


def of_transformers(pair: Pair, inputs: Inputs, **options: Any) -> dict[str, Any]:
    """Its encoding, as tensors; of pairs, both texts even where one is empty."""
    texts = ([inputs],) if isinstance(inputs, str) else ([inputs[0]], [inputs[1]])
    encoded: Any = pair.tokenizer(
        *texts, truncation=True, max_length=pair.longest, return_tensors="pt", **options
    )
    return dict(encoded)


def assert_same_tokens(pair: Pair, inputs: Sequence[Inputs]) -> None:
    found = pair.fast.encode(list(inputs), Cut(pair.longest))
    for one, encoding in zip(inputs, found, strict=True):
        expected = of_transformers(pair, one, return_offsets_mapping=True)
        assert encoding.ids == expected["input_ids"][0].tolist(), one
        assert [list(span) for span in encoding.offsets] == expected["offset_mapping"][0].tolist()
        types = expected.get("token_type_ids", torch.zeros_like(expected["input_ids"]))
        assert list(pair.fast.types(encoding)) == types[0].tolist(), one


def assert_near(found: Any, expected: Any, exact: Any) -> None:
    """What is found is near to exact arithmetic, or as near as PyTorch is in float32.

    Texts are there that cancel out in some vocabularies, so that no float32 is near.
    """
    error, theirs = (np.abs(np.asarray(one) - exact).max() for one in (found, expected))
    assert error <= max(NEAR * np.abs(exact).max(), 2 * theirs)


def logits_of(pair: Pair, inputs: Inputs, name: str = "logits", *, exact: bool = False) -> Any:
    model = pair.exact_model if exact else pair.model
    with torch.inference_mode():
        return model(**of_transformers(pair, inputs))[name][0].numpy()


def assert_same_labels(pair: Pair, inputs: Sequence[Inputs]) -> None:
    answers = pair.engine(list(inputs), top_k=None)
    for one, answer in zip(inputs, answers, strict=True):
        logits = logits_of(pair, one)
        scores = np.exp(logits - logits.max())
        scores = {LABELS[i]: float(score) for i, score in enumerate(scores / scores.sum())}
        assert {item["label"]: item["score"] for item in answer} == pytest.approx(scores, abs=1e-5)


def check_sequence(pair: Pair) -> None:
    assert_same_tokens(pair, PAIRS)
    assert_same_labels(pair, [*EVERY, *PAIRS])
    for text in EVERY[::5]:
        inputs = of_transformers(pair, text)
        arrays = {name: value.numpy() for name, value in inputs.items()}
        found = pair.engine.run(**arrays)["logits"][0]
        assert_near(found, logits_of(pair, text), logits_of(pair, text, exact=True))


def check_token(pair: Pair) -> None:
    short = [text for text in EVERY if len(pair.fast.encode([text])[0].ids) <= pair.longest]
    for text, entities in zip(short, pair.engine(short, ignore_labels=()), strict=True):
        encoded = of_transformers(
            pair, text, return_offsets_mapping=True, return_special_tokens_mask=True
        )
        spans = encoded.pop("offset_mapping")[0].tolist()
        special = encoded.pop("special_tokens_mask")[0].tolist()
        with torch.inference_mode():
            logits = pair.model(**encoded).logits[0].numpy()
        expected = [
            (LABELS[int(row.argmax())], *span)
            for row, span, skipped in zip(logits, spans, special, strict=True)
            if not skipped
        ]
        assert [(one["entity"], one["start"], one["end"]) for one in entities] == expected, text


def check_question(pair: Pair) -> None:
    for question, context in PAIRS:
        answer = pair.engine(question=question, context=context)
        assert answer["answer"] == context[answer["start"] : answer["end"]]
    question, context = "Where does Ada live?", TEXTS["japanese"]
    best = pair.engine(question=question, context=context, top_k=3, max_answer_len=4)[0]
    encoded = of_transformers(pair, (question, context), return_offsets_mapping=True)
    spans = encoded.pop("offset_mapping")[0].tolist()
    sequences = pair.tokenizer([question], [context]).sequence_ids(0)
    with torch.inference_mode():
        said = pair.model(**encoded)
    places = [i for i, part in enumerate(sequences) if part == 1 and spans[i][1] > spans[i][0]]
    start, end = said.start_logits[0].double(), said.end_logits[0].double()
    first, last = max(
        ((i, j) for i in places for j in places if i <= j < i + 4),
        key=lambda span: float(start[span[0]] + end[span[1]]),
    )
    text = context[spans[first][0] : spans[last][1]]
    assert best["answer"] == text.strip()


def check_none(pair: Pair) -> None:
    found = pair.engine(EVERY)
    for text, embedding in zip(EVERY, found, strict=True):
        means = [
            logits_of(pair, text, "last_hidden_state", exact=exact).mean(axis=0)
            for exact in (False, True)
        ]
        assert_near(embedding, *(mean / np.linalg.norm(mean) for mean in means))


CHECKS = {
    "sequence": check_sequence,
    "token": check_token,
    "question": check_question,
    "none": check_none,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_grid(architecture: str, head: str, kind: str, make: MakePair) -> None:
    pair = make(architecture, head, kind)
    assert_same_tokens(pair, EVERY)
    CHECKS[head](pair)


OPTIONS: dict[str, dict[str, Any]] = {
    "cut on the left": {"truncation_side": "left", "model_max_length": 16},
    "cut on the right": {"truncation_side": "right", "model_max_length": 16},
    "without a limit": {"model_max_length": 1000000000000000019884624838656},
    "cased": {"do_lower_case": False},
    "uncased": {"do_lower_case": True},
    "accents stripped": {"do_lower_case": False, "strip_accents": True},
    "accents kept": {"strip_accents": False},
    "characters together": {"tokenize_chinese_chars": False},
    "a space before": {"add_prefix_space": True},
    "no space before": {"add_prefix_space": False},
    "offsets with spaces": {"trim_offsets": False},
    "with types": {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]},
    "without types": {"model_input_names": ["input_ids", "attention_mask"]},
    "padded on the left": {"padding_side": "left"},
    "special tokens are text": {"split_special_tokens": True},
    "a plain class": {"tokenizer_class": "PreTrainedTokenizerFast"},
    "a class of version 5": {"tokenizer_class": "TokenizersBackend"},
    "a fast class": {"tokenizer_class": "BertTokenizerFast"},
    "no class": {"tokenizer_class": None},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("option", OPTIONS)
def test_options(option: str, kind: str, make: MakePair) -> None:
    settings = OPTIONS[option]
    if settings.get("tokenizer_class") == "BertTokenizerFast":
        settings = {"tokenizer_class": f"{KINDS[kind].of}Fast"}
    architecture = {"wordpiece": "bert", "byte-level": "roberta", "unigram": "xlm-roberta"}[kind]
    pair = make(architecture, "sequence", kind, **settings)
    assert_same_tokens(pair, [*EVERY, *PAIRS])
    assert_same_labels(pair, [*EVERY[:8], *PAIRS[:4]])


@pytest.mark.parametrize("kind", KINDS)
def test_texts_that_transformers_refuses(kind: str, make: MakePair) -> None:
    """Answered as with the replacement character, and the others beside them as ever."""
    pair = make("bert", "sequence", kind)
    for text in REFUSED.values():
        with pytest.raises((TypeError, UnicodeEncodeError)):
            pair.tokenizer(text)
        answers = pair.engine(["before", text, "behind"], top_k=None)
        expected = pair.engine(["before", without_surrogates(text), "behind"], top_k=None)
        assert answers == expected
    assert "\ufffd" in without_surrogates(REFUSED["lone high surrogate"])
