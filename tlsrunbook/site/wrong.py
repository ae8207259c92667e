"""One problem of one value, as pydantic carries it."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

#: The error type of every problem this package finds itself.
WRONG = "site_wrong"
#: The error type of what only shows when several keys are seen together.
TOGETHER = "site_together"


def wrong(what: str, todo: str, *, kind: str = WRONG) -> PydanticCustomError:
    """Make the error that a validator raises.

    Args:
        what: What is wrong with the value, following its key path, such as ``"mx1" is a single label``.
        todo: What to write instead, as an imperative.
        kind: ``WRONG``, or ``TOGETHER`` for a problem between keys.
    """
    return PydanticCustomError(kind, "{what} -> {todo}", {"what": what, "todo": todo})
