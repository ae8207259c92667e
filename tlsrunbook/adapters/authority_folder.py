"""A person as the authority: CSRs go into an outbox folder, the CA's replies are found in an inbox folder.

What the reply's file is called does not matter: it is found by the CSR's public key. Files are only ever added to the
outbox, and the inbox is only read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.adapters.whole_file import create_whole, is_part
from tlsrunbook.certificates.csr import Csr, read_csr
from tlsrunbook.certificates.facts import certificate_facts, names_cover, pem_of
from tlsrunbook.certificates.loading import load_certificate
from tlsrunbook.certificates.reply import read_reply
from tlsrunbook.errors import AuthorityFailed, BadCertificateFile, UsageError
from tlsrunbook.ports import Note

MAX_FILE = 1024 * 1024
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}\Z")
_MAX_CHAIN = 8
_LISTED = 5
_NEWEST = "see that the newest is the one that is meant"
_OTHER_KEY = "find the CA's reply to this very CSR; a certificate for another key cannot be used on this server"


@dataclass(frozen=True)
class _Reply:
    """One readable file of the inbox."""

    path: Path
    data: bytes
    certificates: tuple[bytes, ...]


class FolderAuthority:
    """Writes CSRs for a person to take to a CA, and finds what the CA answered.

    Args:
        outbox: Where ``<label>.csr`` is written; made when the first CSR is.
        inbox: Where a person puts the CA's reply; made together with the outbox.
        shown: What people call the outbox, where it is a copy of one on another computer; empty: its path.
    """

    def __init__(self, outbox: Path, inbox: Path, shown: str = "") -> None:
        self._outbox = outbox
        self._inbox = inbox
        self._shown = shown or str(outbox)
        self._notes: tuple[Note, ...] = ()

    @property
    def name(self) -> str:
        """What people call it."""
        return f"folder {self._shown}"

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the last :meth:`collect` passed over in the inbox, and why."""
        return self._notes

    def submit(self, csr_pem: str, label: str) -> str:
        """Write the CSR into the outbox and give the file's path.

        A file that holds a CSR for the same key already is left alone. One that holds anything else is never written
        over: the new file gets a number then.

        Raises:
            AuthorityFailed: A folder cannot be made or written.
            BadCertificateFile: It is not a CSR.
            UsageError: The label cannot be a file's name.
        """
        _check_label(label)
        csr = read_csr(csr_pem)
        try:
            self._outbox.mkdir(parents=True, exist_ok=True)
            self._inbox.mkdir(parents=True, exist_ok=True)
            placed = self._place(csr, label)
            return str(placed) if self._shown == str(self._outbox) else f"{self._shown}: {placed.name}"
        except OSError as error:
            raise AuthorityFailed(
                f"the CSR cannot be written ({error.strerror or error})",
                where=str(error.filename or self._outbox),
                todo="see that the folders authority.outbox and authority.inbox can be reached and written",
            ) from error

    def holds(self, csr_pem: str, label: str) -> bool:
        """Whether a CSR with this key lies in the outbox under this label.

        Raises:
            AuthorityFailed: The outbox cannot be read.
            BadCertificateFile: It is not a CSR.
        """
        csr = read_csr(csr_pem)
        try:
            if not self._outbox.is_dir():  # made by the first submit
                return False
            names = re.compile(rf"{re.escape(label)}(-[0-9]+)?\.csr\Z")
            return any(_holds(path, csr) for path in self._outbox.iterdir() if names.match(path.name))
        except OSError as error:
            raise self._unreadable(error, self._outbox, "outbox") from error

    def collect(self, csr_pem: str, label: str) -> bytes | None:  # noqa: ARG002 - found by key, whatever the name
        """Give the CA's reply for this CSR's key, or None while the inbox has none.

        When several files have a certificate for the key, the one that is issued last counts. Intermediates that lie
        in other files are put behind it.

        Returns:
            The file's bytes as they are; or, with intermediates of other files, PEM with the leaf first.

        Raises:
            AuthorityFailed: The inbox cannot be read.
            BadCertificateFile: It is not a CSR.
        """
        csr = read_csr(csr_pem)
        notes: list[Note] = []
        replies = list(self._replies(notes))
        found = [(leaf, reply) for reply in replies for leaf in reply.certificates if _key(leaf) == csr.spki_sha256]
        # The serial decides between two of the same second, so that the choice never depends on the folder's order.
        found.sort(key=lambda pair: (certificate_facts(pair[0]).not_before, certificate_facts(pair[0]).serial))
        others = [reply for reply in replies if all(reply is not one for _, one in found)]
        notes += _about_others(others, csr, answered=bool(found))
        if found:
            older = dict.fromkeys(reply.path.name for leaf, reply in found[:-1] if leaf != found[-1][0])
            notes += [
                Note(f"{name}: has a certificate for this key that was issued earlier", _NEWEST) for name in older
            ]
        self._notes = tuple(notes)
        return _with_intermediates(*found[-1], replies) if found else None

    def take_in(self, certificates: Sequence[bytes], label: str) -> Path:
        """Put certificates that somebody was given by the CA into the inbox, where :meth:`collect` finds them.

        The file is written whole or not at all, and never over another one. The same certificates go into one file.

        Args:
            certificates: DER; nothing but certificates ever comes into the file.
            label: As for :meth:`submit`.

        Raises:
            AuthorityFailed: The inbox cannot be written.
            UsageError: The label cannot be a file's name.
        """
        _check_label(label)
        data = pem_of(certificates)
        path = self._inbox / f"{label}-{hashlib.sha256(data).hexdigest()[:16]}.pem"
        try:
            self._inbox.mkdir(parents=True, exist_ok=True)
            if create_whole(path, data) or path.read_bytes() == data:
                return path
            what = "there is another file of this name"
        except OSError as error:
            what = f"the CA's answer cannot be written ({error.strerror or error})"
        todo = "see that the folder authority.inbox of the site file can be reached and written"
        raise AuthorityFailed(what, where=str(path), todo=todo)

    def _place(self, csr: Csr, label: str) -> Path:
        """Put the CSR into the first file of this label that is free or holds the same key."""
        number = 1
        while True:
            path = self._outbox / (f"{label}.csr" if number == 1 else f"{label}-{number}.csr")
            if _holds(path, csr):
                return path
            if not path.exists() and create_whole(path, csr.pem.encode("ascii")):
                return path
            if not _holds(path, csr):  # somebody else was first, unless it was this very CSR
                number += 1

    def _replies(self, notes: list[Note]) -> Iterator[_Reply]:
        try:
            paths = sorted(path for path in self._inbox.iterdir() if path.is_file() and not is_part(path))
        except OSError as error:
            raise self._unreadable(error, self._inbox, "inbox") from error
        for path in paths:
            try:
                data = _read_capped(path)
                yield _Reply(path, data, read_reply(data, where=path.name))
            except OSError as error:
                notes.append(
                    Note(f"{path.name}: cannot be read ({error.strerror or error})", "see to the file's rights")
                )
            except BadCertificateFile as error:
                notes.append(Note(f"{path.name}: {error.what}", error.todo))

    @staticmethod
    def _unreadable(error: OSError, folder: Path, key: str) -> AuthorityFailed:
        return AuthorityFailed(
            f"the {key} cannot be read ({error.strerror or error})",
            where=str(folder),
            todo=f"see that the folder authority.{key} of the site file exists and can be read",
        )


def _check_label(label: str) -> None:
    if not _LABEL.match(label):
        raise UsageError(
            f"{label!r} cannot be the name of a CSR file", todo="use letters, digits, '.', '-' and '_' in names"
        )


def _read_capped(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise BadCertificateFile("it is larger than 1 MiB, which no CA's reply is", kind="too-large")
    return data


def _holds(path: Path, csr: Csr) -> bool:
    """Whether a file holds a CSR for the same key."""
    try:
        return read_csr(_read_capped(path)).spki_sha256 == csr.spki_sha256
    except (FileNotFoundError, BadCertificateFile):
        return False


def _about_others(replies: list[_Reply], csr: Csr, *, answered: bool) -> list[Note]:
    """Tell of the files that have nothing for a CSR's key; those for the same FQDN one by one while it waits."""
    notes: list[Note] = []
    rest: list[str] = []
    for reply in replies:
        leaf = next(
            (facts for facts in map(certificate_facts, reply.certificates) if _same_name(facts.names, csr)), None
        )
        if leaf is None or answered or len(notes) == _LISTED:
            rest.append(reply.path.name)
            continue
        what = f"a certificate for {leaf.title} with another key, thumbprint {leaf.thumbprint}"
        notes.append(Note(f"{reply.path.name}: {what}, from {leaf.not_before:%Y-%m-%d}", _OTHER_KEY))
    return notes + ([Note(f"{_listed(rest)}: nothing for this CSR's key", concerns=False)] if rest else [])


def _same_name(names: tuple[str, ...], csr: Csr) -> bool:
    return bool(csr.asked_names) and names_cover(names, csr.asked_names[0])


def _key(der: bytes) -> str:
    return certificate_facts(der).spki_sha256


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more files"


def _with_intermediates(leaf: bytes, reply: _Reply, replies: list[_Reply]) -> bytes:
    """Give the reply as it is, or with the intermediates it lacks when other files have them."""
    known = [der for other in replies for der in other.certificates if certificate_facts(der).is_ca]
    chain = [leaf]
    while len(chain) < _MAX_CHAIN:
        issuer = next((der for der in known if der not in chain and _issued(der, chain[-1])), None)
        # The root is not part of a chain that is sent: every client has its own.
        if issuer is None or certificate_facts(issuer).self_signed:
            break
        chain.append(issuer)
    if set(chain) <= set(reply.certificates):
        return reply.data
    rest = [der for der in reply.certificates if der not in chain]
    return b"".join(load_certificate(der).public_bytes(Encoding.PEM) for der in (*chain, *rest))


def _issued(issuer: bytes, der: bytes) -> bool:
    """Whether a CA's key signed a certificate."""
    try:
        load_certificate(der).verify_directly_issued_by(load_certificate(issuer))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
