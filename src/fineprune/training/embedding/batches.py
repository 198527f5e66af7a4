"""Rows of several texts to padded batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from fineprune.tasks.sentence_embedding.task import IDS, ROLES


@final
@dataclass
class TextCollator:
    """Makes batches of rows whose texts are tokens already.

    Padding stands on the right, where it moves no position that a model counts.

    Attributes:
        padding: number of the padding token.
        valid_label_columns: columns that hold no text; trainers of sentence-transformers ask.
    """

    padding: int
    valid_label_columns: list[str] = field(default_factory=lambda: ["label"])

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """For each text of a row `ROLE_input_ids` and `ROLE_attention_mask`; and `label`."""
        batch: dict[str, Tensor] = {}
        for role in ROLES:
            if f"{role}{IDS}" in rows[0]:
                padded = self.pad([row[f"{role}{IDS}"] for row in rows])
                batch |= {f"{role}_{name}": value for name, value in padded.items()}
        if "label" in rows[0]:
            batch["label"] = torch.tensor([row["label"] for row in rows], dtype=torch.float32)
        return batch

    def pad(self, texts: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` of texts, of shape `(texts, longest)`."""
        longest = max(map(len, texts))
        return {
            "input_ids": torch.tensor(
                [[*one, *[self.padding] * (longest - len(one))] for one in texts]
            ),
            "attention_mask": torch.tensor(
                [[1] * len(one) + [0] * (longest - len(one)) for one in texts]
            ),
        }
