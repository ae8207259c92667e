"""One SMTP connection to a simulated server, in Exchange's words."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, TLSSetupException
from aiosmtpd.smtp import Session as AnySession

_LOG = logging.getLogger(__name__)
# Without any handler Python prints aiosmtpd's warnings about clients to stderr.
logging.getLogger("mail.log").addHandler(logging.NullHandler())

#: Bytes; the receive connectors' default of 36 MB.
_MAX_MESSAGE = 36 * 1024 * 1024
_IDLE_SECONDS = 60.0
_HANDSHAKE_SECONDS = 10.0


@dataclass(frozen=True)
class Face:
    """What a client meets: the receive connector and the certificate at the moment it connects.

    Args:
        fqdn: In the answers to EHLO and HELO.
        banner: What follows ``220``.
        auth: The connector's ``AuthMechanism``.
        require_tls: Whether mail is refused before STARTTLS.
        context: For STARTTLS; None when it is not offered.
    """

    fqdn: str
    banner: str
    auth: tuple[str, ...]
    require_tls: bool
    context: ssl.SSLContext | None

    def extensions(self, *, inside_tls: bool) -> list[str]:
        """Give the keywords of the EHLO answer in Exchange's order."""
        plain = not inside_tls
        logons = (["NTLM"] if "Integrated" in self.auth else []) + (["LOGIN"] if self._logs_on(inside_tls) else [])
        return [
            f"SIZE {_MAX_MESSAGE}",
            "PIPELINING",
            "DSN",
            "ENHANCEDSTATUSCODES",
            *(["STARTTLS"] if plain and self.context else []),
            *(["X-ANONYMOUSTLS"] if plain and "ExchangeServer" in self.auth else []),
            *([f"AUTH {' '.join(logons)}"] if logons else []),
            *(["X-EXPS GSSAPI NTLM"] if "ExchangeServer" in self.auth else []),
            "8BITMIME",
            "BINARYMIME",
            "CHUNKING",
        ]

    def _logs_on(self, inside_tls: bool) -> bool:
        return "BasicAuth" in self.auth and (inside_tls or "BasicAuthRequireTLS" not in self.auth)


class Session(SMTP):
    """The server's side of one connection.

    Args:
        face: What the client meets.
        loop: The running loop.
        opened: Called with this session when the connection is there.
        ended: Called with this session when it is served no more.
    """

    def __init__(
        self,
        face: Face,
        loop: asyncio.AbstractEventLoop,
        opened: Callable[[Session], None],
        ended: Callable[[Session], None],
    ) -> None:
        first, _, rest = face.banner.partition(" ")  # aiosmtpd puts them together again
        super().__init__(
            _Clerk(face.fqdn),
            hostname=first,
            ident=rest,
            tls_context=face.context,
            data_size_limit=_MAX_MESSAGE,
            timeout=_IDLE_SECONDS,
            loop=loop,
        )
        self._face = face
        self._opened = opened
        self._ended = ended
        self.require_starttls = face.require_tls

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What serves the connection; None before there is one."""
        task: asyncio.Task[None] | None = self._handler_coroutine
        return task

    def hang_up(self) -> None:
        """End the connection without a word."""
        transport = self._original_transport or self.transport
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()
        # In the middle of a handshake asyncio tells nobody that the connection is gone.
        if self.task is not None:
            self.task.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve, or go on inside TLS."""
        super().connection_made(transport)
        if self._original_transport is None and self.task is not None:
            self._opened(self)
            self.task.add_done_callback(lambda _: self._ended(self))

    async def smtp_EHLO(self, hostname: str | None) -> None:  # noqa: N802 - aiosmtpd finds commands by name
        """Answer as the receive connector does."""
        if not hostname:
            await self.push("501 5.5.4 Invalid domain name")
            return
        session, self.envelope = self.session, self._create_envelope()
        if session is None:  # the connection is gone
            return
        session.extended_smtp = True
        session.host_name = hostname
        first = f"{self._face.fqdn} Hello [{(session.peer or ('',))[0]}]"
        lines = [first, *self._face.extensions(inside_tls=self._tls_protocol is not None)]
        await self.push("\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]))

    async def smtp_STARTTLS(self, arg: str | None) -> None:  # noqa: N802 - as above
        """Begin TLS if it is offered, once."""
        if self.tls_context is None:
            await self.push("500 5.3.3 Unrecognized command 'STARTTLS'")
        elif self._tls_protocol is not None:
            await self.push("503 5.5.2 TLS is in use already")
        else:
            try:
                async with asyncio.timeout(_HANDSHAKE_SECONDS):
                    await super().smtp_STARTTLS(arg)
            except TimeoutError:
                self.hang_up()

    async def smtp_AUTH(self, _arg: str | None) -> None:  # noqa: N802 - as above
        """Refuse: nobody has an account here."""
        await self.push("504 5.7.4 Unrecognized authentication type")


class _Clerk:
    """Answers for a session; takes no mail."""

    def __init__(self, fqdn: str) -> None:
        self._fqdn = fqdn

    async def handle_HELO(self, _smtp: SMTP, session: AnySession, _envelope: Envelope, name: str) -> str:  # noqa: N802
        session.host_name = name
        return f"250 {self._fqdn} Hello [{(session.peer or ('',))[0]}]"

    async def handle_RCPT(self, *_facts: Any) -> str:  # noqa: N802 - aiosmtpd finds hooks by name
        return "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain"

    async def handle_QUIT(self, *_facts: Any) -> str:  # noqa: N802 - as above
        return "221 2.0.0 Service closing transmission channel"

    async def handle_exception(self, error: Exception) -> str:
        if not isinstance(error, TLSSetupException):
            _LOG.error("an SMTP session of the lab failed", exc_info=error)
        return "421 4.3.2 Service not available"
