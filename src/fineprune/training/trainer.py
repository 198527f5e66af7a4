"""The training loop of `transformers`, with masks, penalty and distillation added to it."""

from typing import final

from transformers import Trainer

from fineprune.training.mixin import FinePruningMixin


@final
class FinePruningTrainer(FinePruningMixin, Trainer):
    """Fine-prunes a model that a method is attached to; fine-tunes one without masks.

    ::

        attach(model, SoftMovement(keep=0.05))
        trainer = FinePruningTrainer(
            model=model, args=args, teacher=teacher, train_dataset=train_dataset
        )
        trainer.train()
        finalize(model).save_pretrained("plain")

    Takes what `transformers.Trainer` and `FinePruningMixin` take, and raises what they raise.
    """
