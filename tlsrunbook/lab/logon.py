"""Logging on to the lab's WinRM endpoints: real NTLM through pyspnego, and Basic.

pyspnego looks NTLM accounts up in one file per process, which an environment variable names. Several labs, and many
servers with the same user names, share a process; so the file is filled with one server's accounts for the moment in
which that server checks an answer, under a lock. It holds NT hashes only, in a folder that only this user can read.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import spnego
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from spnego._ntlm_raw.crypto import ntowfv1
from spnego.channel_bindings import GssChannelBindings

_VARIABLE = "NTLM_USER_FILE"
_RAW = b"NTLMSSP\x00"
_AUTHENTICATE = _RAW + b"\x03\x00\x00\x00"
# An NTLMv1 answer has 24 bytes; only version 2 carries the channel binding.
_NTLM_V1 = 24


class _UserFile:
    """The one account file of this process."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tlsrunbook-logon-")  # readable by this user alone
        self._path = Path(self._folder.name, "accounts")
        self._path.touch(mode=0o600)
        self._rows = ""
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, rows: str) -> Iterator[None]:
        """Show pyspnego these accounts and no others."""
        with self._lock:
            if rows != self._rows:
                self._path.write_text(rows, encoding="utf-8")
                self._rows = rows
            # Set and never removed: other threads may be reading the environment.
            if os.environ.get(_VARIABLE) != str(self._path):
                os.environ[_VARIABLE] = str(self._path)
            yield


@cache
def _user_file(process_id: int) -> _UserFile:  # noqa: ARG001  # a forked child needs a file of its own
    return _UserFile()


@dataclass(frozen=True)
class Verdict:
    """What one step of a logon led to.

    Args:
        user: Who it is, as the account is spelled; empty while it is not known, and when the logon failed.
        token: What goes back to the client in base64, may be empty.
    """

    user: str = ""
    token: str = ""


class Accounts:
    r"""The accounts of one server, and how they log on.

    Args:
        computer: NetBIOS name.
        passwords: By user name: ``name`` or ``COMPUTER\name`` is a local account, ``DOMAIN\name`` and ``name@realm``
            are the domain's. They live in memory only.
        certificate: The endpoint's TLS certificate as DER, which a client must name in its NTLM answer.

    Raises:
        ValueError: A user name holds a colon or a line end.
    """

    def __init__(self, computer: str, passwords: Mapping[str, str], certificate: bytes) -> None:
        self._passwords = dict(passwords)
        self._known: dict[str, str] = {}
        self._local: set[str] = set()
        rows = []
        for account, password in self._passwords.items():
            if any(letter in account for letter in ":\r\n") or not account:
                raise ValueError(f"{account!r} is not a user name")
            spellings = _spellings(account, computer)
            if len(spellings) > 1:
                self._local.add(account)
            self._known.update((spelling.casefold(), account) for spelling in spellings)
            rows += [_row(spelling, password) for spelling in spellings]
        self._rows = "".join(rows)
        self._binding = _end_point_binding(certificate)

    def basic(self, value: str) -> str:
        """Check the value of a Basic header and give the account; empty when it is refused.

        As on Windows, Basic reaches local accounts only.
        """
        try:
            user, _, password = _text(base64.b64decode(value, validate=True)).partition(":")
        except ValueError:
            return ""
        account = self._known.get(user.casefold(), "")
        expected = self._passwords.get(account, "")
        right = hmac.compare_digest(password.encode(), expected.encode())
        return account if account in self._local and right else ""

    def negotiation(self) -> Negotiation:
        """Begin an NTLM logon; it belongs to one TCP connection."""
        return Negotiation(self._known, self._rows, self._binding)


class Negotiation:
    """One NTLM logon under way, raw or within SPNEGO."""

    def __init__(self, known: Mapping[str, str], rows: str, binding: GssChannelBindings) -> None:
        self._known = known
        self._rows = rows
        self._binding = binding
        self._context: spnego.ContextProxy | None = None

    def step(self, value: str) -> Verdict:
        """Take the client's next token (base64, as it stands in the header).

        An empty verdict means that the logon failed and a new one has to be begun.
        """
        try:
            token = base64.b64decode(value, validate=True)
            if not token or not _is_ntlm_v2(token):
                return Verdict()
            with _user_file(os.getpid()).holding(self._rows):
                context = self._context = self._context or self._new(token)
                answer = context.step(token) or b""
                user = self._known.get((context.client_principal or "").casefold(), "") if context.complete else ""
        except Exception:  # noqa: BLE001  # pyspnego raises whatever a junk token makes its parsers raise
            return Verdict()
        return Verdict(user, base64.b64encode(answer).decode("ascii"))

    def _new(self, token: bytes) -> spnego.ContextProxy:
        options = spnego.NegotiateOptions.use_ntlm
        protocol = "ntlm"
        if not token.startswith(_RAW):
            protocol, options = "negotiate", options | spnego.NegotiateOptions.use_negotiate
        return spnego.server(protocol=protocol, options=options, channel_bindings=self._binding)


def _text(data: bytes) -> str:
    """Read a Basic header's bytes, whose encoding nobody says: Latin-1 from ``requests``, UTF-8 from others."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _spellings(account: str, computer: str) -> list[str]:
    r"""Give all spellings of an account; a local one may come as ``name``, ``COMPUTER\name`` and ``.\name``."""
    domain, slash, name = account.rpartition("\\")
    if "@" in account or (slash and domain.casefold() not in (computer.casefold(), ".")):
        return [account]
    return [name, f"{computer}\\{name}", f".\\{name}"]


def _row(user: str, password: str) -> str:
    # smbpasswd's format. The LM hash is a random one: nobody logs on with LAN Manager here.
    return f"{user}:0:{secrets.token_hex(16).upper()}:{ntowfv1(password).hex().upper()}:[U]:LCT-0\n"


def _end_point_binding(certificate: bytes) -> GssChannelBindings:
    """Name a TLS certificate as RFC 5929 does (``tls-server-end-point``)."""
    algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    if algorithm is None or algorithm.name in ("md5", "sha1"):
        algorithm = hashes.SHA256()
    digest = hashes.Hash(algorithm)
    digest.update(certificate)
    return GssChannelBindings(application_data=b"tls-server-end-point:" + digest.finalize())


def _is_ntlm_v2(token: bytes) -> bool:
    """Whether a token is no NTLM answer at all, or one of version 2."""
    at = token.find(_AUTHENTICATE)
    return at < 0 or int.from_bytes(token[at + 20 : at + 22], "little") > _NTLM_V1
