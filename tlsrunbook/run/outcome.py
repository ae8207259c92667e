"""How a run ended: its records, and the servers it left, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tlsrunbook.evidence.record import Record


class Ending(StrEnum):
    """How the work on a server ended."""

    #: Every step that was asked for ended as wanted.
    DONE = "done"
    #: A step waits for the CA, or is blocked.
    STOPPED = "stopped"
    #: A step failed, is unknown, or something went wrong that no record tells.
    FAILED = "failed"
    #: Somebody else works on it.
    HELD = "held"
    #: It was not begun, or not gone on with.
    LEFT = "left"


@dataclass(frozen=True)
class Left:
    """A server with steps that were asked for and not run.

    Args:
        site: Site name.
        server: Server name.
        steps: Ids of the steps still to do.
        why: One line.
        ending: ``HELD`` or ``LEFT``.
        facts: Who holds it, for programs; may be empty.
    """

    site: str
    server: str
    steps: tuple[str, ...]
    why: str
    ending: Ending = Ending.LEFT
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Args:
        records: Every record that its steps made, in the order of the servers.
        reconciled: Records that it wrote for steps which an earlier run left without one.
        endings: How the work on each server ended, by site and server.
        left: Servers with steps that were not run, in order.
        stopped: Why a site's next wave, or the next site, was not begun; one line each.
        done_before: Per site and server, the steps that were done already and not run again.
    """

    records: tuple[Record, ...] = ()
    reconciled: tuple[Record, ...] = ()
    endings: Mapping[tuple[str, str], Ending] = field(default_factory=dict)
    left: tuple[Left, ...] = ()
    stopped: tuple[str, ...] = ()
    done_before: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
