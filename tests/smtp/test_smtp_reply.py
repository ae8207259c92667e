"""Replies out of bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsrunbook.smtp.reply import MAX_BYTES, MAX_LINES, NotAReply, ReplyReader, SmtpReply, printable


def read(data: bytes) -> SmtpReply | None:
    reader = ReplyReader()
    reader.feed(data)
    return reader.next_reply()


@pytest.mark.parametrize(
    ("data", "code", "lines"),
    [
        (b"220 hello\r\n", 220, ("hello",)),
        (b"220\r\n", 220, ("",)),
        (b"220 bare line feed\n", 220, ("bare line feed",)),
        (b"250-a\r\n250-b\r\n250 c\r\n", 250, ("a", "b", "c")),
        (b"250-a\r\n250\r\n", 250, ("a", "")),
    ],
)
def test_a_whole_reply_is_read(data: bytes, code: int, lines: tuple[str, ...]) -> None:
    assert read(data) == SmtpReply(code=code, lines=lines)


@pytest.mark.parametrize("data", [b"", b"2", b"220", b"220 half", b"250-a\r\n", b"250-a\r\n250 b"])
def test_half_a_reply_waits_for_more(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x\r\n", b"\r\n", b"22\r\n", b"2200 x\r\n", b"120 x\r\n", b"650 x\r\n", b"250-a\r\n220 b\r\n"]
)
def test_what_is_no_reply_is_named(data: bytes) -> None:
    with pytest.raises(NotAReply, match="is not a line of an SMTP reply"):
        read(data)


def test_a_reply_of_the_largest_size_is_read() -> None:
    lines = b"250-x\r\n" * (MAX_LINES - 1) + b"250 x\r\n"
    reply = read(lines)
    assert reply is not None
    assert len(reply.lines) == MAX_LINES
    long = b"250 " + b"x" * (MAX_BYTES - 6) + b"\r\n"
    assert len(long) == MAX_BYTES
    assert read(long) is not None


@pytest.mark.parametrize("data", [b"250-x\r\n" * 201, b"250 " + b"x" * MAX_BYTES, b"y" * (MAX_BYTES + 1)])
def test_a_reply_without_end_is_given_up(data: bytes) -> None:
    with pytest.raises(NotAReply, match="more than"):
        read(data)


@pytest.mark.parametrize(
    ("line", "enhanced"),
    [
        (b"454 4.7.0 TLS not available\r\n", "4.7.0"),
        (b"250 2.1.5\r\n", "2.1.5"),
        (b"250 4.7.0 of another class\r\n", ""),
        (b"250 2.1 short\r\n", ""),
        (b"250 mail.example.net\r\n", ""),
    ],
)
def test_the_enhanced_code_is_read(line: bytes, enhanced: str) -> None:
    reply = read(line)
    assert reply is not None
    assert reply.enhanced == enhanced


@pytest.mark.parametrize(
    ("data", "foreign"),
    [(b"", False), (b"2", False), (b"22", False), (b"220", False), (b"220 x", False), (b"S", True), (b"2x", True)],
)
def test_a_beginning_that_cannot_be_smtp_is_foreign(data: bytes, foreign: bool) -> None:
    reader = ReplyReader()
    reader.feed(data)
    assert reader.foreign is foreign


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_text_of_a_server_is_safe_to_print(raw: bytes) -> None:
    text = printable(raw)
    assert text.isprintable()
    text.encode("utf-8")


def test_a_terminal_escape_becomes_visible() -> None:
    assert printable(b"\x1b[31mred\xff\t.") == "\\x1b[31mred\\xff ."
