"""A plan: what differs, what will be sent, and how each part is undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from tlsrunbook.exchange.command import Command, Later, Pipeline

#: What a property is or shall be. ``Later`` stands for what is only known afterwards.
Shown: TypeAlias = "str | bool | int | tuple[str, ...] | Later | None"


@dataclass(frozen=True)
class Change:
    """One difference.

    Args:
        target: What is changed, such as ``send connector TLS required``.
        property: Which of its properties, in Exchange's spelling.
        have: What it is now; None when there is nothing.
        want: What it shall be; None when it shall be gone.
    """

    target: str
    property: str
    have: Shown
    want: Shown


@dataclass(frozen=True)
class Reverse:
    """The change can be taken back fully by these pipelines, in this order."""

    pipelines: tuple[Pipeline, ...]


@dataclass(frozen=True)
class Compensate:
    """The change can be taken back in effect only; the note says what stays.

    Exchange's services only add up, so this is the undo of every ``Enable-ExchangeCertificate``.
    """

    pipelines: tuple[Pipeline, ...]
    note: str


@dataclass(frozen=True)
class Irreversible:
    """The change cannot be taken back, for this reason."""

    reason: str


Undo: TypeAlias = Reverse | Compensate | Irreversible


@dataclass(frozen=True)
class Submit:
    """Hand the CSR to the authority (the one thing a plan does that is not a command).

    Args:
        authority: The authority's name, for people.
        csr: What is handed over; ``Later`` while the server has not made it.
    """

    authority: str
    csr: str | Later


@dataclass(frozen=True)
class Transfer:
    """Take a certificate with its key over from another server, under a password that is made when it is done.

    Args:
        source: The other server.
        export: What is sent there.
        bring: What is sent here afterwards. Both hold a :class:`Later` for the password, this one for the PFX too.
    """

    source: str
    export: Command
    bring: Pipeline


@dataclass(frozen=True)
class PlanItem:
    """One thing to do, its differences and its undo.

    Args:
        why: One sentence for people.
        does: A pipeline to send, a CSR to submit, or a certificate to take over.
        changes: What differs; never empty.
        undo: How it is taken back.
        if_fails: What it means that this one failed when those before it have worked; may be empty.
    """

    why: str
    does: Pipeline | Submit | Transfer
    changes: tuple[Change, ...]
    undo: Undo
    if_fails: str = ""


@dataclass(frozen=True)
class Plan:
    """The decision for one step on one server.

    Args:
        items: In the order they are applied. Empty: the server is already right.
        waiting_for: What must come first (a CA's answer), empty when nothing.
    """

    items: tuple[PlanItem, ...] = ()
    waiting_for: str = ""
