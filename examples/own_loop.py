"""Fine-prunes in a training loop of your own, with accelerate: no recipe, no Trainer.

    python examples/own_loop.py
    torchrun --nproc-per-node 2 examples/own_loop.py

The model is tiny and random and the task is made up (does token 7 occur?), so that this runs in
seconds; put your model, data and optimizer in their places.
"""

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset
from transformers import BertConfig, BertForSequenceClassification

from fineprune import (
    Pruner,
    PruningSchedule,
    SoftMovement,
    attach,
    count,
    finalize,
    parameter_groups,
)

STEPS = 300
ACCUMULATION = 2


def main() -> None:
    """Trains, prunes meanwhile, and makes the model plain again."""
    torch.manual_seed(0)
    accelerator = Accelerator(
        gradient_accumulation_steps=ACCUMULATION,
        # Without a GPU it has to be told, or each of several processes trains on its own.
        cpu=not torch.accelerator.is_available(),
    )
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
    attach(model, SoftMovement(keep=0.1))
    optimizer = torch.optim.AdamW(
        parameter_groups(model, learning_rate=1e-3, score_learning_rate=3e-2)
    )
    model, optimizer, batches = accelerator.prepare(model, optimizer, DataLoader(data(), 32))

    plain = accelerator.unwrap_model(model)
    schedule = PruningSchedule(warmup_steps=30, initial_warmup=1, final_warmup=3)
    steps = len(batches) // ACCUMULATION  # of several processes, each makes fewer
    pruner = Pruner(plain, optimizer, total_steps=steps, schedule=schedule)
    step = 0
    for tokens, labels in batches:
        with accelerator.accumulate(model):
            loss = model(input_ids=tokens, labels=labels).loss
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                pruner.add_penalty_gradient()
            optimizer.step()
            if accelerator.sync_gradients:
                pruner.step()  # after the optimizer's step, before gradients are cleared
            optimizer.zero_grad()
        if accelerator.sync_gradients:
            if step % 50 == 0:
                kept = pruner.masks.density()
                accelerator.print(f"step {step:3}  loss {loss.item():.3f}  kept {kept:.1%}")
            step += 1

    finalize(plain)
    accelerator.print(f"finalized: {count(plain).density:.1%} of the prunable weights are left")


def data() -> TensorDataset:
    """Random tokens, and whether a 7 is among them."""
    tokens = torch.randint(0, 32, (32 * ACCUMULATION * STEPS, 8))
    return TensorDataset(tokens, (tokens == 7).any(dim=1).long())


if __name__ == "__main__":
    main()
