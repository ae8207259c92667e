"""Connects sealing, verifying and exporting with the disk and the signing key, beside :mod:`tlsrunbook.wiring`.

Only a controlling process comes here; a notebook's kernel never does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from tlsrunbook.about import __version__
from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.adapters.export import verify_text, write_export
from tlsrunbook.adapters.keys import load_signer
from tlsrunbook.adapters.origin import SystemClock, tool, who
from tlsrunbook.adapters.parts import sweep_dead
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.adapters.timestamp import stamp, stamped_at, timestamp_url
from tlsrunbook.errors import EvidenceError, TlsRunbookError
from tlsrunbook.evidence import chain, dsse, rollup
from tlsrunbook.evidence.chain import Flaw, Verdict
from tlsrunbook.evidence.data import utc_text
from tlsrunbook.evidence.dsse import PublicKey, Signer
from tlsrunbook.evidence.report_facts import RUNNING
from tlsrunbook.evidence.statement import (
    CHAIN_FILE,
    KEY_FILE,
    SEAL_FILE,
    TIMESTAMP_FILE,
    envelope_files,
    seal_folder,
)
from tlsrunbook.ports import EvidenceStore
from tlsrunbook.run.reporting import ReportInfo, remove_live_report, write_live_report, write_report
from tlsrunbook.run.sealing import About, SealedInfo, seal
from tlsrunbook.run.sessions import session_rows

__all__ = [
    "About",
    "SealedInfo",
    "change_rows",
    "change_shown",
    "end_live_report",
    "export_site",
    "flaw_lines",
    "live_report",
    "load_signer",
    "report_change",
    "seal_site",
    "seal_work",
    "seals_of",
    "stamp_seal",
    "verify_site",
]


def seal_site(store: EvidenceStore, signer: Signer, what: str, about: About) -> SealedInfo | None:
    """Seal everything in a site's folder that no seal covers yet. Call it last: what is sealed never changes.

    Args:
        store: The site's evidence.
        signer: See :func:`load_signer`; get it before the work begins, so that a missing key costs nothing.
        what: ``run``, ``approve`` or ``rollback``.
        about: What the seal says.

    Returns:
        None when there is nothing to seal.

    Raises:
        EvidenceError: A file cannot be read, or the disk refuses.
    """
    sweep_dead(store.folder)
    return seal(SiteArchive(store.folder), signer, what, about, SystemClock())


def stamp_seal(store: EvidenceStore, info: SealedInfo) -> str:
    """Have a seal stamped by the authority that the user configured, if there is one.

    Returns:
        One line that says what happened; empty when no authority is configured. A stamp that cannot be had is told
        and does no harm: the seal is whole without it.
    """
    try:
        url = timestamp_url()
        if not url:
            return ""
        token = stamp(url, (info.folder / SEAL_FILE).read_bytes())
        SiteArchive(store.folder).add_timestamp(info.number, token)
    except TlsRunbookError as error:
        return f"no time stamp: {error}"
    return f"time stamp by {url}"


def seal_work(
    store: EvidenceStore,
    signer: Signer,
    what: str,
    about: About,
    tell: Callable[[str], None],
    *,
    ended: str = "",
    reports: bool = True,
) -> tuple[SealedInfo | None, list[TlsRunbookError]]:
    """Report every change that something was done in, seal all of it, and have the seal stamped.

    Args:
        what: ``run``, ``approve``, ``rollback`` or ``session``.
        about: What the seal says.
        tell: Gets a line per report and seal.
        ended: How it ended, where no record tells.
        reports: Whether each change gets a report.

    Returns:
        The seal, None where there was nothing to seal; and what went wrong with the reports, which are sealed or not.

    Raises:
        EvidenceError: The seal could not be written.
    """
    problems: list[TlsRunbookError] = []
    for change in about.changes if reports else ():
        try:
            tell(f"report: {report_change(store, change, ended)}")
        except TlsRunbookError as error:
            problems.append(error)
    info = seal_site(store, signer, what, about)
    if info:
        name = store.folder.name
        tell(f"sealed: {name}, seal {info.number}, {len(info.files)} files, head {info.digest}")
        stamped = stamp_seal(store, info)
        if stamped:
            tell(f"sealed: {name}, seal {info.number}: {stamped}")
    return info, problems


def timestamp_flaws(folder: Path, verdict: Verdict, roots: Sequence[bytes]) -> list[Flaw]:
    """Check the time stamps beside the seals against their authorities' root certificates.

    Args:
        roots: PEM.

    Raises:
        UsageError: ``tlsrunbook[timestamp]`` is not installed.
    """
    seals = SiteArchive(folder).seals()
    flaws = []
    for one in verdict.seals:
        name = f"{seal_folder(one.number)}/{TIMESTAMP_FILE}"
        if name in seals:
            try:
                stamped_at(seals[name], one.envelope.encoded(), roots, where=name)
            except EvidenceError as error:
                flaws.append(Flaw("timestamp", name, error.what))
    return flaws


def verify_site(
    folder: Path, *, head: str = "", keys: Collection[PublicKey] = (), timestamp_roots: Sequence[bytes] = ()
) -> Verdict:
    """Verify a site's folder; see :func:`tlsrunbook.evidence.chain.verify`. In an export, its list of changes too.

    Raises:
        EvidenceError: A file cannot be read.
    """
    contents = SiteArchive(folder).contents()
    verdict = chain.verify(contents, head=head, keys=keys)
    flaws = timestamp_flaws(folder, verdict, timestamp_roots) if timestamp_roots else []
    if (folder.parent / rollup.ROLLUP).is_dir():
        flaws += rollup.verify_rollup(_export_files(folder.parent), verdict, keys)
    return Verdict((*verdict.flaws, *flaws), verdict.seals, verdict.notes, verdict.files)


def _export_files(folder: Path) -> dict[str, bytes]:
    """Read what an export holds besides the site's own folder."""
    places = [*folder.iterdir(), *(folder / rollup.ROLLUP).iterdir()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in places if path.is_file()}


def seals_of(folder: Path) -> Verdict:
    """Read a site's seals alone; no file is compared with them."""
    return chain.verify(chain.Contents({}, SiteArchive(folder).seals()))


def change_rows(folder: Path, verdict: Verdict | None = None) -> list[dict[str, Any]]:
    """Give one row per change of a site, oldest first; see :func:`tlsrunbook.evidence.rollup.change_row`.

    Args:
        folder: The site's folder.
        verdict: Tells which seals cover what; read anew when it is None.
    """
    store = RunStore(folder.parent, folder.name)
    seals = rollup.seals_by_change(verdict or seals_of(folder))
    rows = []
    for change in store.changes():
        attempts = sum(1 for _ in store.attempts(change))
        rows.append(rollup.change_row(store.asked(change), store.records(change), attempts, seals.get(change, [])))
    return rows


def report_change(store: EvidenceStore, change: str, outcome: str = "") -> Path:
    """Write a change's report and the pages of its notebooks. Call it before the seal, which then covers them.

    Args:
        outcome: How the run ended that this is written after, where no record tells.

    Raises:
        EvidenceError: The disk refuses, or a record cannot be read.
    """
    verdict = seals_of(store.folder)
    seals = [_seal_data(verdict, number) for number in rollup.seals_by_change(verdict).get(change, [])]
    made = utc_text(SystemClock().now())
    return write_report(store, change, ReportInfo(made=made, package=__version__, outcome=outcome, seals=seals))


def live_report(store: EvidenceStore, change: str, refresh: int) -> Path:
    """Write the page of a change that is under way; see :func:`end_live_report`.

    Args:
        refresh: Seconds after which a browser loads it again.

    Raises:
        EvidenceError: The disk refuses, or a record cannot be read.
    """
    made = utc_text(SystemClock().now())
    return write_live_report(store, change, ReportInfo(made, __version__, RUNNING, refresh=refresh))


def end_live_report(store: EvidenceStore, change: str) -> None:
    """Take that page away."""
    remove_live_report(store, change)


def change_shown(folder: Path) -> dict[str, Any]:
    """Give one change: its row, every attempt, and who sealed it.

    Args:
        folder: ``runs/<site>/<change>``.

    Raises:
        UsageError: It is no change.
    """
    site, change = folder.parent, folder.name
    store = RunStore(site.parent, site.name)
    asked, verdict = store.asked(change), seals_of(site)
    attempts = []
    for attempt in store.attempts(change):
        record = store.record(attempt)
        facts = {"server": attempt.server, "step": attempt.step, "attempt": attempt.number}
        told = {"mode": record.mode, "status": record.status.value, "summary": record.summary} if record else {}
        times = {"started": record.started, "finished": record.finished} if record else {}
        attempts.append({"status": "without a record", **facts, **told, **times})
    numbers = rollup.seals_by_change(verdict).get(change, [])
    row = rollup.change_row(asked, store.records(change), len(attempts), numbers)
    sealed = [_seal_data(verdict, number) for number in numbers]
    return {**row, "asked_for": asked, "steps": attempts, "sessions": session_rows(store, change), "sealed": sealed}


def _seal_data(verdict: Verdict, number: int) -> dict[str, Any]:
    one = next(seal for seal in verdict.seals if seal.number == number)
    claims = one.seal.claims
    who = dict(claims.about.get("who", {}))
    outcome = str(claims.about.get("outcome", ""))
    facts = {"number": number, "what": claims.what, "outcome": outcome, "sealed": claims.sealed, "who": who}
    return {**facts, "keyid": claims.keyid, "digest": one.digest, "files": len(one.seal.files)}


def export_site(folder: Path, out: Path, signer: Signer) -> tuple[Verdict, list[dict[str, Any]]]:
    """Export a site: seal what is not sealed yet, verify, and write a folder or ``.tar.gz`` for an auditor.

    It is written even when the verification finds flaws, and says so; the caller tells them.

    Returns:
        What the verification saw, and the changes.

    Raises:
        UsageError: ``out`` exists.
        EvidenceError: The disk refuses.
    """
    archive = SiteArchive(folder)
    now = utc_text(SystemClock().now())
    seal(archive, signer, "seal", About("exported", who(), tool()), SystemClock())
    contents = archive.contents()
    verdict = chain.verify(contents)
    rows = change_rows(folder, verdict)
    facts = {"VERSION": __version__, "MADE": now, "SITE": folder.name}
    beside = {
        rollup.VERIFY_FILE: verify_text(facts),
        rollup.CHANGES_FILE: rollup.changes_csv(rows),
        rollup.HEAD_FILE: f"{verdict.head.sha256 if verdict.head else ''}\n".encode(),
        f"{rollup.ROLLUP}/{KEY_FILE}": signer.public.pem,
    }
    if signer.chain:
        beside[f"{rollup.ROLLUP}/{CHAIN_FILE}"] = signer.chain
    about = {"made": now, "keyid": signer.keyid, "who": who(), "tool": tool()}
    payload, covered = rollup.rollup_statement(folder.name, verdict, rows, beside, about)
    signed = envelope_files(dsse.sign(payload, signer), covered)
    files = beside | {f"{rollup.ROLLUP}/{name}": data for name, data in signed.items()}
    write_export(archive, out, files, sorted([*contents.digests, *contents.sealing]))
    return verdict, rows


def flaw_lines(verdict: Verdict) -> list[str]:
    """Give one line per flaw: where, what, kind."""
    return [_line(flaw) for flaw in verdict.flaws]


def _line(flaw: Flaw) -> str:
    return f"{flaw.where}: {flaw.what} [{flaw.kind}]"
