"""The client's side of EHLO and STARTTLS, without I/O.

Bytes go in, events and bytes to send come out; there is no socket and no clock. Whoever owns the socket says what
happened on it::

    dialogue = Dialogue("probe.example.com")
    while not dialogue.ended:
        send(dialogue.data_to_send())
        events = dialogue.receive(recv())  # or .closed(), .deadline_passed()
        if dialogue.state is State.HANDSHAKE:
            events = dialogue.tls_established()  # or .tls_failed(why), .receive(bytes seen before the handshake)

STARTTLS is sent even when EHLO does not list it: a server that then accepts it had its offer taken out on the path;
one that refuses is not configured for TLS. The events are the same however the stream is cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from tlsrunbook.smtp.facts import ProbeOutcome
from tlsrunbook.smtp.reply import NotAReply, ReplyReader, SmtpReply

_OWN_NAME = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}\Z")


class State(StrEnum):
    """What the dialogue waits for; the value is the words for it."""

    BANNER = "its banner"
    EHLO = "the answer to EHLO"
    HELO = "the answer to HELO"
    STARTTLS = "the answer to STARTTLS"
    HANDSHAKE = "the TLS handshake"
    EHLO_IN_TLS = "the answer to EHLO inside TLS"
    QUIT = "the answer to QUIT"
    ENDED = "nothing"


@dataclass(frozen=True, kw_only=True)
class Greeted:
    """The banner came. ``text`` is what stands behind the 220."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Introduced:
    """EHLO or HELO was accepted.

    Args:
        name: First word of the answer, lower case, no final dot; may be empty.
        extensions: EHLO keywords, upper case, in order; none after HELO.
        encrypted: Whether this was inside TLS.
    """

    name: str
    extensions: tuple[str, ...]
    encrypted: bool


@dataclass(frozen=True, kw_only=True)
class HandshakeDue:
    """STARTTLS was accepted: do the TLS handshake now."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """It is over.

    Args:
        outcome: How far it got.
        detail: The server's or library's own words. With ``tls`` it is what went wrong inside TLS, else empty.
    """

    outcome: ProbeOutcome
    detail: str


Event: TypeAlias = Greeted | Introduced | HandshakeDue | Ended

#: (state, code or class of the reply) -> (next state, command). What is not here ends the dialogue.
_MOVES: dict[tuple[State, str], tuple[State, str]] = {
    (State.BANNER, "220"): (State.EHLO, "EHLO {name}"),
    (State.EHLO, "2xx"): (State.STARTTLS, "STARTTLS"),
    (State.EHLO, "5xx"): (State.HELO, "HELO {name}"),
    (State.HELO, "2xx"): (State.STARTTLS, "STARTTLS"),
    (State.STARTTLS, "220"): (State.HANDSHAKE, ""),
    (State.EHLO_IN_TLS, "2xx"): (State.QUIT, "QUIT"),
}

#: What it means that the dialogue ended in a state, unless something more exact is known.
_MEANING: dict[State, ProbeOutcome] = {
    State.BANNER: ProbeOutcome.REJECTED,
    State.EHLO: ProbeOutcome.REJECTED,
    State.HELO: ProbeOutcome.REJECTED,
    State.STARTTLS: ProbeOutcome.STARTTLS_REFUSED,
    State.HANDSHAKE: ProbeOutcome.HANDSHAKE_FAILED,
    State.EHLO_IN_TLS: ProbeOutcome.TLS,
    State.QUIT: ProbeOutcome.TLS,
}

_UNKNOWN_COMMAND = (500, 502)
_CLOSING = 421


class Dialogue:
    """One dialogue with one server. Not for use by two threads.

    Args:
        name: What the client introduces itself with: a name or an address in brackets.

    Raises:
        ValueError: The name cannot stand in an EHLO command.
    """

    def __init__(self, name: str) -> None:
        if not _OWN_NAME.match(name):
            raise ValueError(f"{name!r} cannot be said in EHLO: give a host name")
        self.state = State.BANNER
        self._name = name
        self._reader = ReplyReader()
        self._output = bytearray()
        self._offered = False

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen. The last bytes to send may still be there."""
        return self.state is State.ENDED

    def data_to_send(self) -> bytes:
        """Give what is to be sent now, once."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def receive(self, data: bytes) -> tuple[Event, ...]:
        """Take bytes that arrived.

        In the state ``HANDSHAKE`` no byte may arrive in clear text before the client's first TLS message: one that
        does was slipped in to be read as if it came from inside TLS, and ends the dialogue.
        """
        if self.ended:
            return ()
        self._reader.feed(data)
        events: list[Event] = []
        try:
            while self.state not in (State.HANDSHAKE, State.ENDED) and (reply := self._reader.next_reply()):
                events += self._take(reply)
        except NotAReply as wrong:
            events += self._end(self._unreadable(), wrong.text)
        if self.state is State.HANDSHAKE and self._reader.drain():
            events += self._end(ProbeOutcome.RESPONSE_INJECTED, "the server sent more than the 220 before TLS began")
        return tuple(events)

    def closed(self, why: str = "") -> tuple[Event, ...]:
        """Tell that the other side closed or reset the connection.

        Args:
            why: The library's words; empty for an orderly end.
        """
        if self.ended:
            return ()
        if self.state is State.QUIT:
            return self._end(ProbeOutcome.TLS, "")
        said = f"the connection ended while waiting for {self.state}" + (f": {why}" if why else "")
        return self._cut_off(_MEANING[self.state], said)

    def deadline_passed(self) -> tuple[Event, ...]:
        """Tell that the time for this state is up."""
        if self.ended:
            return ()
        if self.state is State.QUIT:
            return self._end(ProbeOutcome.TLS, "")
        outcome = ProbeOutcome.TLS if self.state is State.EHLO_IN_TLS else ProbeOutcome.TIMEOUT
        return self._cut_off(outcome, f"the time is up, waiting for {self.state}")

    def tls_established(self) -> tuple[Event, ...]:
        """Tell that the handshake is done; what comes next is inside TLS.

        Raises:
            RuntimeError: No handshake was due.
        """
        if self.state is not State.HANDSHAKE:
            raise RuntimeError(f"no TLS handshake was due: the dialogue waits for {self.state}")
        self._go(State.EHLO_IN_TLS, "EHLO {name}")
        return ()

    def tls_failed(self, why: str) -> tuple[Event, ...]:
        """Tell that the handshake failed, in the library's words."""
        return () if self.ended else self._end(ProbeOutcome.HANDSHAKE_FAILED, why)

    def _take(self, reply: SmtpReply) -> tuple[Event, ...]:
        was = self.state
        move = _MOVES.get((was, str(reply.code))) or _MOVES.get((was, f"{reply.code // 100}xx"))
        if move is None:
            return self._refused(reply)
        self._go(*move)
        match was, self.state:
            case State.BANNER, _:
                return (Greeted(text=" / ".join(reply.lines)),)
            case ((State.EHLO | State.HELO | State.EHLO_IN_TLS), (State.STARTTLS | State.QUIT)):
                return (self._introduced(reply, encrypted=was is State.EHLO_IN_TLS),)
            case _, State.HANDSHAKE:
                return (HandshakeDue(),)
        return ()

    def _introduced(self, reply: SmtpReply, *, encrypted: bool) -> Introduced:
        first, *others = reply.lines
        words = first.split(maxsplit=1)
        keywords = (line.replace("=", " ").split(maxsplit=1) for line in others)
        extensions = tuple(dict.fromkeys(words[0].upper() for words in keywords if words))
        if not encrypted:
            self._offered = "STARTTLS" in extensions
        name = words[0].lower().rstrip(".") if words else ""
        return Introduced(name=name, extensions=extensions, encrypted=encrypted)

    def _refused(self, reply: SmtpReply) -> tuple[Event, ...]:
        if self.state is State.QUIT:
            return self._end(ProbeOutcome.TLS, "")
        outcome = _MEANING[self.state]
        if self.state is State.HELO and reply.code in _UNKNOWN_COMMAND:
            outcome = ProbeOutcome.NOT_SMTP
        if reply.code != _CLOSING:
            self._output += b"QUIT\r\n"
        return self._end(outcome, str(reply))

    def _cut_off(self, outcome: ProbeOutcome, detail: str) -> tuple[Event, ...]:
        if self._reader.foreign and self.state is not State.EHLO_IN_TLS:
            return self._end(ProbeOutcome.NOT_SMTP, f"{self._reader.leftover!r} is not a line of an SMTP reply")
        leftover = f" (half a line came: {self._reader.leftover!r})" if self._reader.leftover else ""
        return self._end(outcome, detail + leftover)

    def _unreadable(self) -> ProbeOutcome:
        return ProbeOutcome.TLS if self.state in (State.EHLO_IN_TLS, State.QUIT) else ProbeOutcome.NOT_SMTP

    def _end(self, outcome: ProbeOutcome, detail: str) -> tuple[Event, ...]:
        if outcome is ProbeOutcome.STARTTLS_REFUSED and not self._offered:
            outcome = ProbeOutcome.STARTTLS_NOT_OFFERED
        self.state = State.ENDED
        return (Ended(outcome=outcome, detail=detail),)

    def _go(self, state: State, command: str) -> None:
        self.state = state
        if command:
            self._output += command.format(name=self._name).encode("ascii") + b"\r\n"
