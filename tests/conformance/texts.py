"""Texts of every kind that people send, and some that nobody should."""

# ruff: noqa: RUF001 - letters that look like others are what this file is about
from collections.abc import Mapping

CORPUS = (
    "Ada Lovelace lives in London, doesn't she? Grace Hopper worked in New York.",
    "Naïve café owners déjà vu: the Normans gave their name to Normandy, in France.",
    "東京は日本の首都です。北京是中国的首都，人口众多。서울은 대한민국의 수도이다.",
    "القاهرة عاصمة مصر. ירושלים של זהב. Москва — столица России.",
    "It cost $1,234.56 in 2021; e-mail me@example.org or see https://example.org/a?b=c#d.",
)

TEXTS: Mapping[str, str] = {
    "plain": "Ada Lovelace lives in London, doesn't she?",
    "short": "a",
    "empty": "",
    "spaces": "   ",
    "spaces around": "  two  spaces around  ",
    "very long": "The Normans gave their name to Normandy, in France. " * 40,
    "one long word": "x" * 700,
    "capitals": "ADA LOVELACE Lives In LONDON",
    "accents": "Naïve CAFÉ, déjà vu; Ünïcödé",
    "japanese": "東京は日本の首都です。とても大きい。",
    "chinese": "北京是中国的首都，人口众多" * 3,
    "korean": "서울은 대한민국의 수도이다",
    "thai": "ภาษาไทยไม่มีช่องว่าง",
    "emoji": "good 👍🏽 bad 👎 family 👨‍👩‍👧‍👦 flag 🇫🇷",
    "joiners": "zero\u200bwidth\u200dand\u2060soft\u00adhyphen\ufeff",
    "right to left": "القاهرة عاصمة مصر and ירושלים \u202eoverride\u202c",
    "combining marks": "e\u0301a\u0308\u0323 Z\u0335a\u0336l\u0337g\u0338o",
    "ligatures": "ﬁne ﬂow ㎞ ½ ℌ Ⅷ ﷺ",
    "control characters": "a\x00b\x01c\x07d\x1be\x7ff\x9bg",
    "line separators": "one\ntwo\r\nthree\rfour\x0bfive\x0csix\x85seven\u2028eight\u2029nine",
    "tabs": "a\tb\t\tc\u00a0d\u3000e",
    "markup": "<b>bold</b> [/quote] {{x}} &amp; :smile: \\n `code` **md**",
    "special tokens": "[CLS] a [SEP] b [MASK] <s> c </s> <unk> [UNK] <pad> [PAD]",
    "numbers": "3.14159 1e-12 0xFF 1,000,000 ²³ ½",
    "replacement": "broken \ufffd here",
    "private use": "\ue000 \U000f0000 \U0010fffd",
}

REFUSED: Mapping[str, str] = {
    "lone high surrogate": "cut \ud83d here",
    "lone low surrogate": "\ude00 first",
    "surrogates in a row": "a\ud83d\ude00b",
}
"""Texts that transformers does not take."""
