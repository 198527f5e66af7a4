"""Texts to token ids, with the tokenizer that a packed file carries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Encoding

from fineprune.engine.errors import InputError
from fineprune.engine.heads.head import Floats
from fineprune.engine.tasks.cuts import count_cuts
from fineprune.engine.tasks.task import Limit, TaskSource
from fineprune.text.fast import Cut, FastTokenizer, Text
from fineprune.text.settings import TOKENIZER
from fineprune.text.trained import RECIPE, TrainedText
from fineprune.wording import quoted


@dataclass(frozen=True, eq=False)
class TextModel:
    """A model that takes texts.

    Attributes:
        source: the model.
        tokenizer: as its files, or its training, have it.
        limit: the longest input.
        trained: what the model's recipe says, if it is one for this kind of model.
    """

    source: TaskSource
    tokenizer: FastTokenizer
    limit: Limit
    trained: TrainedText

    @classmethod
    def of(cls, source: TaskSource, *kinds: str) -> "TextModel":
        """Reads the tokenizer.

        Args:
            source: the model.
            *kinds: what recipes call the tasks that such a model is trained for.

        Raises:
            InputError: the file has no tokenizer.
            UnsupportedModelError: it is none that this version of tokenizers can read, or what lies
                beside it says what is not known here.
        """
        if TOKENIZER not in source.attachments:
            raise InputError(
                f"the packed file has no {TOKENIZER}: pass token ids to Engine.run, or save a "
                "fast tokenizer into the model's folder and pack it again"
            )
        tokenizer = FastTokenizer.read(source.attachments, source.config.values.get("model_type"))
        trained = TrainedText.read(source.attachments)
        if trained.kind not in kinds:
            trained = TrainedText()
        return cls(source, tokenizer, _limit(source, tokenizer, trained), trained)

    def encode(
        self, texts: Iterable[Text], *, pairs: bool = False, whole: bool = False
    ) -> list[Encoding]:
        """Encodings of texts, cut to what the model takes.

        Args:
            texts: each a string.
            pairs: whether each may be a tuple of two strings as well.
            whole: whether they are not cut.

        Raises:
            InputError: one is no text, or has no tokens.
        """
        texts = list(texts)
        for text in texts:
            check_text(text, pairs=pairs)
        encodings = self.tokenizer.encode(texts, None if whole else Cut(self.limit.tokens))
        for text, encoding in zip(texts, encodings, strict=True):
            if not encoding.ids:
                raise InputError(f"the text {quoted(text)} has no tokens")
        count_cuts(encodings)
        return encodings

    def encode_first(self, pairs: Sequence[tuple[str, str]]) -> list[Encoding]:
        """Encodings of pairs, of which only the first text is cut to what the model takes.

        Raises:
            InputError: a second text leaves no room.
        """
        special = self.tokenizer.num_special_tokens_to_add(pair=True)
        seconds = list(dict.fromkeys(second for _, second in pairs))
        for second, encoding in zip(
            seconds, self.tokenizer.encode(seconds, special=False), strict=True
        ):
            if len(encoding.ids) + special >= self.limit.tokens:
                raise InputError(
                    f"{quoted(second)} has {len(encoding.ids)} tokens, and leaves no room for "
                    f"another text: the model takes {self.limit.tokens} ({self.limit.source})"
                )
        encodings = self.tokenizer.encode(pairs, Cut(self.limit.tokens, "only_first"))
        # A text counts once, whatever it is paired with.
        cut = {
            first: one for (first, _), one in zip(pairs, encodings, strict=True) if one.overflowing
        }
        count_cuts([*cut.values()])
        return encodings

    def values(self, encodings: Sequence[Encoding]) -> list[Floats]:
        """What the model's head says to each encoding."""
        return self.source.model.values(
            [encoding.ids for encoding in encodings],
            [self.tokenizer.types(encoding) for encoding in encodings],
        )


def _limit(source: TaskSource, tokenizer: FastTokenizer, trained: TrainedText) -> Limit:
    limits = [
        Limit(source.model.rules.most_tokens, "the positions that the model has"),
        Limit(tokenizer.model_max_length, tokenizer.settings.limit),
    ]
    if trained.max_length is not None:
        limits.append(Limit(trained.max_length, f"task.max_length in {RECIPE}"))
    return min(limits, key=lambda limit: limit.tokens)


def check_text(text: Any, *, pairs: bool = False) -> None:
    """Checks that an input is a text.

    Raises:
        InputError: it is something else.
    """
    pair = pairs and isinstance(text, tuple) and len(text) == 2
    if not all(isinstance(part, str) for part in (text if pair else (text,))):
        expected = "a string, or a pair of strings" if pairs else "a string"
        raise InputError(f"{quoted(text)} is no text; expected {expected}")
