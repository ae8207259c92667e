"""Where evidence lands: ``runs/<site>/<change>/<server>/<n-step>/attempt-<k>/``. Written once, never over anything."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tlsrunbook.adapters.attempt_folder import AttemptFolder, write_once
from tlsrunbook.adapters.lease import FileLease, JoinedLease, holder_of, take_lease
from tlsrunbook.adapters.memory import read_memory
from tlsrunbook.errors import EvidenceError, UsageError
from tlsrunbook.evidence.data import readable_json, utc_text
from tlsrunbook.evidence.layout import AFTER, BEFORE, CHANGE, LEASES, PLAN
from tlsrunbook.evidence.record import Record, record_from_data
from tlsrunbook.exchange.state_data import Memory
from tlsrunbook.ports import Attempt
from tlsrunbook.steps.registry import OPTIONAL_IDS

#: The step whose success ends a change for a server, and the one that ends it by going back.
_LAST_STEP = "verify"
_WAY_BACK = "rollback"
#: What a change's id begins with.
_STAMP = "%Y%m%d-%H%M%S"
_ID = re.compile(r"\d{8}-\d{6}-")


def _finished(latest: Mapping[str, Record]) -> bool:
    """Whether the last step is done, or nothing but steps beside the order was run and is done."""
    ended = {step: record.mode == "apply" and record.status.done for step, record in latest.items()}
    if ended.get(_LAST_STEP):
        return True
    return bool(ended) and set(ended) <= set(OPTIONAL_IDS) and all(ended.values())


class RunStore:
    """The evidence of one site.

    Args:
        runs: The folder ``runs``; made when it is missing.
        site: Site name.
    """

    def __init__(self, runs: Path, site: str) -> None:
        self.folder = runs / site

    def new_change(self, at: datetime, asked: Mapping[str, Any]) -> str:
        """Start a change and write down what was asked.

        Args:
            at: Now, UTC.
            asked: Who asked for what and why; JSON-able.

        Raises:
            EvidenceError: The disk refuses.
        """
        change = f"{self._after_the_last(at):{_STAMP}}-{secrets.token_hex(2)}"
        try:
            (self.folder / change).mkdir(parents=True)
        except OSError as error:
            raise EvidenceError(
                f"cannot be made: {error.strerror or error}", where=str(self.folder / change)
            ) from error
        write_once(self.folder / change / CHANGE, readable_json({"change": change, "asked": utc_text(at), **asked}))
        return change

    def _after_the_last(self, at: datetime) -> datetime:
        """Give the time for an id that sorts behind all others: two changes within a second would be in no order."""
        last = max((change[:15] for change in self.changes() if _ID.match(change)), default="")
        if last < f"{at:{_STAMP}}":
            return at
        return datetime.strptime(last, _STAMP).replace(tzinfo=UTC) + timedelta(seconds=1)

    def changes(self) -> tuple[str, ...]:
        """Give all change ids, oldest first."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.folder.iterdir() if (path / CHANGE).is_file()))

    def asked(self, change: str) -> dict[str, Any]:
        """Give what was asked for.

        Raises:
            UsageError: There is no such change.
            EvidenceError: It cannot be read.
        """
        path = self.folder / change / CHANGE
        if Path(change).name != change or not path.is_file():
            raise UsageError(
                f"there is no change {change!r}",
                where=str(self.folder),
                todo=f"use one of {', '.join(self.changes()[-5:]) or 'none yet: leave it empty'}",
            )
        try:
            return dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise EvidenceError("what was asked for cannot be read", where=str(path)) from error

    def open_change(self, server: str) -> str:
        """Give the newest change in which this server is not finished; empty when there is none."""
        for change in reversed(self.changes()):
            if server in self.asked(change).get("servers", ()):
                finished = _finished(self.latest(change, server)) or self.rolled_back(change, server)
                return "" if finished else change
        return ""

    def rolled_back(self, change: str, server: str) -> bool:
        """Whether going back was begun: commands were about to be sent, or there was nothing to send."""
        for attempt in self.attempts(change, server):
            if attempt.step == _WAY_BACK:
                record = self.record(attempt)
                done = record is not None and record.mode == "apply" and record.status.done
                if done or (attempt.folder / PLAN).is_file():
                    return True
        return False

    def lease(self, server: str, who: Mapping[str, str], what: str) -> FileLease:
        """See :class:`~tlsrunbook.ports.EvidenceStore`."""
        return take_lease(self.folder, server, who, what)

    def joined_lease(self, server: str, token: str) -> JoinedLease:
        """See :class:`~tlsrunbook.ports.EvidenceStore`."""
        return JoinedLease(self.folder / LEASES, server, token)

    def lease_holder(self, server: str) -> dict[str, str]:
        """See :class:`~tlsrunbook.ports.EvidenceStore`."""
        return holder_of(self.folder, server)

    def unfinished(self, change: str, server: str) -> tuple[AttemptFolder, ...]:
        """See :class:`~tlsrunbook.ports.EvidenceStore`."""
        return tuple(attempt for attempt in self.attempts(change, server) if not attempt.record_path.exists())

    def attempt(self, change: str, server: str, step: str, number: int) -> AttemptFolder:
        """Make the folder of the next attempt.

        Args:
            change: An existing change.
            server: Server name.
            step: Step id.
            number: The step's place in the order, for the folder's name.

        Raises:
            UsageError: There is no such change.
            EvidenceError: The disk refuses.
        """
        self.asked(change)
        parent = self.folder / change / server / f"{number}-{step}"
        tries = 1 + sum(1 for _ in parent.glob("attempt-*"))
        while True:
            folder = parent / f"attempt-{tries}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                tries += 1
            except OSError as error:
                raise EvidenceError(f"cannot be made: {error.strerror or error}", where=str(folder)) from error
            else:
                return AttemptFolder(folder, change, server, step, tries)

    def attempts(self, change: str, server: str = "*") -> Iterator[AttemptFolder]:
        """Give the attempts of a change, by server, step and number."""
        folders = (self.folder / change).glob(f"{server}/*-*/attempt-*")
        for folder in sorted(folders, key=lambda path: (path.parts[-3], path.parts[-2], int(path.name.split("-")[1]))):
            step = folder.parent.name.split("-", 1)[1]
            yield AttemptFolder(folder, change, folder.parent.parent.name, step, int(folder.name.split("-")[1]))

    def record(self, attempt: Attempt) -> Record | None:
        """Read an attempt's record; None while it has none.

        Raises:
            EvidenceError: It cannot be read.
        """
        try:
            data = json.loads(attempt.record_path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise EvidenceError("the record cannot be read", where=str(attempt.record_path)) from error
        if not isinstance(data, dict):
            raise EvidenceError("the record is not a JSON object", where=str(attempt.record_path))
        return record_from_data(data, where=str(attempt.record_path))

    def records(self, change: str, server: str = "*") -> tuple[Record, ...]:
        """Give all records of a change in the order of :meth:`attempts`."""
        found = (self.record(attempt) for attempt in self.attempts(change, server))
        return tuple(record for record in found if record is not None)

    def latest(self, change: str, server: str) -> dict[str, Record]:
        """Give the last record of each step; one that applied goes before one that only planned."""
        last: dict[str, Record] = {}
        for record in self.records(change, server):
            before = last.get(record.step)
            if before is None or record.mode == "apply" or before.mode == "plan":
                last[record.step] = record
        return last

    def file(self, change: str, name: str, content: bytes) -> bool:
        """Write a file of a change once; False when it is there already.

        Args:
            name: Path below the change's folder, as in ``evidence.layout``.

        Raises:
            EvidenceError: The disk refuses.
        """
        path = self.folder / change / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_once(path, content)
        except EvidenceError:
            if path.exists():
                return False
            raise
        except OSError as error:
            raise EvidenceError(f"cannot be made: {error.strerror or error}", where=str(path.parent)) from error
        return True

    def filed(self, change: str, pattern: str) -> tuple[Path, ...]:
        """Give the files of a change whose name is ``pattern`` with something in place of ``{}``, in order."""
        found = (self.folder / change).glob(pattern.format("*"))
        # By length first: 10 comes after 9.
        return tuple(sorted(found, key=lambda path: (len(path.as_posix()), path.as_posix())))

    def certificate_names(self, server: str) -> dict[str, tuple[str, ...]]:
        """Give TLS certificate name -> DNS names of every certificate a server had in any state on disk."""
        names: dict[str, tuple[str, ...]] = {}
        for change in self.changes():
            for path in sorted((self.folder / change / server).glob("*/attempt-*/*.json")):
                if path.name in (BEFORE, AFTER):
                    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                        for one in json.loads(path.read_bytes())["state"]["certificates"]:
                            names[str(one["tls_certificate_name"])] = tuple(one["names"])
        names.pop("", None)
        return names

    def newest(self, server: str, step: str) -> Record | None:
        """Give the record of a server's step that was applied and finished last, over all changes.

        Raises:
            EvidenceError: A record cannot be read.
        """
        records = (self.record(attempt) for change in self.changes() for attempt in self.attempts(change, server))
        done = [r for r in records if r and r.step == step and r.mode == "apply" and r.status.done]
        return max(done, key=lambda record: record.finished, default=None)

    def remembered(self, server: str) -> Memory:
        """Give what was known of a server before this evidence began.

        Raises:
            EvidenceError: It cannot be read.
        """
        return read_memory(self.folder, server)

    def first_before(self, change: str, server: str) -> dict[str, Any] | None:
        """Give the earliest state of a server that this change has on disk, or None."""
        states = []
        for path in (self.folder / change / server).glob(f"*/attempt-*/{BEFORE}"):
            with contextlib.suppress(OSError, ValueError):
                states.append(json.loads(path.read_bytes()))
        return min(states, key=lambda state: str(state["at"]), default=None)
