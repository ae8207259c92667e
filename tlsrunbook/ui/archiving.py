"""Puts the saved notebook of a session into the evidence, or writes down that there is none; then reports and seals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlsrunbook.adapters.origin import SystemClock, tool, who
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.errors import EvidenceError, LeaseHeld, TlsRunbookError
from tlsrunbook.evidence.data import utc_text
from tlsrunbook.evidence.dsse import Signer
from tlsrunbook.evidence.layout import SESSION, SESSION_NOTEBOOK, SESSION_PAGE, SESSION_RENDERING
from tlsrunbook.evidence.notebook_html import notebook_html
from tlsrunbook.evidence.page import page_bytes
from tlsrunbook.evidence.record import Record
from tlsrunbook.evidence.rendering import Rendering, holds_any, kept
from tlsrunbook.run.abandoned import reconcile
from tlsrunbook.run.notices import Notice
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.run.sealing import About, outcome_of
from tlsrunbook.steps.registry import ALL_STEPS
from tlsrunbook.ui.closing import close_session, session_at
from tlsrunbook.ui.session import MEDIA_TYPE, METADATA, Finished, Session, finished_in
from tlsrunbook.wiring_evidence import seal_work

_MARK = MEDIA_TYPE.encode("ascii")


@dataclass(frozen=True)
class Saved:
    """A notebook as it was saved, with the sessions that it shows as finished."""

    path: Path
    content: bytes
    notebook: Mapping[str, Any]
    sessions: tuple[Finished, ...]


def saved_at(path: Path) -> Saved | None:
    """Read a saved notebook; None when it is none, shows no finished session, or is just being saved again."""
    try:
        content = path.read_bytes()
        if _MARK not in content:
            return None
        notebook = json.loads(content)
        sessions = finished_in(notebook)
    except (OSError, ValueError, AttributeError, TypeError):
        return None
    return Saved(path, content, notebook, sessions) if sessions else None


@dataclass(frozen=True)
class Place:
    """A session in the evidence.

    Args:
        sha256: Of ``session.json`` as it lies there.
    """

    store: RunStore
    session: Session
    sha256: str

    @property
    def settled(self) -> bool:
        """Whether it is written down what became of its notebook."""
        return (self.store.folder / self.session.change / SESSION_RENDERING.format(self.session.number)).exists()


def place_of(shown: Finished, notebook: Path) -> Place | None:
    """Find the session that a notebook shows; None when it is not there. Nothing is taken from the notebook on trust.

    Args:
        shown: What the notebook shows.
        notebook: Where it was saved; a relative path to the evidence is seen from there.
    """
    names = (shown.site, shown.change)
    if any(Path(name).name != name or name in ("", ".", "..") for name in names):
        return None
    store = RunStore((notebook.parent / shown.runs).resolve(), shown.site)
    return _place(store, store.folder / shown.change / SESSION.format(shown.number))


def _place(store: RunStore, path: Path) -> Place | None:
    session = session_at(path)
    return Place(store, session, hashlib.sha256(path.read_bytes()).hexdigest()) if session else None


def unsettled(store: RunStore, change: str, server: str) -> Iterator[Place]:
    """Give the sessions of a server for which it is not written down yet what became of the notebook."""
    for path in store.filed(change, SESSION):
        if not path.with_name(Path(SESSION_RENDERING).name).exists():
            place = _place(store, path)
            if place and place.session.server == server:
                yield place


@dataclass
class Archiving:
    """Does the work; every method may take a while.

    Args:
        signer: Gives the signer, from this process's own key.
        tell: Gets a line per report, seal and archived notebook.
    """

    signer: Callable[[], Signer]
    tell: Callable[[str], None]
    _clock: SystemClock = field(default_factory=SystemClock)

    def archive(self, place: Place, shown: Finished, saved: Saved, secrets: Iterable[str]) -> None:
        """Put a saved notebook beside its session, once, and seal.

        Args:
            secrets: Texts that must not stand in it.

        Raises:
            TlsRunbookError: It does not belong to this session, it holds a secret, or it cannot be written or sealed.
        """
        if shown.sha256 != place.sha256:
            what = "the saved notebook shows another head than its session has: it is not archived"
            raise EvidenceError(what, where=str(saved.path), todo="run the cell that finishes again, and save")
        if holds_any(saved.content, secrets):
            what = "the saved notebook holds the value of a credential or a token: it is not archived"
            raise EvidenceError(what, where=str(saved.path), todo="take it out of the notebook, and save again")
        one, left = place.session, kept(saved.content, saved.notebook)
        content = self._filed(place, SESSION_NOTEBOOK, left.content)
        title = f"{one.site} / {one.server}: session {one.number}, change {one.change}"
        page = notebook_html(json.loads(content), title, {step.id: step.title for step in ALL_STEPS})
        self._filed(place, SESSION_PAGE, page_bytes(page))
        rendering = Rendering(
            at=utc_text(self._clock.now()),
            session=place.sha256,
            notebook=saved.path.name,
            sha256=hashlib.sha256(content).hexdigest(),
            saved_sha256=left.saved_sha256,
            left_out=left.left_out,
        )
        self._filed(place, SESSION_RENDERING, rendering.encoded())
        self.tell(f"archived: {saved.path.name} as session {one.number} of change {one.change}")
        self._seal(place, _source(saved.notebook))

    def missing(self, place: Place, why: str, *, at_rest: bool = False) -> None:
        """Write down that a session has no notebook, and why; then seal.

        Args:
            at_rest: Whether nothing is at work on the session's server any more.

        Raises:
            TlsRunbookError: It cannot be written or sealed.
        """
        rendering = Rendering(at=utc_text(self._clock.now()), session=place.sha256, why=why)
        self._filed(place, SESSION_RENDERING, rendering.encoded())
        self.tell(f"no notebook for session {place.session.number} of change {place.session.change}: {why}")
        self._seal(place, {}, at_rest=at_rest)

    def ended(self, notice: Notice, why: str) -> None:
        """Settle what a kernel did that has ended: its finished sessions, and one for what was not finished.

        While nobody else works on the server, the records are written of steps that the kernel broke off.

        Args:
            why: What ended it.

        Raises:
            TlsRunbookError: Something cannot be written or sealed.
        """
        store = RunStore(Path(notice.folder).parent, Path(notice.folder).name)
        try:
            lease = store.lease(notice.server, who(), "JupyterLab: sealing what an ended kernel did")
        except LeaseHeld:
            self._ended(store, notice, why, at_rest=False)
            return
        try:
            reconcile(store, notice.change, notice.server, _circumstances(store, notice.change))
            self._ended(store, notice, why, at_rest=True)
        finally:
            lease.release()

    def _ended(self, store: RunStore, notice: Notice, why: str, *, at_rest: bool) -> None:
        for place in unsettled(store, notice.change, notice.server):
            self.missing(place, f"{why} before the notebook was saved", at_rest=at_rest)
        session = close_session(
            store,
            notice.change,
            notice.server,
            since=notice.since,
            now=utc_text(self._clock.now()),
            who=who(),
            tool=tool(),
        )
        own = _place(store, store.folder / notice.change / session.file) if session else None
        if own is not None:
            self.missing(own, f"{why} before the session was finished", at_rest=at_rest)

    def _filed(self, place: Place, name: str, content: bytes) -> bytes:
        """Write a file of a session once, and give what is there."""
        change, file = place.session.change, name.format(place.session.number)
        if place.store.file(change, file, content):
            return content
        return (place.store.folder / change / file).read_bytes()  # of a server that was ended before it was done

    def _seal(self, place: Place, notebooks: Mapping[str, str], *, at_rest: bool = False) -> None:
        store, one = place.store, place.session
        belongs = {(done.step, done.attempt) for done in one.done}
        records: tuple[Record, ...] = tuple(
            record for record in store.records(one.change, one.server) if (record.step, record.attempt) in belongs
        )
        about = About(
            outcome=outcome_of(records),
            who=who(),
            tool=tool(),
            changes={one.change: store.asked(one.change)},
            records=records,
            notebooks=notebooks,
            ended=(f"{one.change}/{one.server}",) if at_rest else (),
        )
        _, problems = seal_work(store, self.signer(), "session", about, self.tell)
        if problems:
            raise TlsRunbookError(f"the change could not be reported: {problems[0].what}", where=problems[0].where)


def _circumstances(store: RunStore, change: str) -> Circumstances:
    asked = store.asked(change)
    why = {key: str(asked.get(key, "")) for key in ("ticket", "reason")}
    return Circumstances(who(), why, tool(), str(asked.get("rehearsal", "")))


def _source(notebook: Mapping[str, Any]) -> dict[str, str]:
    """Give name and SHA-256 of the committed notebook that a working copy was made from, as it says itself."""
    origin = notebook.get("metadata", {}).get(METADATA, {})
    source, sha256 = str(origin.get("source", "")), str(origin.get("source_sha256", ""))
    return {source: sha256} if source and sha256 else {}
