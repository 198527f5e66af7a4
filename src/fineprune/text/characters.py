"""What a Python string can hold and a tokenizer cannot take."""

import re

_SURROGATES = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    r"""The text with the replacement character for each half of a surrogate pair.

    Such halves come from JSON that was cut in the middle of an emoji, and from bytes that are no
    UTF-8. They are no Unicode text. Characters keep their places.

    >>> without_surrogates("a\ud83db")
    'a�b'
    """
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)
