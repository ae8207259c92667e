"""Reads what the evidence has of every server of a site: each server's changes from the newest one back, once.

Nothing is read that tells no more: a change is looked at for a server only until its state, its last verification and
the CSRs it waits for are known. What cannot be read becomes a sentence: it is unknown, and never left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts
from tlsrunbook.certificates.reply import read_reply
from tlsrunbook.errors import BadCertificateFile, EvidenceError, UsageError
from tlsrunbook.evidence.fleet import SiteOnRecord
from tlsrunbook.evidence.fleet_certificates import csr_of, moment, shown_rows
from tlsrunbook.evidence.fleet_model import OnRecord, Submission
from tlsrunbook.evidence.layout import AFTER, BEFORE, LEASES, TRANSCRIPT
from tlsrunbook.evidence.record import Record
from tlsrunbook.evidence.standing import State
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.state_data import state_from_data
from tlsrunbook.ports import Attempt, EvidenceStore
from tlsrunbook.run.abandoned import transcript_lines, uncertain
from tlsrunbook.site import Site

#: When an attempt ended that has no record.
_OPEN = datetime.max.replace(tzinfo=UTC)
_LEASE = re.compile(r"(.+)\.\d+\.json\Z")


def site_on_record(site: Site, store: EvidenceStore) -> SiteOnRecord:
    """Read the evidence of one site."""
    readings: dict[str, _Reading] = {}
    trouble = []
    for change in reversed(store.changes()):
        try:
            servers = store.asked(change).get("servers", ())
        except (EvidenceError, UsageError) as error:
            trouble.append(str(error))
            continue
        for server in servers:
            reading = readings.setdefault(str(server), _Reading(store, str(server)))
            if reading.wants_more:
                reading.look_into(change)
    held = _leased(store)
    found = {
        name: reading.found(dict(store.lease_holder(name)) if name in held else {})
        for name, reading in readings.items()
    }
    return SiteOnRecord(site, found, tuple(trouble))


def _leased(store: EvidenceStore) -> frozenset[str]:
    """Give the servers that have, or had, a lease: only those are worth asking about."""
    try:
        names = [path.name for path in (store.folder / LEASES).iterdir()]
    except OSError:
        return frozenset()
    return frozenset(match[1] for match in map(_LEASE.match, names) if match)


class _Reading:
    """What is known of one server so far."""

    def __init__(self, store: EvidenceStore, server: str) -> None:
        self._store = store
        self._server = server
        self._change = ""
        self._latest: dict[str, Record] = {}
        self._unfinished: dict[str, State] = {}
        self._state: ServerState | None = None
        self._read_at: datetime | None = None
        self._verify: Record | None = None
        self._presented: tuple[CertificateFacts, ...] = ()
        self._submissions: list[Submission] = []
        self._waiting: set[str] = set()  # keys of pending requests whose handing over was not found yet
        self._trouble: list[str] = []
        self._seen: dict[tuple[str, str, int], Record | None] = {}

    @property
    def wants_more(self) -> bool:
        """Whether an older change may tell something."""
        return self._state is None or self._verify is None or bool(self._waiting)

    def look_into(self, change: str) -> None:
        """Take from a change what is not known yet; changes come newest first."""
        attempts: dict[str, list[Attempt]] = {}
        for attempt in self._store.attempts(change, self._server):
            attempts.setdefault(attempt.step, []).insert(0, attempt)
        newest = not self._change
        self._change = self._change or change
        if newest:
            self._standing(attempts)
        if self._state is None:
            self._newest_state(attempts)
        if self._verify is None:
            self._last_verification(attempts.get("verify", ()))
        if self._waiting:
            self._handed_over(attempts.get("request", ()))

    def found(self, holder: dict[str, str]) -> OnRecord:
        """Give what is known."""
        return OnRecord(
            change=self._change,
            latest=self._latest,
            unfinished=self._unfinished,
            holder=holder,
            state=self._state,
            read_at=self._read_at,
            verify=self._verify,
            presented=self._presented,
            submissions=tuple(sorted(self._submissions, key=lambda sent: sent.at)),
            trouble=tuple(self._trouble),
        )

    def _record(self, attempt: Attempt) -> Record | None:
        key = (attempt.change, attempt.step, attempt.number)
        if key not in self._seen:
            try:
                self._seen[key] = self._store.record(attempt)
            except EvidenceError as error:
                self._seen[key] = None
                self._note(str(error))
        return self._seen[key]

    def _note(self, trouble: str) -> None:
        if trouble not in self._trouble:
            self._trouble.append(trouble)

    def _standing(self, attempts: dict[str, list[Attempt]]) -> None:
        """Read the last record of each step: one that applied goes before one that only planned."""
        for step, own in attempts.items():
            if not own[0].record_path.exists():
                self._unfinished[step] = State.UNKNOWN if uncertain(transcript_lines(own[0])) else State.FAILED
            last: Record | None = None
            for attempt in own:
                record = self._record(attempt)
                last = last or record
                if record and record.mode == "apply":
                    last = record
                    break
            if last:
                self._latest[step] = last

    def _newest_state(self, attempts: dict[str, list[Attempt]]) -> None:
        """Take the state that was read last; of each step only the newest attempt that read one can have it."""
        newest: tuple[datetime, Path, Any] | None = None
        for ended, own in sorted(
            ((self._ended(own[0]), own) for own in attempts.values()), key=itemgetter(0), reverse=True
        ):
            if newest and newest[0] >= ended:
                break  # nothing was read in an attempt after that attempt had ended
            for attempt in own:
                found = self._state_file(attempt)
                if found:
                    newest = found if newest is None or found[0] > newest[0] else newest
                    break
        if newest:
            self._take_state(*newest)

    def _ended(self, attempt: Attempt) -> datetime:
        """Give when an attempt ended; one without a record may be at work still."""
        record = self._record(attempt)
        return (moment(record.finished) if record else None) or _OPEN

    def _state_file(self, attempt: Attempt) -> tuple[datetime, Path, Any] | None:
        for name in (AFTER, BEFORE):
            path = attempt.folder / name
            try:
                data = json.loads(path.read_bytes())
                at = moment(data["at"])
                if at is None:
                    raise ValueError(data["at"])
                return at, path, data["state"]
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError) as error:
                self._note(f"{path}: the state cannot be read ({type(error).__name__})")
        return None

    def _take_state(self, at: datetime, path: Path, data: Any) -> None:
        try:
            self._state = state_from_data(data, where=str(path))
        except EvidenceError as error:
            self._note(str(error))
            return
        self._read_at = at
        self._waiting = {csr.spki_sha256 for csr in map(csr_of, self._state.certificates) if csr}

    def _last_verification(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            record = self._record(attempt)
            if record and "activated" in record.facts:
                self._verify = record
                self._presented = tuple(self._strange(attempt, record))
                return

    def _strange(self, attempt: Attempt, record: Record) -> Iterable[CertificateFacts]:
        """Read the certificates that were on the wire and are not listed by the server."""
        listed = {one.thumbprint for one in self._state.certificates} if self._state else set[str]()
        missing = set(shown_rows(record)) - listed
        for path in sorted(attempt.folder.glob("presented-*.pem")) if missing else ():
            try:
                leaf = certificate_facts(read_reply(path.read_bytes(), where=str(path))[0])
            except (OSError, BadCertificateFile) as error:
                self._note(f"{path}: the certificate cannot be read ({error})")
                continue
            if leaf.thumbprint in missing:
                missing.discard(leaf.thumbprint)
                yield leaf

    def _handed_over(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            for line in self._submitted(attempt):
                at, key = moment(line.get("at")), str(line.get("key", ""))
                if at and key in self._waiting:
                    self._submissions.append(Submission(key, at, str(line.get("receipt", "")), attempt.change))
        self._waiting -= {sent.key for sent in self._submissions}

    def _submitted(self, attempt: Attempt) -> list[dict[str, Any]]:
        try:
            lines = (attempt.folder / TRANSCRIPT).read_bytes().split(b"\n")
            return [json.loads(line) for line in lines if b'"event": "submitted"' in line]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            self._note(f"{attempt.folder / TRANSCRIPT}: the transcript cannot be read ({type(error).__name__})")
            return []
