"""What a sentence-transformers model wants to stand before each text."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fineprune.errors import UnsupportedModelError
from fineprune.text.files import Files, read_object, read_value
from fineprune.wording import quoted

PROMPTS = "config_sentence_transformers.json"


@dataclass(frozen=True)
class Prompts:
    """Texts by name.

    Attributes:
        texts: by name.
        default: the name of the one that stands before a text where the caller names none.
        similarity: how embeddings are compared: a name of sentence-transformers.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    similarity: str = "cosine"

    @classmethod
    def read(cls, files: Files) -> "Prompts":
        """The prompts in a model's files.

        Raises:
            UnsupportedModelError: they are none.
        """
        content = read_object(files, PROMPTS)
        texts = read_value(content, "prompts", dict, PROMPTS) or {}
        for name, text in texts.items():
            if text is not None and not isinstance(text, str):
                raise UnsupportedModelError(
                    f"the prompt {quoted(name)} in {PROMPTS} is {quoted(text)}; expected a text"
                )
        default = read_value(content, "default_prompt_name", str, PROMPTS)
        # The two names that sentence-transformers gives every model.
        known = {"query": "", "document": ""} | {name: text or "" for name, text in texts.items()}
        if default is not None and default not in known:
            raise UnsupportedModelError(
                f"default_prompt_name in {PROMPTS} is {quoted(default)}; there is no such prompt"
            )
        similarity = read_value(content, "similarity_fn_name", str, PROMPTS) or "cosine"
        return cls(known, default, similarity)
