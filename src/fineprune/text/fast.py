"""A tokenizer that needs nothing but its files: neither PyTorch nor transformers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, final

from tokenizers import Encoding, Tokenizer, normalizers

from fineprune.errors import UnsupportedModelError
from fineprune.text.characters import without_surrogates
from fineprune.text.files import Files
from fineprune.text.settings import TOKENIZER, TokenizerSettings
from fineprune.wording import quoted

Text = str | tuple[str, str]

_STRATEGIES = {True: "longest_first", "longest_first": "longest_first"}


class TextRefusedError(UnsupportedModelError):
    """A tokenizer has no token for something in a text, or gave up over it."""


class Cut(NamedTuple):
    """How texts that are too long are cut.

    Attributes:
        max_length: most tokens, special ones counted.
        strategy: what is cut of a pair: `"longest_first"`, `"only_first"` or `"only_second"`.
        stride: tokens that neighbouring parts share.
    """

    max_length: int
    strategy: str = "longest_first"
    stride: int = 0


@final
class Encodings(Mapping[str, Any]):
    """A batch of tokenized texts: columns by name, one row an input.

    Args:
        parts: rows in their order.
        columns: what a row has, by name.
    """

    def __init__(self, parts: Sequence[Encoding], columns: Mapping[str, list[Any]]) -> None:
        self._parts = parts
        self._columns = columns

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def sequence_ids(self, row: int, /) -> Sequence[int | None]:
        """For each token of a row, which of its texts it is of; none for special tokens."""
        ids: Sequence[int | None] = self._parts[row].sequence_ids
        return ids


@final
class FastTokenizer:
    """Tokenizes as transformers does with the same files. Any number of threads may call it.

    Args:
        content: of `tokenizer.json`.
        settings: how it is used.
        parsed: the tokenizer of the content, if there is one; it becomes this one's.

    Attributes:
        settings: as above.

    Raises:
        UnsupportedModelError: this version of tokenizers cannot read the file.
    """

    def __init__(
        self, content: str, settings: TokenizerSettings, parsed: Tokenizer | None = None
    ) -> None:
        self.settings = settings
        self._content = content
        self._parsed = [] if parsed is None else [parsed]
        # One for each way to cut, which is a state of the tokenizer: it never changes once made,
        # so that no caller cuts as another one does.
        self._made: dict[Cut | None, Tokenizer] = {}

    @classmethod
    def read(cls, files: Files, model_type: object) -> "FastTokenizer":
        """The tokenizer in a model's files.

        Args:
            files: of the model, among them `tokenizer.json`.
            model_type: of the model's config.

        Raises:
            UnsupportedModelError: they say what is not known here.
        """
        try:
            content = files[TOKENIZER].decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnsupportedModelError(f"{TOKENIZER} in the file: {quoted(error)}") from error
        parsed = _parse(content)
        saved = {"truncation": parsed.truncation, "padding": parsed.padding}
        return cls(content, TokenizerSettings.read(files, model_type, saved), parsed)

    # What tasks ask of a tokenizer.

    @property
    def is_fast(self) -> bool:
        """It knows where its tokens stand in the text."""
        return True

    @property
    def model_max_length(self) -> int:
        """Most tokens that its model takes."""
        return self.settings.model_max_length

    @property
    def model_input_names(self) -> list[str]:
        """Columns that its model takes."""
        return list(self.settings.model_input_names)

    @property
    def padding_side(self) -> str:
        """`"right"` or `"left"`."""
        return self.settings.padding_side

    @property
    def truncation_side(self) -> str:
        """Where what is too long is cut: `"right"` or `"left"`."""
        return self.settings.truncation_side

    @property
    def cls_token(self) -> str | None:
        """The token that stands for the whole input."""
        return self.settings.cls_token

    @property
    def cls_token_id(self) -> int | None:
        """Its number."""
        return None if self.cls_token is None else self.number_of(self.cls_token)

    @property
    def unk_token_id(self) -> int | None:
        """The number of the token that stands for what has none."""
        unknown = self.settings.unk_token
        return None if unknown is None else self.number_of(unknown)

    def join(self, tokens: list[str]) -> str:
        """The text of tokens; with spaces between them where the tokenizer does not say."""
        decoder = self._tokenizer(None).decoder
        if decoder is None:
            return " ".join(tokens)
        with _told_of(TextRefusedError):
            return str(decoder.decode(tokens))

    @property
    def marks_continuations(self) -> bool:
        """Whether a token says that it goes on with a word, as WordPiece's `##` does."""
        return bool(getattr(self._tokenizer(None).model, "continuing_subword_prefix", None))

    def num_special_tokens_to_add(self, pair: bool) -> int:
        """How many special tokens an input gets, by whether it is a pair of texts."""
        number: int = self._tokenizer(None).num_special_tokens_to_add(is_pair=pair)
        return number

    def __call__(self, *texts: Any, **options: Any) -> Encodings:
        """Tokenizes a list of texts, or two lists as pairs; options as in transformers."""
        cut = None
        if strategy := options.get("truncation"):
            cut = Cut(
                options["max_length"],
                _STRATEGIES.get(strategy, strategy),
                options.get("stride", 0),
            )
        rows = list(zip(*texts, strict=True)) if len(texts) > 1 else list(texts[0])
        found = self.encode(rows, cut, special=options.get("add_special_tokens", True))
        parts, origin = found, list(range(len(found)))
        if options.get("return_overflowing_tokens"):
            groups = [[one, *one.overflowing] for one in found]
            parts = [part for group in groups for part in group]
            origin = [row for row, group in enumerate(groups) for _ in group]
        if options.get("padding"):
            for part in parts:
                self._pad(part, options["max_length"])
        columns: dict[str, list[Any]] = {"input_ids": [part.ids for part in parts]}
        if "token_type_ids" in self.model_input_names:
            columns["token_type_ids"] = [part.type_ids for part in parts]
        if "attention_mask" in self.model_input_names:
            columns["attention_mask"] = [part.attention_mask for part in parts]
        if options.get("return_offsets_mapping"):
            columns["offset_mapping"] = [part.offsets for part in parts]
        if options.get("return_overflowing_tokens"):
            columns["overflow_to_sample_mapping"] = origin
        return Encodings(parts, columns)

    # What the engine asks beside that.

    def encode(
        self, texts: Sequence[Text], cut: Cut | None = None, *, special: bool = True
    ) -> list[Encoding]:
        """Encodings of texts, or of pairs of texts.

        Args:
            texts: each a string or a tuple of two.
            cut: how they are cut; None for not at all.
            special: whether special tokens are added.

        Raises:
            TextRefusedError: it has no token for something in them, or gave up.
        """
        clean = [
            without_surrogates(text)
            if isinstance(text, str)
            else (without_surrogates(text[0]), without_surrogates(text[1]))
            for text in texts
        ]
        tokenizer = self._tokenizer(cut)
        with _told_of(TextRefusedError):
            found: list[Encoding] = tokenizer.encode_batch(clean, add_special_tokens=special)
        return found

    def types(self, encoding: Encoding) -> Sequence[int]:
        """Token types as the model gets them: all 0 where it gets none."""
        if "token_type_ids" in self.settings.model_input_names:
            types: Sequence[int] = encoding.type_ids
            return types
        return [0] * len(encoding.ids)

    def _pad(self, encoding: Encoding, length: int) -> None:
        settings = self.settings
        encoding.pad(
            length,
            direction=settings.padding_side,
            pad_id=self.number_of(settings.pad_token) or 0,
            pad_type_id=settings.pad_token_type_id,
            pad_token=settings.pad_token,
        )

    def number_of(self, token: str) -> int | None:
        """The number of a token, if there is such a token."""
        number: int | None = self._tokenizer(None).token_to_id(without_surrogates(token))
        return number

    def _tokenizer(self, cut: Cut | None) -> Tokenizer:
        if cut not in self._made:
            self._made[cut] = self._make(cut)
        return self._made[cut]

    def _make(self, cut: Cut | None) -> Tokenizer:
        settings = self.settings
        try:
            tokenizer = self._parsed.pop()
        except IndexError:  # another one has it
            tokenizer = _parse(self._content)
        with _told_of():
            settings.of.build(tokenizer, settings.options or {})
        tokenizer.encode_special_tokens = settings.split_special_tokens
        if settings.lower_case:
            _lower_the_case(tokenizer)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        if cut is not None:
            tokenizer.enable_truncation(
                cut.max_length,
                stride=cut.stride,
                strategy=cut.strategy,
                direction=settings.truncation_side,
            )
        return tokenizer


def _parse(content: str) -> Tokenizer:
    with _told_of():
        return Tokenizer.from_str(content)


@contextmanager
def _told_of(
    told: type[UnsupportedModelError] = UnsupportedModelError,
) -> Iterator[None]:
    """Says what is wrong with a tokenizer, or with a text to it.

    Args:
        told: what is raised.

    Raises:
        UnsupportedModelError: tokenizers raised an error, nothing more specific than `Exception`;
            or it panicked, which is none and cannot be imported.
    """
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise told(f"{TOKENIZER} in the file: {quoted(error)}") from error


def _lower_the_case(tokenizer: Tokenizer) -> None:
    """Before anything else, as sentence-transformers does."""
    before = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *before])
