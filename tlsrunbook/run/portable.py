"""A server's job as JSON, to be performed on another computer, and what comes back of it.

Both hold files with their digests, and nothing else than data: no objects, no exceptions, no credential and no signing
key. A file whose content is not what its digest says is not taken.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from tlsrunbook.errors import EvidenceError

#: Path, with ``/``, to content.
Files = Mapping[str, bytes]

JOB_FORMAT, RESULT_FORMAT = "tlsrunbook-job-1", "tlsrunbook-result-1"
#: Why a worker refuses a job that it was given twice: what it left is brought back, and it is not done again.
BEGUN_ALREADY = "begun-already"
#: Larger than any evidence; what is larger was not made by this package.
MAX_FILE, MAX_ALL = 64 * 1024 * 1024, 512 * 1024 * 1024
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._()+@,=-]{0,119}\Z")
_MAX_PARTS = 8
# Names that a Windows computer takes for a device, whatever their ending.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class PortableJob:
    """The work on one server, complete: it is performed without another look at the controller.

    Args:
        job: Its id, never used twice.
        topic: Under which the worker tells of its work while it works.
        package: Version of this package.
        site: Site name.
        server: Server name.
        change: Change id.
        mode: ``plan`` or ``apply``.
        steps: Ids, in order.
        named: Whether the steps were asked for by name: then they are run even when they are done.
        who: Who asked for it: ``user``, ``host``, ``process``.
        why: Ticket and reason.
        rehearsal: The site file that is rehearsed; empty for real work.
        site_file: Its text.
        places: Dotted key of the site file -> name in ``beside``.
        beside: The small files that the site file names: certificates, public keys.
        prior: Evidence of this change and server so far, by path below the site's folder.
        context: What else of the evidence the steps look at, by path below the site's folder; only to be read.
        outbox: CSRs of this server in the authority's outbox.
        outbox_at: Where people find that outbox, on the controller.
        inbox: The CA's replies that may be for this server.
    """

    job: str
    topic: str
    package: str
    site: str
    server: str
    change: str
    mode: str
    steps: tuple[str, ...]
    named: bool
    who: Mapping[str, str]
    why: Mapping[str, str]
    rehearsal: str
    site_file: str
    outbox_at: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    beside: Files = field(default_factory=dict)
    prior: Files = field(default_factory=dict)
    context: Files = field(default_factory=dict)
    outbox: Files = field(default_factory=dict)
    inbox: Files = field(default_factory=dict)


@dataclass(frozen=True)
class PortableResult:
    """What became of a job.

    Args:
        job: Its id.
        worker: ``user``, ``host``, ``process``.
        refused: ``code`` and ``what`` when the worker did not begin; empty else.
        records: Paths in ``files`` of the records that this job made, in order.
        undone: Ids of steps that were not begun because the run was told to stop.
        wrong: What went wrong and stands in no record, one line each.
        files: Evidence that was not in the job, by path below the site's folder; of earlier jobs too that were broken
            off before they could give it back.
        outbox: CSRs for the authority's outbox.
    """

    job: str
    worker: Mapping[str, str]
    refused: Mapping[str, str] = field(default_factory=dict)
    records: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    files: Files = field(default_factory=dict)
    outbox: Files = field(default_factory=dict)


_FILES = {"beside", "prior", "context", "outbox", "inbox", "files"}
_LISTS = {"steps", "records", "undone", "wrong"}
_Portable = TypeVar("_Portable", PortableJob, PortableResult)


def to_text(value: PortableJob | PortableResult) -> str:
    """Write it as JSON."""
    data = {name: _packed(one) if name in _FILES else one for name, one in asdict(value).items()}
    kind = JOB_FORMAT if isinstance(value, PortableJob) else RESULT_FORMAT
    return json.dumps({"format": kind, **data}, ensure_ascii=True)


def job_from_text(text: str) -> PortableJob:
    """Read a job.

    Raises:
        EvidenceError: It is not one, or a file is not what its digest says.
    """
    return _read(text, PortableJob, JOB_FORMAT, "the job")


def result_from_text(text: str) -> PortableResult:
    """Read a result.

    Raises:
        EvidenceError: It is not one, or a file is not what its digest says.
    """
    return _read(text, PortableResult, RESULT_FORMAT, "the result")


def _read(text: str, kind: type[_Portable], format_: str, what: str) -> _Portable:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"{what} is not JSON", todo=_SAME) from error
    if not isinstance(data, dict) or data.get("format") != format_:
        raise EvidenceError(f"{what} is not in the form {format_}", todo=_SAME)
    known = {one.name for one in fields(kind)}
    values = {name: _value(name, data.get(name), what) for name in known}
    return kind(**values)


_SAME = "install the same version of tlsrunbook on the controller and on every worker"
_TEXTS = {"job", "topic", "package", "site", "server", "change", "mode", "rehearsal", "site_file", "outbox_at"}


def _value(name: str, value: Any, what: str) -> Any:
    if name in _FILES:
        return _unpacked(value, f"{what}, {name}")
    if name in _LISTS and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if name == "named" and isinstance(value, bool):
        return value
    if name in _TEXTS and isinstance(value, str):
        return value
    texts = isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    if texts and name not in _LISTS | _TEXTS | {"named"}:
        return value
    raise EvidenceError(f"{name} of {what} is missing or of another kind", todo=_SAME)


def sha256(content: bytes) -> str:
    """Give a content's digest, hex."""
    return hashlib.sha256(content).hexdigest()


def safe_name(name: str) -> bool:
    """Whether a path can only lead downwards, on every system: no parent, drive, device, or hidden file."""
    parts = name.split("/")
    return len(parts) <= _MAX_PARTS and all(_PART.match(part) and _plain(part) for part in parts)


def _plain(part: str) -> bool:
    return not part.endswith((".", " ")) and not _DEVICE.match(part)


def _packed(files: Files) -> dict[str, dict[str, str | int]]:
    return {
        name: {
            "sha256": sha256(content),
            "size": len(content),
            "zlib": base64.b64encode(zlib.compress(content)).decode("ascii"),
        }
        for name, content in sorted(files.items())
    }


def _unpacked(data: Any, where: str) -> dict[str, bytes]:
    if not isinstance(data, dict):
        raise EvidenceError("the files are missing", where=where, todo=_SAME)
    files: dict[str, bytes] = {}
    total = 0
    for name, facts in data.items():
        if not safe_name(name):
            raise EvidenceError(f"a file is named {name!r}", where=where, todo="find out who sends such a thing")
        content = _content(facts, f"{where}: {name}")
        total += len(content)
        if total > MAX_ALL:
            raise EvidenceError(f"more than {MAX_ALL} bytes", where=where, todo="find out who sends such a thing")
        files[name] = content
    return files


def _content(facts: Any, where: str) -> bytes:
    """Give a file's content, and never more of it than was announced."""
    try:
        size, packed = int(facts["size"]), base64.b64decode(facts["zlib"], validate=True)
        engine = zlib.decompressobj()
        content = engine.decompress(packed, size + 1) if 0 <= size <= MAX_FILE else b""
        if len(content) == size and engine.eof and sha256(content) == facts["sha256"]:
            return content
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error) as error:
        raise EvidenceError("the file cannot be read", where=where, todo=_SAME) from error
    raise EvidenceError("the file is not what its digest says", where=where, todo="run the same change again")
