"""Seals what a run, an approval or a rollback added to a site's evidence: the last thing each of them does.

The signing key stays in this process, the controller's: neither a notebook's kernel nor the process that executes
notebooks is given it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence import dsse
from tlsrunbook.evidence.data import utc_text
from tlsrunbook.evidence.record import Record, worst
from tlsrunbook.evidence.statement import CHAIN_FILE, KEY_FILE, Claims, Previous, seal_files, statement
from tlsrunbook.ports import Clock

#: So often the next number may be taken by another runner before this one gives up.
_TRIES = 50


class Archive(Protocol):
    """A site's folder, as the sealing needs it."""

    @property
    def folder(self) -> Path:
        """Where it is."""

    def last(self) -> Previous | None:
        """Give the seal that the next one follows; None when there is none yet."""

    def unsealed(self, ended: Iterable[str]) -> Mapping[str, str]:
        """Give SHA-256 by path of the files that the next seal covers.

        Args:
            ended: Folders below the site's folder in which nothing is at work any more.
        """

    def add_seal(self, number: int, files: Mapping[str, bytes]) -> bool:
        """Write the seal's folder, whole or not at all; False when another runner took the number."""


@dataclass(frozen=True)
class About:
    """What a seal says besides the digests of the files.

    Args:
        outcome: How it ended: a status, ``interrupted``, or ``approved``.
        who: ``user``, ``host``, ``process``.
        tool: Versions.
        changes: Per change id, what is known of it (``ticket``, ``reason``, ...).
        records: What the steps did; only their place and status go into the seal.
        notebooks: SHA-256 of each source notebook that was used, by its name.
        ended: Folders (``<change>`` or ``<change>/<server>``) in which this process was at work and is no more.
    """

    outcome: str
    who: Mapping[str, str]
    tool: Mapping[str, str]
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    notebooks: Mapping[str, str] = field(default_factory=dict)
    ended: tuple[str, ...] = ()


@dataclass(frozen=True)
class SealedInfo:
    """A seal that was made.

    Args:
        number: Its place in the site's chain, from 1.
        digest: SHA-256 of ``seal.dsse.json``: the head of the chain, to be kept elsewhere.
        folder: Where it is.
        keyid: Whose signature it is.
        files: The files it covers.
    """

    number: int
    digest: str
    folder: Path
    keyid: str
    files: tuple[str, ...]


def seal(archive: Archive, signer: dsse.Signer, what: str, about: About, clock: Clock) -> SealedInfo | None:
    """Seal every file that no seal covers yet. What is sealed is never written again: a later file gets another name.

    Args:
        archive: The site's folder.
        signer: Holds the key.
        what: ``run``, ``approve``, ``rollback`` or ``seal``.
        about: What the seal says.
        clock: Tells when.

    Returns:
        None when there is nothing to seal.

    Raises:
        EvidenceError: A file cannot be read, or the disk refuses.
    """
    for _ in range(_TRIES):
        previous = archive.last()
        files = archive.unsealed(about.ended)
        if not files:
            return None
        number = previous.number + 1 if previous else 1
        keys = {KEY_FILE: signer.public.pem, **({CHAIN_FILE: signer.chain} if signer.chain else {})}
        claims = Claims(
            site=archive.folder.name,
            number=number,
            previous=previous,
            what=what,
            sealed=utc_text(clock.now()),
            keyid=signer.keyid,
            about=_claimed(about, files),
        )
        payload = statement(claims, files, keys)
        envelope = dsse.sign(payload, signer)
        made = {**keys, **seal_files(envelope)}
        if archive.add_seal(number, made):
            place = Previous.of(number, envelope.encoded())
            return SealedInfo(number, place.sha256, archive.folder / place.folder, signer.keyid, tuple(sorted(files)))
    raise EvidenceError(
        f"the next seal's number was taken {_TRIES} times by other runners",
        where=str(archive.folder),
        todo="run tlsrunbook audit seal on this folder",
    )


def _claimed(about: About, files: Iterable[str]) -> dict[str, Any]:
    """Give what the predicate says about this act; files that it merely found are named as such."""
    mine = tuple(f"{folder}/" for folder in (*about.ended, *about.changes))
    return {
        "outcome": about.outcome,
        "who": dict(about.who),
        "tool": dict(about.tool),
        "changes": {change: dict(facts) for change, facts in about.changes.items()},
        "steps": [
            {
                "change": record.change,
                "server": record.server,
                "step": record.step,
                "attempt": record.attempt,
                "mode": record.mode,
                "status": record.status.value,
                "started": record.started,
                "finished": record.finished,
            }
            for record in about.records
        ],
        "notebooks": dict(about.notebooks),
        "found": sorted(name for name in files if not name.startswith(mine)),
    }


def outcome_of(records: Iterable[Record]) -> str:
    """Give the worst status of these records; ``nothing`` when there is none."""
    statuses = tuple(record.status for record in records)
    return worst(statuses).value if statuses else "nothing"
