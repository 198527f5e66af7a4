"""What tokenizer classes of transformers make of `tokenizer.json`.

Most take it as it is. A few build parts of the tokenizer from their settings, whatever the file
says: with `do_lower_case: false` in `tokenizer_config.json`, BERT's does not lower the case even
where `tokenizer.json` does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors

Options = Mapping[str, Any]
Build = Callable[[Tokenizer, Options], None]

_WITHOUT_TYPES = ("input_ids", "attention_mask")
_WITH_TYPES = ("input_ids", "token_type_ids", "attention_mask")


def _as_it_is(tokenizer: Tokenizer, options: Options) -> None:
    pass


def _bert(tokenizer: Tokenizer, options: Options) -> None:
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=options.get("tokenize_chinese_chars", True),
        strip_accents=options.get("strip_accents"),
        lowercase=options.get("do_lower_case", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    first, last = _token(options, "cls_token", "[CLS]"), _token(options, "sep_token", "[SEP]")
    places = [(token, tokenizer.token_to_id(token)) for token in (first, last)]
    if all(place is not None for _, place in places):
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first}:0 $A:0 {last}:0",
            pair=f"{first}:0 $A:0 {last}:0 $B:1 {last}:1",
            special_tokens=places,
        )


def _roberta(tokenizer: Tokenizer, options: Options) -> None:
    prefix = bool(options.get("add_prefix_space", False))
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    first, last = _token(options, "cls_token", "<s>"), _token(options, "sep_token", "</s>")
    start, end = tokenizer.token_to_id(first), tokenizer.token_to_id(last)
    if start is not None and end is not None:
        tokenizer.post_processor = processors.RobertaProcessing(
            (last, end),
            (first, start),
            trim_offsets=bool(options.get("trim_offsets", True)),
            add_prefix_space=prefix,
        )


def _xlm_roberta(tokenizer: Tokenizer, options: Options) -> None:
    scheme = "always" if options.get("add_prefix_space", True) else "never"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme=scheme)
    first, last = _token(options, "bos_token", "<s>"), _token(options, "eos_token", "</s>")
    places = [(token, tokenizer.token_to_id(token)) for token in (first, last)]
    if all(place is not None for _, place in places):
        tokenizer.post_processor = processors.TemplateProcessing(
            single=[first, "$A", last],
            pair=[first, "$A", last, last, "$B", last],
            special_tokens=places,
        )


def _token(options: Options, name: str, default: str) -> str:
    """A special token, which may be written with its properties."""
    token = options.get(name)
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else default


@dataclass(frozen=True)
class TokenizerClass:
    """A tokenizer class of transformers.

    Attributes:
        build: changes the tokenizer of the file as the class does.
        input_names: what a model gets of it, unless its configuration says so.
        cls_token: the token that stands for the whole input, unless its configuration says so.
    """

    build: Build = _as_it_is
    input_names: tuple[str, ...] = _WITHOUT_TYPES
    cls_token: str | None = None


PLAIN = TokenizerClass()
_BERT = TokenizerClass(_bert, _WITH_TYPES, "[CLS]")
_ROBERTA = TokenizerClass(_roberta, cls_token="<s>")
_XLM_ROBERTA = TokenizerClass(_xlm_roberta, cls_token="<s>")

_CLASSES: Mapping[str, TokenizerClass] = {
    "BertTokenizer": _BERT,
    "DebertaTokenizer": TokenizerClass(input_names=_WITH_TYPES, cls_token="[CLS]"),
    "DebertaV2Tokenizer": TokenizerClass(input_names=_WITH_TYPES, cls_token="[CLS]"),
    "DistilBertTokenizer": TokenizerClass(_bert, cls_token="[CLS]"),
    "ElectraTokenizer": _BERT,
    "MobileBertTokenizer": _BERT,
    "RobertaTokenizer": _ROBERTA,
    "XLMRobertaTokenizer": _XLM_ROBERTA,
}

_OF_MODELS: Mapping[str, TokenizerClass] = {
    "bert": _BERT,
    "distilbert": _BERT,
    "electra": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _XLM_ROBERTA,
}
"""What transformers takes, by `model_type`, where a tokenizer's configuration names no class."""

_MISNAMED = ("modernbert",)
"""Models whose tokenizers it takes as they are, whatever class their configuration names."""


def tokenizer_class(name: object, model_type: object) -> TokenizerClass:
    """The class that transformers would use.

    Args:
        name: `tokenizer_class` in `tokenizer_config.json`, if any.
        model_type: of the model's config.
    """
    if model_type in _MISNAMED:
        return PLAIN
    if isinstance(name, str):
        return _CLASSES.get(name.removesuffix("Fast"), PLAIN)
    return _OF_MODELS.get(str(model_type), PLAIN)
