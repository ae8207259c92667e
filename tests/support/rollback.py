"""Worlds to go back in: a lab that breaks at the k-th changing command, and what may differ afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.change import Change
from tlsrunbook.evidence.record import Record
from tlsrunbook.exchange.command import Command, Value
from tlsrunbook.exchange.frames import run_request
from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.lab import Lab

#: The lab's DOMAIN names for the three connectors.
REQUIRED, NEVER, INTERNET = "TLS required {}", "TLS never {}", "Internet {}"
STALE = "<I>CN=A CA of yesterday<S>CN=mx.gone.example"


class BreakAt(FaultBoard):
    """Faults that hit the k-th cmdlet that changes anything, whichever it is; once."""

    def __init__(self) -> None:
        super().__init__()
        self._kind, self._left, self.hit = "", 0, ""

    def arm(self, kind: str, at: int) -> None:
        """Break at the ``at``-th changing cmdlet from now on, the first being 1; ``kind`` as the lab names it."""
        self._kind, self._left, self.hit = kind, at, ""

    def hits(self, name: str, server: str = "", cmdlet: str = "") -> bool:
        """See :class:`FaultBoard`."""
        if name == self._kind and self._left and cmdlet and cmdlet.split("-", 1)[0] not in ("Get", "Test"):
            self._left -= 1
            if not self._left:
                self.hit = cmdlet
                return True
        return super().hits(name, server, cmdlet)


@dataclass
class Breaking:
    """A change on a lab whose servers break on order."""

    change: Change
    board: BreakAt

    @property
    def lab(self) -> Lab:
        """The lab."""
        return self.change.lab

    def send(self, server: str, name: str, /, **parameters: Value) -> None:
        """Do something on the simulated server, as another administrator would."""
        request = run_request((Command.of(name, **parameters),))
        answer = self.lab.server(self.change.site, server).execute(request["commands"], request["select"])
        assert not answer["errors"], answer["errors"]

    def snapshot(self, server: str) -> dict[str, Any]:
        """Give a simulated server's whole state."""
        return self.change.snapshots()[server]

    def rollback(self, server: str, change: str, mode: str = "apply") -> Record:
        """Go back."""
        (record,) = self.change.apply(server, "rollback", change=change, mode=mode)
        return record


@contextmanager
def breaking_lab(folder: Path, servers: int = 1, version: str = "SE") -> Iterator[Breaking]:
    """Give a lab in a new folder with a change to run on it."""
    board = BreakAt()
    with Lab(servers=servers, version=version, faults=board, keys=KeyRing()) as lab:
        yield Breaking(Change(lab, folder), board)


def differences(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> dict[str, tuple[Any, Any]]:
    """Give where two snapshots differ, by path."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in sorted(before.keys() | after.keys()):
        one, other = before.get(key), after.get(key)
        here = f"{path}/{key}"
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found |= differences(one, other, here)
        elif isinstance(one, list) and isinstance(other, list):
            found |= {f"{here}/{item}": (item in one, item in other) for item in set(one) ^ set(other)}
        elif one != other:
            found[here] = (one, other)
    return found


def undeclared(record: Record, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Give the differences that the record does not name as irreversible."""
    rows = record.facts.get("not undone", [])
    return {path: values for path, values in differences(before, after).items() if not _declared(path, rows)}


def _declared(path: str, rows: list[Mapping[str, str]]) -> bool:
    section, _, rest = path.strip("/").partition("/")
    name = rest.partition("/")[0].lower()
    words = {
        "internal_transport_thumbprint": "default smtp certificate",
        "certificates": name,
        "intermediates": name,
        "send_connectors": f"send connector {name}",
        "receive_connectors": f"receive connector {name}",
    }
    return bool(words.get(section)) and any(words[section] in row["what"].lower() for row in rows)
