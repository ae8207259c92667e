"""Looks at a mail server from outside: one STARTTLS dialogue with every address of an endpoint.

The handshake trusts everybody and accepts everything down to TLS 1.0, because a bad server must stay visible: what a
certificate is worth is judged afterwards from the facts (``policy.wire``). Whatever goes wrong is a fact, never an
exception.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tlsrunbook.certificates.facts import normal_name
from tlsrunbook.smtp.dialogue import Dialogue, Ended, Event, Greeted, HandshakeDue, Introduced, State
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome

#: Gives all addresses of a name; empty when it has none, None when DNS did not answer (as ``ports.Resolver``).
Addresses: TypeAlias = Callable[[str], tuple[str, ...] | None]

#: Anonymous suites are left out: with them a server that has no certificate at all seems to be fine.
CIPHERS = "ALL:!aNULL:@SECLEVEL=0"

_ENDPOINT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<name>[^:\[\]]+)):(?P<port>[0-9]{1,5})\Z")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\Z")
_LIBRARY_PLACE = re.compile(r" \(_ssl\.c:[0-9]+\)")
_LEGACY_RENEGOTIATION = getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)  # named since Python 3.12
_PIECE = 16 * 1024
_AT_ONCE = 8


@dataclass(frozen=True)
class Patience:
    """How long a probe waits, seconds.

    Args:
        step: For each thing it waits for: the connection, each whole reply, the handshake. Exchange lets an anonymous
            client wait 5 s after an error, other tarpits longer, so less than 10 is too short on real servers.
        total: For one whole dialogue.
    """

    step: float = 15.0
    total: float = 60.0


class SmtpProber:
    """Implements ``ports.Prober`` on sockets. One prober serves many threads.

    Args:
        introduce_as: What it says in EHLO, best this machine's FQDN.
        patience: The deadlines.
        repeat: Dialogues per address, one after the other; more than one finds the nodes behind a load balancer.
        addresses: Resolves names; by default the operating system does.

    Raises:
        ValueError: ``introduce_as`` cannot be said in EHLO, or ``repeat`` is below 1.
    """

    def __init__(
        self,
        *,
        introduce_as: str = "localhost.localdomain",
        patience: Patience = Patience(),
        repeat: int = 1,
        addresses: Addresses | None = None,
    ) -> None:
        Dialogue(introduce_as)
        if repeat < 1:
            raise ValueError(f"repeat is {repeat}: at least one dialogue per address is needed")
        self._name = introduce_as
        self._patience = patience
        self._repeat = repeat
        self._addresses = addresses or system_addresses
        self._context = _permissive_context()

    def probe(self, endpoint: str, server_name: str) -> tuple[ProbeFacts, ...]:
        """Do ``repeat`` dialogues with each address of ``host:port`` or ``[IPv6]:port``.

        Args:
            endpoint: What to look at.
            server_name: Sent as SNI, as A-labels; one that cannot be a host name is not sent.

        Returns:
            The facts in the order of the addresses; one entry when there is no address at all.
        """
        match = _ENDPOINT.match(endpoint)
        if match is None or not 0 < int(match["port"]) < 65536:
            return (_unreachable(endpoint, "this is not HOST:PORT"),)
        try:
            found = self._resolve(match["v6"] or match["name"])
        except OSError as problem:
            return (_unreachable(endpoint, f"the name could not be resolved: {_words(problem)}"),)
        if not found:
            said = "DNS did not answer" if found is None else "the name has no address"
            return (_unreachable(endpoint, said),)
        targets = [(address, int(match["port"])) for address in found]
        return tuple(self._visit_all(endpoint, targets, _sni(server_name)))

    def _resolve(self, host: str) -> tuple[str, ...] | None:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return self._addresses(host)
        return (host,)

    def _visit_all(
        self, endpoint: str, targets: list[tuple[str, int]], server_name: str | None
    ) -> Iterable[ProbeFacts]:
        def visit(target: tuple[str, int]) -> list[ProbeFacts]:
            return [self._visit(endpoint, target, server_name) for _ in range(self._repeat)]

        if len(targets) == 1:
            return visit(targets[0])
        with ThreadPoolExecutor(min(len(targets), _AT_ONCE), thread_name_prefix="probe") as pool:
            return [facts for seen in pool.map(visit, targets) for facts in seen]

    def _visit(self, endpoint: str, target: tuple[str, int], server_name: str | None) -> ProbeFacts:
        started = time.monotonic()
        deadline = started + self._patience.total
        try:
            sock = socket.create_connection(target, timeout=min(self._patience.step, self._patience.total))
        except ConnectionResetError as problem:  # taken, and reset before this side looked: a refusal is another error
            said = f"the connection ended while waiting for {State.BANNER}: {_words(problem)}"
            facts = ProbeFacts(endpoint, _shown(target), ProbeOutcome.REJECTED, said)
        except OSError as problem:
            facts = _unreachable(endpoint, _words(problem), _shown(target))
        else:
            dialogue = Dialogue(self._name)
            seen = ProbeFacts(endpoint, _shown(target), ProbeOutcome.UNREACHABLE)
            with _Visit(sock, dialogue, seen, self._patience.step, deadline) as visit:
                facts = visit.talk(self._context, server_name)
        return replace(facts, seconds=round(time.monotonic() - started, 3))


class _Visit:
    """Moves the bytes of one dialogue over one connection and keeps the facts."""

    def __init__(self, sock: socket.socket, dialogue: Dialogue, facts: ProbeFacts, step: float, total: float) -> None:
        self._channel = sock
        self._dialogue = dialogue
        self._facts = facts
        self._step = step
        self._total = total
        self._deadlines: dict[State, float] = {}

    def __enter__(self) -> _Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def talk(self, context: ssl.SSLContext, server_name: str | None) -> ProbeFacts:
        """Carry the dialogue to its end."""
        while not self._dialogue.ended:
            try:
                events = self._turn(context, server_name)
            except TimeoutError:
                events = self._dialogue.deadline_passed()
            except OSError as problem:
                events = self._dialogue.closed(_words(problem))
            for event in events:
                self._note(event)
        self._say_goodbye()
        return self._facts

    def _turn(self, context: ssl.SSLContext, server_name: str | None) -> tuple[Event, ...]:
        self._send()
        if self._dialogue.state is State.HANDSHAKE:
            return self._early_bytes() or self._secure(context, server_name)
        self._channel.settimeout(self._left())
        data = self._channel.recv(_PIECE)
        return self._dialogue.receive(data) if data else self._dialogue.closed()

    def _early_bytes(self) -> tuple[Event, ...]:
        """Look for bytes behind the 220 that came in a segment of their own: the client speaks first in TLS."""
        self._channel.setblocking(False)
        try:
            data = self._channel.recv(_PIECE)
        except BlockingIOError:
            return ()
        return self._dialogue.receive(data) if data else self._dialogue.closed()

    def _secure(self, context: ssl.SSLContext, server_name: str | None) -> tuple[Event, ...]:
        self._channel.settimeout(self._left())
        try:
            channel = context.wrap_socket(self._channel, server_hostname=server_name, do_handshake_on_connect=False)
            self._channel = channel
            channel.do_handshake()
        except TimeoutError:
            raise
        except (ssl.SSLError, ConnectionError) as problem:
            return self._dialogue.tls_failed(_words(problem))
        chain, whole = sent_chain(channel)
        self._facts = replace(
            self._facts,
            protocol=channel.version() or "",
            cipher=(channel.cipher() or ("", "", 0))[0],
            chain=chain,
            chain_complete_view=whole,
        )
        return self._dialogue.tls_established()

    def _send(self) -> None:
        data = self._dialogue.data_to_send()
        if data:
            self._channel.settimeout(self._left())
            self._channel.sendall(data)

    def _left(self) -> float:
        """Seconds left for what the dialogue waits for now; the clock of a state starts when it is entered."""
        now = time.monotonic()
        until = min(self._deadlines.setdefault(self._dialogue.state, now + self._step), self._total)
        if until <= now:
            raise TimeoutError
        return until - now

    def _say_goodbye(self) -> None:
        try:
            self._send()
        except OSError:
            return  # the dialogue is over and its facts are complete

    def _note(self, event: Event) -> None:
        match event:
            case Greeted():
                self._facts = replace(self._facts, banner=event.text)
            case Introduced(encrypted=False):
                self._facts = replace(
                    self._facts,
                    ehlo_name=event.name,
                    extensions=event.extensions,
                    offered_starttls="STARTTLS" in event.extensions,
                )
            case Ended():
                self._facts = replace(self._facts, outcome=event.outcome, detail=event.detail)
            case Introduced() | HandshakeDue():
                pass


def system_addresses(name: str) -> tuple[str, ...]:
    """Ask the operating system for all addresses of a name, each once, in its order.

    Raises:
        OSError: The name does not resolve, or cannot.
    """
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError as problem:
        raise OSError(f"{name!r} is not a DNS name") from problem
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def sent_chain(channel: ssl.SSLSocket) -> tuple[tuple[bytes, ...], bool]:
    """Give the certificates as the server sent them, DER, and whether this Python shows more than the leaf."""
    leaf = channel.getpeercert(binary_form=True)
    if leaf is None:
        return (), True
    # Public since Python 3.13; from 3.10 on the inner object has it, and gives certificate objects instead of bytes.
    source: Any = channel if hasattr(channel, "get_unverified_chain") else getattr(channel, "_sslobj", None)
    if not hasattr(source, "get_unverified_chain"):
        return (leaf,), False
    chain = source.get_unverified_chain() or [leaf]
    return tuple(c if isinstance(c, bytes) else ssl.PEM_cert_to_DER_cert(c.public_bytes()) for c in chain), True


def _permissive_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.options |= ssl.OP_NO_SSLv3 | _LEGACY_RENEGOTIATION
    context.set_ciphers(CIPHERS)
    return context


def _sni(name: str) -> str | None:
    # Checked here because SSLSocket leaks the connection when it refuses a name itself.
    plain = normal_name(name)
    return plain if _HOST_NAME.match(plain) else None


def _unreachable(endpoint: str, detail: str, address: str = "") -> ProbeFacts:
    return ProbeFacts(endpoint, address, ProbeOutcome.UNREACHABLE, detail)


def _shown(target: tuple[str, int]) -> str:
    host, port = target
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _words(problem: OSError) -> str:
    """What the library said, without its source lines and error numbers."""
    if isinstance(problem, TimeoutError) and not problem.errno:
        return "no answer in time"
    return _LIBRARY_PLACE.sub("", problem.strerror or str(problem))
