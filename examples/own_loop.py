"""Fine-prunes in a training loop of your own: no recipe, no Trainer.

    python examples/own_loop.py

The model is tiny and random and the task is made up (does token 7 occur?), so that this runs in
seconds; put your model, data and optimizer in their places.
"""

import torch
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForSequenceClassification

from fineprune import Masks, SoftMovement, attach, count, finalize

STEPS = 300


def main() -> None:
    """Trains, prunes meanwhile, and makes the model plain again."""
    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=32,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=16,
        )
    )
    masks = attach(model, SoftMovement(final_lambda=2.0))
    optimizer = torch.optim.AdamW(
        [
            {"params": weights_of(model, masks), "lr": 1e-3},
            {"params": masks.scores(), "lr": 3e-2, "weight_decay": 0.0},
        ]
    )
    method = masks.method
    level = method.level_schedule(begin=30, end=200)
    penalty_weight = method.penalty_schedule(begin=30, end=200)

    for step in range(STEPS):
        # Once a step: masks follow the level, and scores as they are now.
        masks.set_level(method.level(level(step)))
        tokens = torch.randint(0, 32, (64, 8))
        labels = (tokens == 7).any(dim=1).long()
        loss = cross_entropy(model(input_ids=tokens).logits, labels)
        penalty = masks.penalty()
        if penalty is not None:
            loss = loss + penalty_weight(step) * penalty
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step:3}  loss {loss.item():.3f}  kept {masks.density():.1%}")

    finalize(model)
    print(f"finalized: {count(model).density:.1%} of the prunable weights are left")


def weights_of(model: torch.nn.Module, masks: Masks) -> list[torch.nn.Parameter]:
    """All parameters but the scores."""
    scores = {id(score) for score in masks.scores()}
    return [parameter for parameter in model.parameters() if id(parameter) not in scores]


if __name__ == "__main__":
    main()
