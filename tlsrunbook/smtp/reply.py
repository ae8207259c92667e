"""SMTP replies out of a byte stream that may be cut anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: A server that says more than this in one reply is not listened to any longer.
MAX_LINES = 200
MAX_BYTES = 64 * 1024

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?\Z", re.DOTALL)
_BEGINNING = re.compile(rb"[2-5](?:[0-9](?:[0-9](?:[ -].*|\r)?)?)?\Z", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |\Z)")


@dataclass(frozen=True, kw_only=True)
class SmtpReply:
    """One whole reply.

    Args:
        code: 200 to 599.
        lines: The text of each line behind the code, printable (anything else is escaped).
    """

    code: int
    lines: tuple[str, ...]

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463) such as ``4.7.0``; empty when there is none or it is of another class."""
        match = _ENHANCED.match(self.lines[0])
        return match[1] if match and match[1][0] == str(self.code)[0] else ""

    def __str__(self) -> str:
        return f"{self.code} {' / '.join(self.lines)}".rstrip()


class NotAReply(Exception):
    """What came cannot be an SMTP reply; ``text`` says what it was instead."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class ReplyReader:
    """Takes bytes in pieces of any size, gives whole replies."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._code = b""
        self._size = 0

    @property
    def leftover(self) -> str:
        """What arrived and is not a whole line yet, printable, at most 200 characters."""
        return printable(bytes(self._buffer[:200]))

    @property
    def foreign(self) -> bool:
        """Whether what is left over cannot become an SMTP reply."""
        return bool(self._buffer) and not _BEGINNING.match(bytes(self._buffer))

    def feed(self, data: bytes) -> None:
        """Take bytes in."""
        self._buffer += data

    def drain(self) -> bytes:
        """Give and forget what was not read yet."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def next_reply(self) -> SmtpReply | None:
        """Give the next whole reply, or None when more bytes are needed.

        Raises:
            NotAReply: A line is no reply line, the lines of one reply disagree, or the reply has no end.
        """
        while (line := self._next_line()) is not None:
            match = _LINE.match(line)
            if match is None or (self._code and match[1] != self._code):
                raise NotAReply(f"{printable(line[:200])!r} is not a line of an SMTP reply")
            self._code = match[1]
            self._lines.append(printable(match[3] or b""))
            if match[2] != b"-":
                return self._finish()
            if len(self._lines) >= MAX_LINES:
                raise NotAReply(f"one reply of more than {MAX_LINES} lines")
        return None

    def _next_line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        # The same answer however the bytes were cut: a line counts before its end arrives.
        if self._size + (len(self._buffer) if end < 0 else end + 1) > MAX_BYTES:
            raise NotAReply(f"one reply of more than {MAX_BYTES // 1024} KiB")
        if end < 0:
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        self._size += end + 1
        return line

    def _finish(self) -> SmtpReply:
        reply = SmtpReply(code=int(self._code), lines=tuple(self._lines))
        self._code, self._lines, self._size = b"", [], 0
        return reply


def printable(raw: bytes) -> str:
    """Make text that is safe on a terminal and in a record: whatever does not print is escaped."""
    text = raw.decode("utf-8", "backslashreplace").replace("\t", " ")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
