"""The steps in their order, and those that are not part of it."""

from __future__ import annotations

from tlsrunbook.errors import UsageError
from tlsrunbook.steps.activate import Activate
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.confirm import Confirm
from tlsrunbook.steps.connectors import Connectors
from tlsrunbook.steps.install import Install
from tlsrunbook.steps.request import Request
from tlsrunbook.steps.retire import Retire
from tlsrunbook.steps.rollback import Rollback
from tlsrunbook.steps.verify import Verify

STEPS: tuple[Step, ...] = (Confirm(), Request(), Install(), Activate(), Connectors(), Verify())

#: Steps that run only when they are named.
OPTIONAL: tuple[Step, ...] = (Retire(), Rollback())

STEP_IDS: tuple[str, ...] = tuple(step.id for step in STEPS)
#: What ``run`` takes besides the six; going back has a command of its own.
OPTIONAL_IDS: tuple[str, ...] = tuple(step.id for step in OPTIONAL if not isinstance(step, Rollback))

#: All of them, in the order in which a page shows them.
ALL_STEPS: tuple[Step, ...] = (*STEPS, *OPTIONAL)


def step_of(step_id: str) -> Step:
    """Give a step by its id.

    Raises:
        UsageError: There is no such step.
    """
    for step in ALL_STEPS:
        if step.id == step_id:
            return step
    raise UsageError(f"there is no step {step_id!r}", todo=f"use {', '.join((*STEP_IDS, *OPTIONAL_IDS))}")
