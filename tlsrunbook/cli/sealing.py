"""Around whatever adds evidence: when it ends, however it ends, everything it added is sealed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tlsrunbook.cli.common import say
from tlsrunbook.errors import TlsRunbookError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.adapters.store import RunStore
    from tlsrunbook.evidence.dsse import Signer
    from tlsrunbook.evidence.record import Record
    from tlsrunbook.run.sealing import About, SealedInfo
    from tlsrunbook.site import Site


@dataclass
class Sealing:
    """What the seals will say; fill it in while the work is done.

    Args:
        what: ``run``, ``approve`` or ``rollback``.
        signer: Holds the key; an approval may use it too.
        begun: UTC.
        changes: Changes it is about, besides those in which a step was recorded.
        outcome: Empty: the worst status of the records.
        reports: Whether each change it is about gets a report.
        seals: What was sealed, by site; there when it has ended.
    """

    what: str
    signer: Signer
    begun: str
    changes: tuple[str, ...] = ()
    outcome: str = ""
    reports: bool = True
    seals: dict[str, SealedInfo] = field(default_factory=dict)

    def data(self) -> list[dict[str, object]]:
        """Give the seals for programs."""
        return [
            {"site": site, "number": seal.number, "files": len(seal.files), "head": seal.digest}
            for site, seal in self.seals.items()
        ]


@contextmanager
def sealed(
    console: Console,
    what: str,
    sites: Sequence[Site | str],
    runs: Path,
    *,
    servers: Iterable[str] = (),
    changes: Iterable[str] = (),
    key: str = "",
) -> Iterator[Sealing]:
    """Do the work inside; when it ends, fails or is interrupted, it is reported, and all that it wrote is sealed.

    Whatever else belongs to the evidence (plans, approvals) must be written inside, and never again afterwards.

    Args:
        console: Gets a line per report and seal.
        what: ``run``, ``approve`` or ``rollback``.
        sites: Sites or their names.
        runs: Folder for the evidence.
        servers: The servers worked on; empty means all.
        changes: Changes it is about besides those in which a step was recorded, as with an approval.
        key: See :func:`tlsrunbook.adapters.keys.load_signer`.

    Raises:
        CredentialError: There is no usable key; nothing was begun.
        EvidenceError: A report or the seal could not be written.
    """
    from tlsrunbook.adapters.origin import SystemClock
    from tlsrunbook.evidence.data import utc_text
    from tlsrunbook.wiring_evidence import load_signer

    sealing = Sealing(what, load_signer(key), utc_text(SystemClock().now()), tuple(changes))
    names = [one if isinstance(one, str) else one.name for one in sites]
    wanted = frozenset(name.upper() for name in servers)
    try:
        yield sealing
    except BaseException as error:
        try:
            _seal(console, sealing, names, runs, wanted, sealing.outcome or _how(error))
        except (TlsRunbookError, OSError) as second:  # told beside the first error, not instead of it
            say(console, f"not sealed: {second}; tlsrunbook audit seal does it later")
        raise
    _seal(console, sealing, names, runs, wanted, sealing.outcome)


def _how(error: BaseException) -> str:
    if isinstance(error, UsageError):
        return "refused"
    return "failed" if isinstance(error, Exception) else "interrupted"


def _seal(
    console: Console, sealing: Sealing, sites: Sequence[str], runs: Path, servers: frozenset[str], outcome: str
) -> None:
    """Report and seal every site; one that cannot be sealed does not keep the others from it."""
    from tlsrunbook.adapters.store import RunStore
    from tlsrunbook.wiring_evidence import seal_work

    problems: list[TlsRunbookError] = []
    for name in sites:
        store = RunStore(runs, name)
        reports = sealing.reports and outcome != "refused"
        try:
            about = _about(store, sealing, servers, outcome)
            info, wrong = seal_work(
                store,
                sealing.signer,
                sealing.what,
                about,
                lambda text: say(console, text),
                ended=outcome,
                reports=reports,
            )
        except TlsRunbookError as error:
            problems.append(error)
            continue
        problems += wrong
        if info:
            sealing.seals[name] = info
    if problems:
        raise problems[0]


def _about(store: RunStore, sealing: Sealing, servers: frozenset[str], outcome: str) -> About:
    from tlsrunbook.adapters.origin import tool, who
    from tlsrunbook.run.sealing import About, outcome_of

    records = tuple(
        record
        for change in _changes_since(store, sealing.begun)
        for record in store.records(change)
        if record.started >= sealing.begun and (not servers or record.server.upper() in servers)
    )
    known = set(store.changes())
    changes = {record.change for record in records} | (known & set(sealing.changes))
    changes |= set(_new_changes(store, sealing.begun))
    return About(
        outcome=outcome or outcome_of(records),
        who=who(),
        tool=tool(),
        changes={change: store.asked(change) for change in sorted(changes)},
        records=records,
        notebooks=_notebooks(records),
        ended=tuple(dict.fromkeys(f"{record.change}/{record.server}" for record in records)),
    )


def _new_changes(store: RunStore, begun: str) -> list[str]:
    return [change for change in store.changes() if str(store.asked(change).get("asked", "")) >= begun]


def _changes_since(store: RunStore, begun: str) -> list[str]:
    """Give the changes in which something was recorded since, by the newest file of each."""
    from datetime import datetime

    since = datetime.fromisoformat(begun).timestamp() - 5  # file times may be coarse
    found = []
    for change in store.changes():
        records = (store.folder / change).glob("*/*/attempt-*")
        if any(path.stat().st_mtime >= since for path in records):
            found.append(change)
    return found


def _notebooks(records: Iterable[Record]) -> Mapping[str, str]:
    import hashlib

    from tlsrunbook.run.notebooks import notebook_path
    from tlsrunbook.steps.registry import step_of

    names = sorted({step_of(record.step).notebook for record in records})
    return {name: hashlib.sha256(notebook_path(name).read_bytes()).hexdigest() for name in names}
