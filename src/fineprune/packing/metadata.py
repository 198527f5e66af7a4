"""What a packed file says of itself: format, version, config, provenance, tied tensors."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fineprune.packing.container import parse_json
from fineprune.packing.errors import MetadataError, VersionError
from fineprune.packing.limits import MemoryBudget

MODULES_FEATURE = "modules"
"""Tensors of modules behind the encoder, which unpacking writes into files of their own."""

FEATURES = frozenset({MODULES_FEATURE})
"""What a file of version 2 may require of this reader."""

# Version 1 takes the key by which other libraries know their own files; version 2 leaves it alone.
_FORMAT_KEY, _FORMAT = "format", "fineprune"
_VERSION_KEY = "version"
_VERSION_2_KEY = "fineprune.version"
_REQUIRES_KEY = "fineprune.requires"

_CONFIG_KEY = "config"
_PROVENANCE_KEY = "provenance"
_TIED_KEY = "tied"


@dataclass(frozen=True)
class Metadata:
    """What a packed file says of its model.

    Attributes:
        config: the Hugging Face config.
        provenance: where the model comes from and how it was packed.
        tied: further names of tensors, each with the name whose record it shares. A file may say
            anything here: it is not compared with the records yet.
    """

    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    tied: Mapping[str, Any]

    def to_texts(self, requires: Collection[str] = ()) -> dict[str, str]:
        """Texts by key: of version 1, unless something is required that it does not have.

        Args:
            requires: features that the file makes use of.
        """
        objects = {
            _CONFIG_KEY: self.config,
            _PROVENANCE_KEY: self.provenance,
            _TIED_KEY: self.tied,
        }
        texts = {key: _compact(dict(content)) for key, content in objects.items()}
        if requires:
            return {_VERSION_2_KEY: "2", _REQUIRES_KEY: _compact(sorted(requires)), **texts}
        return {_FORMAT_KEY: _FORMAT, _VERSION_KEY: "1", **texts}

    @classmethod
    def read(cls, texts: Mapping[str, str], budget: MemoryBudget) -> "Metadata":
        """The inverse of `to_texts`, for a version that has been checked.

        Raises:
            MetadataError: a key is missing, or its text is no JSON object.
            LimitError: they would take more memory than allowed.
        """
        return cls(
            *(_read_object(texts, key, budget) for key in (_CONFIG_KEY, _PROVENANCE_KEY, _TIED_KEY))
        )


def check_version(texts: Mapping[str, str], budget: MemoryBudget) -> None:
    """Looks whether this reader knows the version and all features of a file.

    It comes before anything else is looked at: another version may have other rules for the rest.

    Raises:
        MetadataError: the file is no packed model.
        VersionError: it is one of a version, or with a feature, that this reader does not know.
    """
    if texts.get(_FORMAT_KEY) == _FORMAT:
        if (version := texts.get(_VERSION_KEY, "")) != "1":
            raise VersionError(
                f"the file's {_VERSION_KEY!r} is {version[:20]!r}, where {_FORMAT_KEY!r} is "
                f"{_FORMAT!r} and only 1 can be: upgrade fineprune, or pack it again"
            )
        return
    if _VERSION_2_KEY not in texts:
        raise MetadataError("a safetensors file, but no packed model: pack its folder first")
    if (version := texts[_VERSION_2_KEY]) != "2":
        raise VersionError(
            f"the file is of version {version[:20]!r} of the format, this reader knows 1 and 2: "
            "upgrade fineprune"
        )
    _check_features(_read_json(texts, _REQUIRES_KEY, budget))


def _check_features(required: Any) -> None:
    if not isinstance(required, list) or not all(isinstance(one, str) for one in required):
        raise MetadataError(f"the metadata's {_REQUIRES_KEY!r} is no JSON array of strings")
    for feature in required:
        if feature not in FEATURES:
            raise VersionError(
                f"the file requires {feature[:100]!r}, which this reader does not know: "
                "upgrade fineprune"
            )


def _compact(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))


def _read_object(texts: Mapping[str, str], key: str, budget: MemoryBudget) -> dict[str, Any]:
    content = _read_json(texts, key, budget)
    if not isinstance(content, dict):
        raise MetadataError(f"the metadata's {key!r} is no JSON object")
    return content


def _read_json(texts: Mapping[str, str], key: str, budget: MemoryBudget) -> Any:
    if key not in texts:
        raise MetadataError(f"the metadata has no {key!r}")
    try:
        return parse_json(texts[key], budget)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"the metadata's {key!r} is no JSON that can be kept") from error
