"""The conversation with the bootstrap script: numbered requests, each carried out exactly once.

The numbers make it so. A line that may not have arrived is sent again under its number, and the script passes over
what it has; a request that may have been answered into a broken connection is sent again, and the script repeats its
answer without running anything.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tlsrunbook.adapters.winrm_errors import Trouble, WireError
from tlsrunbook.adapters.winrm_wire import Wire
from tlsrunbook.errors import DecodeError
from tlsrunbook.exchange import bootstrap
from tlsrunbook.exchange.frames import PIECE, AnswerReader, lines, open_request
from tlsrunbook.secret import Credential, Secret

#: Seconds for each request that ends a session.
_ENDING = 5.0
#: Seconds for which a lost connection is tried again, and the pauses between tries.
_GRACE = 20.0
_PAUSES = (0.1, 0.5, 1.0, 2.0)

# After these it is certain that a line was not taken.
_NOT_SENT = (Trouble.UNREACHABLE, Trouble.GONE, Trouble.LOGON, Trouble.UNTRUSTED, Trouble.SILENT)


class Deadline:
    """A point in time after which nothing is waited for."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Give the seconds left.

        Raises:
            WireError: None are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise WireError(Trouble.SILENT, f"no answer within {self._seconds:g} seconds")
        return left

    def passes_in(self, seconds: float) -> bool:
        """Whether the point in time is nearer than this."""
        return time.monotonic() + seconds >= self._end


class Conversation:
    """One session with the script on one server.

    Args:
        wire: Not started yet.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._nonce = secrets.token_hex(16)
        self._reader = AnswerReader(self._nonce)
        self._answers: dict[int, dict[str, Any]] = {}
        self._errors = b""
        self._id = 0
        self._lost_at: float | None = None
        self._grace = _GRACE
        self._alive = False
        self.may_have_run = False
        """Whether the last request may have reached the script as a whole."""

    def open(self, credential: Credential, seconds: float) -> Mapping[str, Any]:
        """Start PowerShell with the script, and let it load Exchange.

        Raises:
            WireError: It could not be reached, or did not answer in time.
            DecodeError: The answer cannot be read.
        """
        until = Deadline(seconds)
        self._wire.start("powershell.exe", bootstrap.arguments(), until.left())
        self._deliver(Secret(bootstrap.script_line().decode("ascii")), until)
        answer = self._ask(lambda: open_request(self._nonce, credential), until)
        self._alive = True
        return answer

    def ask(self, make: Callable[[], Mapping[str, Any]], seconds: float) -> Mapping[str, Any]:
        """Send a request and wait for its answer.

        Args:
            make: Makes the request; called once, so that no variable up here holds a secret of it.

        Raises:
            WireError: The session has ended; ``may_have_run`` tells whether the request may have been carried out.
            DecodeError: The answer cannot be read.
        """
        return self._ask(make, Deadline(seconds))

    def ask_all(self, makes: Sequence[Callable[[], Mapping[str, Any]]], seconds: float) -> list[Mapping[str, Any]]:
        """Send requests that only read in one go, and wait for all their answers.

        What a broken connection leaves open is asked once more, one by one and under new numbers.

        Args:
            makes: As for :meth:`ask`; what two of them ask for may be done twice, so it must not matter.

        Raises:
            WireError: The session has ended.
            DecodeError: An answer cannot be read.
        """
        until = Deadline(seconds)
        first = self._id + 1
        found = self._together(makes, until) if len(makes) > 1 else {}
        return [found.get(first + at) or self._ask(make, until) for at, make in enumerate(makes)]

    def _together(
        self, makes: Sequence[Callable[[], Mapping[str, Any]]], until: Deadline
    ) -> dict[int, Mapping[str, Any]]:
        """Send all at once and give what was answered before the connection broke, by number."""
        sheets: list[Secret] = []
        for make in makes:
            self._id += 1
            sheets += _sheets(self._id, make)
        self._answers.clear()
        wanted = set(range(self._id - len(makes) + 1, self._id + 1))
        try:
            for bundle in _bundles(sheets):
                self._wire.send(bundle, until.left())
            while wanted - self._answers.keys():
                try:
                    self._receive(until)
                except WireError as error:
                    if error.trouble is not Trouble.WAITING:
                        raise
        except WireError as error:
            self._alive = error.trouble is Trouble.WAITING
            if not self._alive:
                self._heal(error, until)
                self._alive = True
        return {number: self._answers[number] for number in wanted & self._answers.keys()}

    def end(self) -> None:
        """End script, shell and connection as far as they can be reached. Never raises."""
        self._grace = 0.0
        if self._alive:
            with suppress(WireError, DecodeError):
                self.ask(lambda: {"op": "close"}, _ENDING)
        self._alive = False
        self._wire.end(_ENDING)

    def _ask(self, make: Callable[[], Mapping[str, Any]], until: Deadline) -> Mapping[str, Any]:
        self._id += 1
        self.may_have_run = False
        self._answers.clear()
        sheets = _sheets(self._id, make)
        try:
            for line in sheets[:-1]:
                self._deliver(line, until)
            return self._settle(sheets[-1], until)
        except WireError:
            self._alive = False
            raise

    def _deliver(self, line: Secret, until: Deadline) -> None:
        """Send a line until it is certain that it arrived."""
        while not self._send(line, until):
            pass

    def _settle(self, line: Secret, until: Deadline) -> Mapping[str, Any]:
        """Send the line that completes a request, and wait for the answer."""
        arrived = broken = False
        while self._id not in self._answers:
            if not arrived:
                arrived = self._send(line, until, last=True)
            try:
                self._receive(until)
            except WireError as error:
                if error.trouble is Trouble.WAITING:
                    self._lost_at = None
                else:
                    self._heal(error, until)
                    broken = True
                # After a break an answer may still be lost in the old connection: ask until it is here.
                arrived = arrived and not broken
        return self._answers.pop(self._id)

    def _send(self, line: Secret, until: Deadline, *, last: bool = False) -> bool:
        """Send a line, on as many connections as it takes; False when the server says neither yes nor no."""
        while True:
            try:
                self._wire.send(line, until.left())
            except WireError as error:
                self.may_have_run |= last and error.trouble not in _NOT_SENT
                if error.trouble is Trouble.WAITING:
                    self._lost_at = None
                    return False
                self._heal(self._last_words(error, until), until)
            else:
                self._lost_at = None
                self.may_have_run |= last
                return True

    def _last_words(self, error: WireError, until: Deadline) -> WireError:
        """Give what PowerShell said at its end, where a line was refused because it has ended."""
        if error.trouble is Trouble.GONE:
            try:
                self._receive(until)
            except WireError as farewell:
                return farewell if farewell.trouble is Trouble.GONE else error
            except DecodeError:
                pass
        return error

    def _receive(self, until: Deadline) -> None:
        output = self._wire.receive(until.left())
        self._lost_at = None
        self._errors = (self._errors + output.err)[-8192:]
        for answer in self._reader.feed(output.out):
            self._answers[answer["id"]] = answer
        if output.code is not None and self._id not in self._answers:
            words = _words(self._errors or self._reader.noise)
            raise WireError(Trouble.GONE, f"PowerShell ended with exit code {output.code}{words and ': '}{words}")

    def _heal(self, error: WireError, until: Deadline) -> None:
        """Make ready for another try on a new connection, or give up.

        Raises:
            WireError: The same one, when another try makes no sense.
        """
        now = time.monotonic()
        self._lost_at = self._lost_at or now
        lost = now - self._lost_at
        pause = next((pause for pause in _PAUSES if pause > lost), _PAUSES[-1])
        hopeless = error.trouble not in (Trouble.BROKEN, Trouble.UNREACHABLE)
        if hopeless or lost >= self._grace or until.passes_in(pause):
            raise error
        time.sleep(pause)
        # What was under way in the old connection is gone; half a frame must not be completed with another's end.
        self._reader = AnswerReader(self._nonce)
        self._wire.heal()


def _sheets(request_id: int, make: Callable[[], Mapping[str, Any]]) -> list[Secret]:
    """Cut a request into lines that do not show what is in them."""
    return [Secret(line.decode("ascii")) for line in lines(request_id, make())]


def _bundles(lines: Sequence[Secret]) -> Iterator[Secret]:
    """Join lines as far as they fit into one envelope."""
    bundle = ""
    for line in lines:
        if bundle and len(bundle) + len(line.reveal()) > PIECE:
            yield Secret(bundle)
            bundle = ""
        bundle += line.reveal()
    yield Secret(bundle)


def _words(output: bytes) -> str:
    """Give what PowerShell wrote to its error stream, which may be CLIXML, as one line."""
    text = output.decode("utf-8", "replace")
    if "#< CLIXML" in text:
        text = " ".join(re.findall(r'<S S="Error">(.*?)</S>', text, re.DOTALL))
        text = re.sub(r"_x([0-9A-F]{4})_", lambda match: chr(int(match.group(1), 16)), text)
    return re.sub(r"\s+", " ", text).strip()[:400]
