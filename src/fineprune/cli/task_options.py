"""Options of a model's task on the command line, as NAME=VALUE."""

from collections.abc import Iterable
from typing import Any

import yaml

from fineprune.engine.errors import InputError
from fineprune.engine.tasks import Task
from fineprune.wording import listed, quoted


def task_options(task: Task, given: Iterable[str]) -> dict[str, Any]:
    """Keywords for a call of the task.

    Args:
        task: of the model.
        given: such as `top_k=3` or `candidate_labels=[urgent, late]`; values are YAML.

    Raises:
        InputError: one has no value, or is none of this task's.
    """
    known = list(task.options())
    options = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in known:
            raise InputError(
                f"--option {quoted(text)}: expected NAME=VALUE, where this model knows "
                f"{listed(known)}"
            )
        try:
            options[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f"--option {quoted(text)}: {quoted(value)} is no YAML") from error
    return options
