"""What a server's job takes along from the controller's disk: evidence, what the site file names, the CA's replies.

Nothing secret is among it: the site file holds no secret, and neither do evidence, certificates and public keys. The
credentials file stays where it is; credentials are looked up where the job is performed.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlsrunbook.adapters.authority_folder import MAX_FILE
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.certificates.facts import certificate_facts, names_cover
from tlsrunbook.certificates.reply import read_reply
from tlsrunbook.errors import BadCertificateFile, UsageError
from tlsrunbook.evidence.layout import AFTER, APPROVAL, BEFORE, CHANGE, CHANGE_PLAN, OPERATOR, RECORD, REMEMBERED
from tlsrunbook.site import FolderAuthoritySettings, Server, Site

_PORTABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._()+-]{0,80}(?<![. ])\Z")
_TOO_LARGE = b"larger than any reply\n"
#: Kinds of files, as ``read_reply`` names them, that hold or may hold a private key.
_SECRET = frozenset({"pfx", "private-key", "zip-encrypted"})


def site_text(site: Site) -> str:
    """Give the text of a site's file.

    Raises:
        UsageError: It cannot be read any more.
    """
    try:
        return site.path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("the site file cannot be read any more", where=str(site.path)) from error


def named_files(site: Site) -> tuple[dict[str, str], dict[str, bytes]]:
    """Give the small files that a site file names: certificates and public keys.

    Returns:
        Dotted key of the site file -> name, and name -> content. What cannot be read is missing in both.
    """
    places: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for key, path in _paths(site):
        try:
            content = path.read_bytes()
        except OSError:
            continue  # whoever needs it says that it is missing
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.pem"
        places[key], files[name] = name, content
    return places, files


def _paths(site: Site) -> Iterator[tuple[str, Path]]:
    if site.authority.roots:
        yield "authority.roots", site.authority.roots
    if site.rehearsal:
        yield "rehearsal.roots", site.rehearsal.roots
    for number, approver in enumerate(site.policy.approvers):
        if isinstance(approver, Path):
            yield f"policy.approvers.{number}", approver
    for number, server in enumerate(site.servers):
        if server.logon.ca_file:
            yield f"servers.{number}.logon.ca_file", server.logon.ca_file


def relocated(text: str, places: Mapping[str, Path], credentials: Path | None, base: Path) -> str:
    """Rewrite a site file for the computer where its job is performed.

    Args:
        text: As the controller has it.
        places: Dotted key -> where that file is here.
        credentials: The credentials file here; None: the one the site file names, as a path of this computer.
        base: What a relative path of the credentials file is relative to.
    """
    import tomli_w  # noqa: PLC0415 - only where a job is performed for somebody else

    data = tomllib.loads(text)
    for key, path in places.items():
        *above, last = key.split(".")
        table: Any = data
        for part in above:
            table = table[int(part)] if isinstance(table, list) else table[part]
        table[int(last) if isinstance(table, list) else last] = str(path)
    named = data.get("credentials", {}).get("file")
    if credentials or named:
        data["credentials"] = {"file": str(credentials or base / Path(named).expanduser())}
    return tomli_w.dumps(data)


def prior_of(store: RunStore, change: str, server: str) -> dict[str, bytes]:
    """Give all evidence of a server in a change, by path below the site's folder."""
    found: dict[str, bytes] = {}
    for attempt in store.attempts(change, server):
        found |= _files(store, attempt.folder, attempt.files)
    return found


def context_of(store: RunStore, site: Site, server: Server, change: str) -> dict[str, bytes]:
    """Give what else of the evidence a server's steps look at, by path below the site's folder.

    That is: what was asked for, the change's plans and approvals where they are required, what other changes recorded
    of this server, and what was last recorded of the servers it has to do with.
    """
    found = _files(store, store.folder, (REMEMBERED,)) | _files(store, store.folder / change, (CHANGE,))
    if site.policy.approval == "required":
        for pattern in (CHANGE_PLAN, APPROVAL, OPERATOR):
            for path in store.filed(change, pattern):
                found |= _files(store, path.parent, (path.name,))
    for other in store.changes():
        for attempt in store.attempts(other, server.name) if other != change else ():
            found |= _files(store, attempt.folder, (RECORD, BEFORE, AFTER))
            found |= _files(store, store.folder / other, (CHANGE,))
    for peer in _peers(site, server):
        for folder in _newest(store, peer).values():
            change_folder = folder.parents[2]
            found |= _files(store, folder, (RECORD,)) | _files(store, change_folder, (CHANGE,))
    return found


def _newest(store: RunStore, server: str) -> dict[str, Path]:
    """Give the attempt of each step of a server that was applied and finished last, over all changes."""
    last: dict[str, tuple[str, Path]] = {}
    for change in store.changes():
        for attempt in store.attempts(change, server):
            record = store.record(attempt)
            if record and record.mode == "apply" and record.status.done:
                last[record.step] = max(last.get(record.step, ("", Path())), (record.finished, attempt.folder))
    return {step: folder for step, (_, folder) in last.items()}


def _peers(site: Site, server: Server) -> set[str]:
    named = {server.send_through, server.share_from} - {None}
    return {name for name in named if name} | {one.name for one in site.sent_through(server.name)}


def _files(store: RunStore, folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    found = {}
    for name in names:
        path = folder / name
        if path.is_file():
            found[path.relative_to(store.folder).as_posix()] = path.read_bytes()
    return found


def label_of(site: Site, server: Server) -> str:
    """Give what the CSRs of a server are called in the authority's folders."""
    return f"{site.name}-{server.name.lower()}"


@dataclass(frozen=True)
class AuthorityFiles:
    """What of the authority ``folder`` can be about one server.

    Args:
        outbox: Its CSRs by name.
        inbox: Replies by name.
        kept_back: Names in the inbox that do not travel, because a private key is in them.
    """

    outbox: Mapping[str, bytes] = field(default_factory=dict)
    inbox: Mapping[str, bytes] = field(default_factory=dict)
    kept_back: tuple[str, ...] = ()


def authority_files(site: Site, server: Server) -> AuthorityFiles:
    """Give what of the authority ``folder`` can be about a server; nothing for another kind of authority.

    From the inbox: replies for the keys of this server's CSRs or for its names, CA certificates, and whatever cannot be
    read, which the step tells of.

    Raises:
        OSError: A folder cannot be read.
    """
    settings = site.authority
    if not isinstance(settings, FolderAuthoritySettings) or site.rehearsal:
        return AuthorityFiles()
    own = re.compile(rf"{re.escape(label_of(site, server))}(-[0-9]+)?\.csr\Z")
    outbox = {path.name: path.read_bytes() for path in _visible(settings.outbox) if own.match(path.name)}
    keys = set(_csr_keys(outbox.values()))
    inbox, kept_back = {}, []
    for path in _visible(settings.inbox):
        content = path.read_bytes() if path.stat().st_size <= MAX_FILE else _TOO_LARGE
        if _concerns(content, keys, server.all_names):
            if b"PRIVATE KEY" in content or _kind(content) in _SECRET:
                kept_back.append(path.name)
            else:
                inbox[_portable(path.name, content)] = content
    return AuthorityFiles(outbox, inbox, tuple(kept_back))


def _visible(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _csr_keys(files: Iterable[bytes]) -> Iterator[str]:
    for content in files:
        try:
            yield read_csr(content).spki_sha256
        except BadCertificateFile:
            continue


def _concerns(content: bytes, keys: set[str], names: tuple[str, ...]) -> bool:
    try:
        facts = [certificate_facts(der) for der in read_reply(content)]
    except BadCertificateFile:
        return True
    return any(one.is_ca or one.spki_sha256 in keys or names_cover(one.names, names[0]) for one in facts)


def _kind(content: bytes) -> str:
    try:
        read_reply(content)
    except BadCertificateFile as error:
        return error.kind
    return ""


def _portable(name: str, content: bytes) -> str:
    """Give a file's name, or one in its place that every system takes."""
    return name if _PORTABLE.match(name) else f"reply-{hashlib.sha256(content).hexdigest()[:12]}"
