"""A session: what a person did from ``runbook.ipynb``, closed by *Finish*. Pure; the Jupyter server reads it, too.

*Finish* writes ``<change>/sessions/<n>/session.json`` and shows it in the notebook as an ordinary output of the media
type :data:`MEDIA_TYPE`, with the file's SHA-256. The Jupyter server sees that output in the saved notebook
(:func:`finished_in`), compares the digest with the file (:func:`read_session`), and puts the notebook's bytes beside it
(:data:`~tlsrunbook.evidence.layout.SESSION_NOTEBOOK`). A session without that file has no rendering.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from tlsrunbook.evidence.data import read_stated, readable_json
from tlsrunbook.evidence.layout import SESSION, SESSION_NOTEBOOK

SCHEMA = "tlsrunbook.session/1"
#: Media type of the output by which a notebook says that its session was finished.
MEDIA_TYPE = "application/vnd.tlsrunbook.session.v1+json"
#: Key of this package in a notebook's metadata (as in executed notebooks); ``source``, ``source_sha256`` in it.
METADATA = "tlsrunbook"
#: Cell id of the cell that finishes.
FINISH_CELL = "finish"


@dataclass(frozen=True)
class Done:
    """One attempt that belongs to a session.

    Args:
        record: Path of its record below the change's folder, POSIX.
        sha256: Of that file.
    """

    step: str
    attempt: int
    mode: str
    status: str
    record: str
    sha256: str


@dataclass(frozen=True)
class Session:
    """What was done on one server in one change.

    Args:
        number: From 1, in its change.
        begun: UTC, the first attempt's start.
        finished: UTC.
        who: ``user``, ``host``, ``process``.
        tool: Versions.
        done: The attempts, in the order in which they were begun.
    """

    site: str
    server: str
    change: str
    number: int
    begun: str
    finished: str
    who: Mapping[str, str]
    tool: Mapping[str, str]
    done: tuple[Done, ...] = ()

    def data(self) -> dict[str, Any]:
        """Give it as JSON-able data, ``schema`` first."""
        own = {key: value for key, value in vars(self).items() if key not in ("done", "who", "tool")}
        return {
            "schema": SCHEMA,
            **own,
            "who": dict(self.who),
            "tool": dict(self.tool),
            "done": [vars(one) for one in self.done],
        }

    def encoded(self) -> bytes:
        """Give the bytes of ``session.json``."""
        return readable_json(self.data())

    @property
    def file(self) -> str:
        """Path of ``session.json`` below the change's folder."""
        return SESSION.format(self.number)

    @property
    def notebook(self) -> str:
        """Path of the archived notebook below the change's folder."""
        return SESSION_NOTEBOOK.format(self.number)


def read_session(content: bytes, *, where: str = "") -> Session:
    """Read a session.

    Raises:
        EvidenceError: It is none, or of a schema that this version does not know.
    """

    def make(data: dict[str, Any]) -> Session:
        return Session(**{**data, "done": tuple(Done(**one) for one in data["done"])})

    return read_stated(content, SCHEMA, make, what="session", where=where)


@dataclass(frozen=True)
class Finished:
    """What a notebook shows of a finished session.

    Args:
        runs: The folder of the evidence as the notebook has it; relative to the notebook's folder when not absolute.
        sha256: Of ``session.json``: the head that the notebook and the evidence have in common.
    """

    site: str
    server: str
    change: str
    number: int
    runs: str
    sha256: str

    def data(self) -> dict[str, Any]:
        """Give what stands under :data:`MEDIA_TYPE` in the output."""
        return {"schema": SCHEMA, **vars(self)}


def finished(session: Session, runs: str) -> Finished:
    """Give what the notebook shows of a session that was written."""
    head = hashlib.sha256(session.encoded()).hexdigest()
    return Finished(session.site, session.server, session.change, session.number, runs, head)


def finished_in(notebook: Mapping[str, Any]) -> tuple[Finished, ...]:
    """Give the finished sessions that a saved notebook shows, in order; what is malformed is passed over.

    Args:
        notebook: As ``json.loads`` gives it.
    """
    found = []
    for cell in notebook.get("cells", ()):
        for output in cell.get("outputs", ()) if isinstance(cell, Mapping) else ():
            data = output.get("data", {}).get(MEDIA_TYPE)
            one = _finished(data) if isinstance(data, Mapping) and data.get("schema") == SCHEMA else None
            if one:
                found.append(one)
    return tuple(found)


def _finished(data: Mapping[str, Any]) -> Finished | None:
    fields = {key: value for key, value in data.items() if key != "schema"}
    texts = all(isinstance(fields.get(name), str) for name in ("site", "server", "change", "runs", "sha256"))
    try:
        return Finished(**fields) if texts and isinstance(fields.get("number"), int) else None
    except TypeError:
        return None


@dataclass(frozen=True, repr=False)
class FinishedShown:
    """A finished session as an ordinary output.

    Args:
        lines: One line per step, for people.
    """

    finished: Finished
    session: Session
    lines: tuple[str, ...] = field(default=())

    def _sentences(self) -> list[str]:
        one = self.session
        return [
            f"Session {one.number} of change {one.change} on {one.server} ({one.site}) was finished at {one.finished}.",
            *self.lines,
            f"Head of the session (SHA-256 of {one.change}/{one.file}): {self.finished.sha256}",
            "Save this notebook now: the Jupyter server puts the saved file beside the records and seals them.",
        ]

    def __repr__(self) -> str:
        return "\n".join(self._sentences())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        del include, exclude
        first, *rest = (escape(line) for line in self._sentences())
        style = "margin:2px 0;overflow-wrap:anywhere"
        body = "".join(f'<p style="{style}">{line}</p>' for line in rest)
        return {
            "text/html": f'<div><p style="{style};font-size:15px"><strong>✔ {first}</strong></p>{body}</div>',
            "text/plain": repr(self),
            MEDIA_TYPE: self.finished.data(),
        }
