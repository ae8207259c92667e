"""What a change did on one server so far: its attempts, what each one sent, and the state before and after."""

from __future__ import annotations

from dataclasses import dataclass

from tlsrunbook.exchange.command import Pipeline
from tlsrunbook.exchange.state import ServerState


@dataclass(frozen=True)
class Sent:
    """One pipeline that changes something and was sent.

    Args:
        pipeline: As it was sent; no command holds a :class:`~tlsrunbook.exchange.command.Later`.
        answer: ``ok``, ``error``, or ``unknown`` when none came. Only ``ok`` says for certain what happened.
    """

    pipeline: Pipeline
    answer: str

    @property
    def certain(self) -> bool:
        """Whether it is known that it was carried out."""
        return self.answer == "ok"


@dataclass(frozen=True)
class Tried:
    """One attempt at one step.

    Args:
        step: Step id.
        number: 1 for the first attempt of this step.
        before: The state as it was found; None when the server was not read.
        after: The state as it was left; None when the attempt did not come that far.
        sent: In order.
        submitted: Receipts of the authority for CSRs that were handed over.
    """

    step: str
    number: int
    before: ServerState | None
    after: ServerState | None
    sent: tuple[Sent, ...] = ()
    submitted: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """What one change did on one server.

    Args:
        change: The change id.
        tries: The oldest first; those that only looked are there too.
    """

    change: str
    tries: tuple[Tried, ...] = ()

    @property
    def first(self) -> ServerState | None:
        """The state before anything of this change was sent; None when nothing was."""
        return next((tried.before for tried in self.tries if tried.sent), None)
