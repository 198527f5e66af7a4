"""What the files of a tokenizer say of how texts become tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fineprune.errors import UnsupportedModelError
from fineprune.text.characters import without_surrogates
from fineprune.text.classes import PLAIN, TokenizerClass, tokenizer_class
from fineprune.text.files import Files, read_object, read_value
from fineprune.wording import listed, quoted

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
_SPECIAL_TOKENS = "special_tokens_map.json"

# Of a sentence-transformers model; the name has that of the architecture in older ones.
SENTENCE_CONFIGS = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)

ENDLESS = 10**30
"""Most tokens of a tokenizer that knows no limit."""

_SIDES = ("right", "left")


@dataclass(frozen=True)
class TokenizerSettings:
    """How a tokenizer is used.

    Attributes:
        model_max_length: most tokens of an input.
        limit: where that number comes from.
        truncation_side: where what is too long is cut: `"right"` or `"left"`.
        padding_side: the side that shorter inputs are padded on.
        model_input_names: what the model gets.
        cls_token: the token that stands for the whole input.
        unk_token: the token that stands for what has none; None where there is no such.
        pad_token: the token that shorter inputs are filled up with; empty for none.
        pad_token_type_id: its type.
        lower_case: whether all letters are made small first, as sentence-transformers does.
        split_special_tokens: whether special tokens in a text are text.
        of: the tokenizer's class.
        options: of that class.
    """

    model_max_length: int = ENDLESS
    limit: str = "the tokenizer"
    truncation_side: str = "right"
    padding_side: str = "right"
    model_input_names: tuple[str, ...] = ("input_ids", "attention_mask")
    cls_token: str | None = None
    unk_token: str | None = None
    pad_token: str = ""
    pad_token_type_id: int = 0
    lower_case: bool = False
    split_special_tokens: bool = False
    of: TokenizerClass = PLAIN
    options: Mapping[str, Any] | None = None

    @classmethod
    def read(
        cls, files: Files, model_type: object, saved: Mapping[str, Any]
    ) -> "TokenizerSettings":
        """The settings in a model's files.

        Args:
            files: of the model.
            model_type: of the model's config: names the class where the files do not.
            saved: `truncation` and `padding` of `tokenizer.json`: how it was used last.

        Raises:
            UnsupportedModelError: they are none, or say what is not known here.
        """
        config = read_object(files, CONFIG)
        own = tokenizer_class(config.get("tokenizer_class"), model_type)
        names = config.get("model_input_names", own.input_names)
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise UnsupportedModelError(
                f"model_input_names in {CONFIG} is {quoted(names)}; expected a list of names"
            )
        longest, limit = _limit(files, config)
        return cls(
            model_max_length=longest,
            limit=limit,
            truncation_side=_side(config, "truncation_side", saved.get("truncation")),
            padding_side=_side(config, "padding_side", saved.get("padding")),
            model_input_names=tuple(names),
            cls_token=_special(files, config, "cls_token") or own.cls_token,
            unk_token=_special(files, config, "unk_token"),
            pad_token=_special(files, config, "pad_token") or "",
            lower_case=_lower_case(files),
            split_special_tokens=bool(read_value(config, "split_special_tokens", bool, CONFIG)),
            of=own,
            options=_checked(config),
        )


def sentence_config(files: Files) -> tuple[str, dict[str, Any]]:
    """Name and content of the file in which sentence-transformers keeps how it reads texts."""
    name = next((name for name in SENTENCE_CONFIGS if name in files), SENTENCE_CONFIGS[0])
    return name, read_object(files, name)


def _limit(files: Files, config: Mapping[str, Any]) -> tuple[int, str]:
    """Most tokens, and who says so. What sentence-transformers says takes the tokenizer's place."""
    name, sentences = sentence_config(files)
    for content, key, where in (
        (sentences, "max_seq_length", name),
        (config, "model_max_length", CONFIG),
    ):
        length = content.get(key)
        if isinstance(length, float) and length.is_integer():  # as some write a number so large
            length = int(length)
        if length is None:
            continue
        if not isinstance(length, int) or isinstance(length, bool) or length < 1:
            raise UnsupportedModelError(
                f"{key} in {where} is {quoted(length)}; expected a number of tokens"
            )
        return length, f"{key} in {where}"
    return ENDLESS, "the tokenizer"


def _side(config: Mapping[str, Any], key: str, saved: object) -> str:
    side = config.get(key)
    if side is None and isinstance(saved, dict):
        side = saved.get("direction")
        side = side.lower() if isinstance(side, str) else side
    if side is None:
        return _SIDES[0]
    if side not in _SIDES:
        raise UnsupportedModelError(
            f"{key} in {CONFIG} is {quoted(side)}; expected one of {listed(_SIDES)}"
        )
    return str(side)


def _special(files: Files, config: Mapping[str, Any], name: str) -> str | None:
    for content in (config, read_object(files, _SPECIAL_TOKENS)):
        token = content.get(name)
        text = token.get("content") if isinstance(token, dict) else token
        if isinstance(text, str):
            return without_surrogates(text)
    return None


def _lower_case(files: Files) -> bool:
    name, content = sentence_config(files)
    return bool(read_value(content, "do_lower_case", bool, name))


def _checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration, whose switches are switches."""
    for key in (
        "do_lower_case",
        "strip_accents",
        "tokenize_chinese_chars",
        "add_prefix_space",
        "trim_offsets",
    ):
        read_value(config, key, bool, CONFIG)
    return {key: value for key, value in config.items() if value is not None}
