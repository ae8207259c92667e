"""One simulated server's WinRM endpoint: HTTPS on loopback, as unmodified clients expect it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from aiohttp import web

from tlsrunbook.lab.counters import Counters
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.logon import Accounts, Negotiation
from tlsrunbook.lab.player import Machine, Stage, launch
from tlsrunbook.lab.port import Port
from tlsrunbook.lab.shells import Launcher, Limits
from tlsrunbook.lab.wsman import WsmanService

_SOAP = "application/soap+xml"
_SERVER = "Microsoft-HTTPAPI/2.0"


@dataclass(frozen=True)
class ServerTls:
    """What an endpoint shows; one context serves all endpoints of a lab.

    Args:
        context: A server-side context with certificate and key.
        certificate: The leaf as DER, for channel binding.
    """

    context: ssl.SSLContext
    certificate: bytes

    @classmethod
    def from_files(cls, chain: Path, key: Path) -> ServerTls:
        """Read a PEM chain (leaf first) and its key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(chain, key)
        head, end, _ = chain.read_text(encoding="ascii").partition("-----END CERTIFICATE-----")
        return cls(context, ssl.PEM_cert_to_DER_cert(head[head.index("-----BEGIN CERTIFICATE-----") :] + end))


@dataclass(frozen=True)
class Timing:
    """Simulated time in seconds, for benchmarks.

    Args:
        round_trip: Added to every HTTP request.
        load: What loading Exchange's cmdlets takes.
    """

    round_trip: float = 0.0
    load: float = 0.0


@dataclass
class _Connection:
    """What is known of a TCP connection: NTLM logs on connections, not requests."""

    user: str = ""
    negotiation: Negotiation | None = None


class WinrmEndpoint:
    r"""The WinRM endpoint of one simulated server. All but the constructor belongs to one asyncio loop.

    Args:
        machine: What executes the commands.
        passwords: By user name: ``name`` and ``COMPUTER\name`` are local, ``DOMAIN\name`` and ``name@realm`` are not.
        tls: What it shows. For ``winrm-untrusted`` give one of a CA nobody trusts.
        faults: The faults in force, looked at again for every connection and request.
        programs: Starts other programs than the bootstrap script; gives False for what it does not know.
        port: 0 takes a free one.
    """

    def __init__(
        self,
        machine: Machine,
        passwords: Mapping[str, str],
        tls: ServerTls,
        *,
        faults: FaultBoard | None = None,
        limits: Limits | None = None,
        timing: Timing | None = None,
        programs: Launcher | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.counters = Counters()
        self.faults = faults if faults is not None else FaultBoard()
        self._name = machine.name
        self._tls = tls
        self._timing = timing or Timing()
        self._accounts = Accounts(machine.name, passwords, tls.certificate)
        stage = Stage(machine, self.faults, self.counters, self._timing.load, self.vanish)
        self._service = WsmanService(
            machine.name,
            lambda line, process: launch(stage, line, process) or (programs is not None and programs(line, process)),
            self.counters,
            limits,
        )
        self._port = Port(host, port, lambda: self.faults.hits("winrm-refused", self._name))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._adjusting: set[asyncio.Task[None]] = set()
        self._web: web.Server | None = None
        self._connections: WeakKeyDictionary[asyncio.BaseTransport, _Connection] = WeakKeyDictionary()

    @property
    def port(self) -> int:
        """The TCP port; 0 before the first start when a free one was asked for."""
        return self._port.number

    @property
    def url(self) -> str:
        """Where clients connect to."""
        host = f"[{self._port.host}]" if ":" in self._port.host else self._port.host
        return f"https://{host}:{self.port}/wsman"

    @property
    def shells_open(self) -> int:
        """How many shells are open now."""
        return len(self._service.shells)

    async def start(self) -> int:
        """Take the port and listen, unless ``winrm-refused`` is in force. Gives the port.

        Raises:
            OSError: The port is taken.
        """
        self._web = web.Server(
            self._handle, handler_cancellation=True, access_log=None, max_field_size=65536, lingering_time=0
        )
        await self._port.start(self._web, self._tls.context)
        self._loop = asyncio.get_running_loop()
        self.faults.watch(self._faults_changed)
        return self.port

    async def stop(self) -> None:
        """Close the port, drop all connections and end what runs. Repeated calls do nothing."""
        if self._loop is not None:
            self.faults.unwatch(self._faults_changed)
            self._loop = None
        await self._port.stop()
        self.vanish()
        server, self._web = self._web, None
        if server is not None:
            await server.shutdown(0.1)

    def hang_up(self) -> None:
        """Drop every connection, as a network does that breaks; shells and what runs in them stay."""
        for connection in self._web.connections if self._web is not None else []:
            if connection.transport is not None:
                connection.transport.abort()

    def vanish(self) -> None:
        """Drop every connection and every shell, as a restart of the server does; the port goes on listening."""
        self.hang_up()
        self._service.shells.clear()

    def _faults_changed(self) -> None:
        # Called in whatever thread changed them.
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._adjust_port)

    def _adjust_port(self) -> None:
        task = asyncio.get_running_loop().create_task(self._port.adjust())
        self._adjusting.add(task)
        task.add_done_callback(self._adjusting.discard)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.counters.requests += 1
        if self._timing.round_trip:
            await asyncio.sleep(self._timing.round_trip)
        body = await self._body(request)
        if request.path.rstrip("/") != "/wsman":
            return _answer(404)
        if request.method != "POST":
            return _answer(405)
        user, token = self._log_on(request)
        if not user:
            self.counters.refusals += not token
            return _challenge(token)
        if body is None:
            return _answer(413, token=token)
        if request.content_type != _SOAP:
            return _answer(415, token=token)
        if not body:  # pywinrm and others send nothing when they only want to log on
            return _answer(200, token=token)
        status, answer = await self._service.handle(body, user)
        return _answer(status, answer, token)

    async def _body(self, request: web.BaseRequest) -> bytes | None:
        """Read the body; None when it is larger than MaxEnvelopeSizekb allows, which Windows answers with 413."""
        body = bytearray()
        most = self._service.limits.envelope_kb * 1024
        while chunk := await request.content.readany():
            if len(body) <= most:
                body += chunk
        return bytes(body) if len(body) <= most else None

    def _log_on(self, request: web.BaseRequest) -> tuple[str, str]:
        """Tell who sends a request (empty: nobody yet), and the token to give back."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        transport = request.transport
        if transport is None:  # the client has hung up
            return "", ""
        connection = self._connections.setdefault(transport, _Connection())
        if not scheme:
            return connection.user, ""
        connection.user = ""
        if scheme.lower() == "basic":
            return self._admit(self._accounts.basic(value.strip())), ""
        if scheme.lower() in ("negotiate", "ntlm"):
            return self._negotiate(connection, scheme, value.strip())
        return "", ""

    def _negotiate(self, connection: _Connection, scheme: str, value: str) -> tuple[str, str]:
        if connection.negotiation is None:
            connection.negotiation = self._accounts.negotiation()
        verdict = connection.negotiation.step(value)
        connection.user = self._admit(verdict.user)
        if verdict.user or not verdict.token:
            connection.negotiation = None
        refused = bool(verdict.user) and not connection.user
        return connection.user, f"{scheme} {verdict.token}" if verdict.token and not refused else ""

    def _admit(self, user: str) -> str:
        """Let a user in whose password was right, unless the server refuses everybody."""
        if user and self.faults.hits("logon-refused", self._name):
            return ""
        self.counters.logons += bool(user)
        return user


def _answer(status: int, body: bytes = b"", token: str = "") -> web.Response:
    response = web.Response(status=status, body=body, headers={"Server": _SERVER})
    if body:
        response.headers["Content-Type"] = f"{_SOAP};charset=UTF-8"
    if token:
        response.headers["WWW-Authenticate"] = token
    return response


def _challenge(token: str) -> web.Response:
    response = web.Response(status=401, headers={"Server": _SERVER})
    for offer in [token] if token else ["Negotiate", 'Basic realm="WSMAN"']:
        response.headers.add("WWW-Authenticate", offer)
    return response
