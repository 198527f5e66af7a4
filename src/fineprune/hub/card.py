"""What is said of a packed model in its repository."""

from collections.abc import Mapping
from typing import Any

import yaml

from fineprune.packing import PackedModel

_TASKS = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "Model": "sentence-similarity",
}

_CARD = """---
{header}---
# {name}

{what}, fine-pruned and packed by fineprune into one file of {bytes:,} bytes{kept}. It runs on an
ordinary CPU, without PyTorch:

```python
from fineprune import Engine

engine = Engine.from_pretrained("{name}")
engine({example})
```
"""


def model_card(packed: PackedModel, name: str, size: int) -> str:
    """A model card, as a Markdown file with its header.

    Args:
        packed: the model; its tensors are not needed.
        name: of the repository.
        size: of the file in bytes.
    """
    architecture = _architecture(packed.config)
    task = next((task for end, task in _TASKS.items() if architecture.endswith(end)), None)
    header: dict[str, Any] = {"library_name": "fineprune", "tags": ["fineprune", "pruning"]}
    if task:
        header["pipeline_tag"] = task
    density = packed.provenance.get("density")
    kept = f", {density:.1%} of its weights kept" if isinstance(density, float) else ""
    example = 'question="...", context="..."' if task == "question-answering" else '"..."'
    return _CARD.format(
        header=yaml.safe_dump(header, sort_keys=False),
        name=name,
        what=f"A {architecture}" if architecture else "A transformer encoder",
        bytes=size,
        kept=kept,
        example=example,
    )


def _architecture(config: Mapping[str, Any]) -> str:
    names = config.get("architectures")
    return str(names[0]) if isinstance(names, list) and names else ""
