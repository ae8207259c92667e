"""One command on one server through pywinrm: the calls themselves, and nothing of what is said in them."""

from __future__ import annotations

import logging
import math
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlsrunbook.adapters.winrm_errors import WireError, guarded
from tlsrunbook.errors import UsageError
from tlsrunbook.secret import Credential, Secret

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter
    from winrm.protocol import Protocol

#: How servers let us log on.
METHODS = ("ntlm", "kerberos", "credssp", "certificate", "basic")

# Seconds to wait for a connection, and for an answer beyond the operation timeout the server was given.
_CONNECT = 10.0
_MARGIN = 15.0


@dataclass(frozen=True)
class Access:
    """How a server is reached.

    Args:
        server: Its name in messages.
        endpoint: ``https://host:port/wsman``.
        method: One of ``METHODS``.
        ca_file: PEM file with the CAs to trust; None for those the system trusts.
        operation_timeout: How long the server holds a request when there is nothing to say, seconds.
        certificate_file: PEM, for the method ``certificate``.
        key_file: PEM, for the method ``certificate``.

    Raises:
        UsageError: The method is unknown, the endpoint is not HTTPS, or a file that is needed is not there.
    """

    server: str
    endpoint: str
    method: str
    credential: Credential
    ca_file: str | None = None
    operation_timeout: float = 15.0
    certificate_file: str | None = None
    key_file: str | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(
                f"{self.method!r} is not a way to log on", where=self.server, todo=f"use one of: {', '.join(METHODS)}"
            )
        if not self.endpoint.startswith("https://"):
            raise UsageError(
                f"{self.endpoint!r} is not HTTPS",
                where=self.server,
                todo="use https://NAME:5986/wsman, TLS is required",
            )
        if self.method == "certificate" and not (self.certificate_file and self.key_file):
            raise UsageError(
                "logging on by certificate needs a certificate and its key", where=self.server, todo="name both files"
            )
        for path in filter(None, (self.ca_file, self.certificate_file, self.key_file)):
            if not Path(path).is_file():
                raise UsageError(f"there is no file {path}", where=self.server, todo="name a PEM file that exists")

    @property
    def where(self) -> str:
        """Server and endpoint, for messages."""
        return f"{self.server} ({self.endpoint})"


@dataclass(frozen=True)
class Output:
    """What one Receive gave.

    Args:
        code: The exit code when the command has ended, else None.
    """

    out: bytes
    err: bytes
    code: int | None


class Wire:
    """A shell with one command in it. What goes wrong on the wire is a :class:`WireError`, whatever pywinrm raises.

    Args:
        access: Where to, and as whom.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._protocol: Protocol | None = None
        self._shell = ""
        self._command = ""
        self._trust: ssl.SSLContext | None = None

    def start(self, command: str, arguments: Sequence[str], seconds: float) -> None:
        """Log on, open a shell and start a command whose standard input is a pipe.

        Args:
            seconds: How long each request may take.

        Raises:
            UsageError: The way to log on needs a package that is not installed.
        """
        _require(self._access)
        protocol = guarded(_protocol, self._access)
        self._protocol = protocol
        self._patience(seconds)
        guarded(self._mount)
        self._shell = guarded(protocol.open_shell, codepage=65001)
        self._command = guarded(protocol.run_command, self._shell, command, arguments, console_mode_stdin=False)

    def send(self, line: Secret, seconds: float) -> None:
        """Write to the command's standard input; ``WAITING`` and ``BROKEN`` leave open whether it arrived."""
        protocol = self._patience(seconds)
        guarded(protocol.send_command_input, self._shell, self._command, line.reveal().encode("ascii"))

    def receive(self, seconds: float) -> Output:
        """Wait for output, at most the operation timeout."""
        protocol = self._patience(seconds)
        out, err, code, done = guarded(protocol.get_command_output_raw, self._shell, self._command)
        return Output(out, err, code if done else None)

    def heal(self) -> None:
        """Drop the TCP connection; the next request makes a new one and logs on again, to the same shell."""
        if self._protocol is not None:
            guarded(self._protocol.transport.close_session)
            guarded(self._mount)

    def end(self, seconds: float) -> None:
        """End command, shell and connection as far as they can be reached. Never raises."""
        protocol, self._protocol = self._protocol, None
        if protocol is None:
            return
        self._patience(seconds, protocol)
        with suppress(WireError):
            if self._command:
                guarded(protocol.cleanup_command, self._shell, self._command)
        with suppress(WireError):
            if self._shell:
                guarded(protocol.close_shell, self._shell, close_session=True)
        with suppress(WireError):
            guarded(protocol.transport.close_session)
        self._shell = self._command = ""

    def _patience(self, seconds: float, protocol: Protocol | None = None) -> Protocol:
        """Set how long the next request may take: the server's operation timeout, and ours above it."""
        protocol = protocol or self._protocol
        if protocol is None:
            raise RuntimeError("the wire was not started")
        operation = max(1, math.ceil(min(seconds, self._access.operation_timeout)))
        margin = min(_MARGIN, max(2.0, seconds))
        protocol.operation_timeout_sec = operation
        # requests takes a pair here; pywinrm hands it through.
        pair: Any = (min(_CONNECT, max(2.0, seconds)), operation + margin)
        protocol.transport.read_timeout_sec = pair
        return protocol

    def _mount(self) -> None:
        """Prepare a new HTTP session: nothing from the environment, and the system's CAs when no file is named."""
        if self._protocol is None:
            return
        session = self._protocol.transport.build_session()
        session.trust_env = False
        if self._access.ca_file is None:
            self._trust = self._trust or ssl.create_default_context()
            session.mount("https://", _trusting(self._trust))


def _require(access: Access) -> None:
    from winrm import transport  # noqa: PLC0415  # slow to import

    for method, there in (("kerberos", transport.HAVE_KERBEROS), ("credssp", transport.HAVE_CREDSSP)):
        if access.method == method and not there:
            raise UsageError(
                f"logging on by {method} needs a package that is not installed",
                where=access.where,
                todo=f"pip install 'pywinrm[{method}]'",
            )


def _hush() -> None:
    """Keep others' loggers from writing what is sent, or parts of a logon, as they do at DEBUG."""
    for name in ("winrm", "requests_ntlm", "requests_credssp", "spnego", "urllib3"):
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:  # to set it makes every logger forget what it found out
            logger.setLevel(logging.WARNING)


_hush()  # once before kernels are forked; and again for each connection, whatever was set meanwhile


def _protocol(access: Access) -> Protocol:
    """Make pywinrm's protocol object. It verifies TLS, and takes neither proxy nor CAs from the environment."""
    from tlsrunbook.adapters.winrm_protocol import TemplateProtocol  # noqa: PLC0415

    _hush()
    # pywinrm annotates the methods as literals, and the CA file as never None, which it takes for the system's CAs.
    method: Any = access.method
    ca_file: Any = access.ca_file
    return TemplateProtocol(
        access.endpoint,
        transport=method,
        username=access.credential.user,
        password=access.credential.password.reveal(),
        ca_trust_path=ca_file,
        server_cert_validation="validate",
        cert_pem=access.certificate_file,
        cert_key_pem=access.key_file,
        operation_timeout_sec=max(1, math.ceil(access.operation_timeout)),
        read_timeout_sec=math.ceil(access.operation_timeout + _MARGIN),
        proxy=None,
    )


def _trusting(context: ssl.SSLContext) -> HTTPAdapter:
    """Make an HTTP adapter that trusts what a context trusts; requests would add a list of its own."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415

    class Trusting(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs, ssl_context=context)

        def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
            parent: Any = super()
            parent.cert_verify(conn, url, verify, cert)
            conn.ca_certs = conn.ca_cert_dir = None

    return Trusting()
