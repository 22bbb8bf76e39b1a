"""The state of a run that a limit stopped: completed, for nothing went wrong, and by a name of its own."""

from typing import Any

from prefect.states import Completed

from tasks.summary import Told

NAMES = {"deadline": "StoppedAtDeadline", "hours": "StoppedAtBudget", "inputs": "StoppedAtBudget"}


def stopped_state(told: Told) -> Any:
    """What a flow returns in place of what it came to; whoever called it gets that all the same, by Prefect's doing."""
    return Completed(name=NAMES[told.stopped], message=told.sentence(), data=told)
