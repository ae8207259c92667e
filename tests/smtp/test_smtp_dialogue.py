"""The dialogue without I/O."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_servers import BANNER, EHLO, EHLO_WITHOUT_TLS, READY

from tlsrunbook.smtp.dialogue import Dialogue, Ended, Event, Greeted, HandshakeDue, Introduced, State
from tlsrunbook.smtp.facts import ProbeOutcome

NAME = "probe.example.org"


def play(*pieces: bytes) -> tuple[list[Event], bytes, Dialogue]:
    """Feed pieces; give the events, everything that was sent, and the dialogue."""
    dialogue = Dialogue(NAME)
    events: list[Event] = []
    sent = b""
    for piece in pieces:
        events += dialogue.receive(piece)
        sent += dialogue.data_to_send()
    return events, sent, dialogue


def before_tls(ehlo: bytes = EHLO) -> Dialogue:
    return play(BANNER, ehlo, READY)[2]


def in_tls() -> Dialogue:
    dialogue = before_tls()
    dialogue.tls_established()
    dialogue.data_to_send()
    return dialogue


def end_of(events: tuple[Event, ...] | list[Event]) -> tuple[ProbeOutcome, str]:
    last = events[-1]
    assert isinstance(last, Ended)
    return last.outcome, last.detail


def test_a_good_server_is_asked_for_everything_in_order() -> None:
    events, sent, dialogue = play(BANNER, EHLO, READY)
    extensions = ("SIZE", "STARTTLS", "8BITMIME")
    assert events == [
        Greeted(text="mail.example.net Microsoft ESMTP MAIL Service ready"),
        Introduced(name="mail.example.net", extensions=extensions, encrypted=False),
        HandshakeDue(),
    ]
    assert sent == b"EHLO probe.example.org\r\nSTARTTLS\r\n"
    assert dialogue.tls_established() == ()
    assert dialogue.data_to_send() == b"EHLO probe.example.org\r\n"
    inside = dialogue.receive(EHLO_WITHOUT_TLS)
    assert inside == (Introduced(name="mail.example.net", extensions=("SIZE", "8BITMIME"), encrypted=True),)
    assert dialogue.data_to_send() == b"QUIT\r\n"
    assert dialogue.receive(b"221 bye\r\n") == (Ended(outcome=ProbeOutcome.TLS, detail=""),)
    assert dialogue.ended


def test_helo_follows_when_ehlo_is_refused() -> None:
    events, sent, _ = play(BANNER, b"502 what?\r\n", b"250 Old.Example.Net. hi\r\n")
    assert events[-1] == Introduced(name="old.example.net", extensions=(), encrypted=False)
    assert sent == b"EHLO probe.example.org\r\nHELO probe.example.org\r\nSTARTTLS\r\n"


@pytest.mark.parametrize(
    ("pieces", "outcome", "detail"),
    [
        ((b"554 5.7.1 no\r\n",), ProbeOutcome.REJECTED, "554 5.7.1 no"),
        ((b"421 busy\r\n",), ProbeOutcome.REJECTED, "421 busy"),
        ((BANNER, b"421-a\r\n421 b\r\n"), ProbeOutcome.REJECTED, "421 a / b"),
        ((BANNER, b"550 a\r\n", b"550 b\r\n"), ProbeOutcome.REJECTED, "550 b"),
        ((BANNER, b"500 a\r\n", b"500 b\r\n"), ProbeOutcome.NOT_SMTP, "500 b"),
        ((b"+OK POP3\r\n",), ProbeOutcome.NOT_SMTP, "'+OK POP3' is not a line of an SMTP reply"),
        ((BANNER, EHLO, b"454 4.7.0 no\r\n"), ProbeOutcome.STARTTLS_REFUSED, "454 4.7.0 no"),
        ((BANNER, EHLO, b"250 what?\r\n"), ProbeOutcome.STARTTLS_REFUSED, "250 what?"),
        ((BANNER, EHLO_WITHOUT_TLS, b"502 no\r\n"), ProbeOutcome.STARTTLS_NOT_OFFERED, "502 no"),
        ((BANNER, EHLO, READY + b"x"), ProbeOutcome.RESPONSE_INJECTED, "the server sent more than the 220"),
        ((BANNER, EHLO, READY, b"250 x\r\n"), ProbeOutcome.RESPONSE_INJECTED, "the server sent more than the 220"),
    ],
)
def test_each_way_to_fail_has_its_outcome(pieces: tuple[bytes, ...], outcome: ProbeOutcome, detail: str) -> None:
    events, _, dialogue = play(*pieces)
    assert end_of(events)[0] is outcome
    assert end_of(events)[1].startswith(detail)
    assert dialogue.receive(b"220 more\r\n") == dialogue.closed() == dialogue.deadline_passed() == ()


def test_it_says_quit_after_a_refusal_but_not_to_a_server_that_closes() -> None:
    assert play(b"554 no\r\n")[1] == b"QUIT\r\n"
    assert play(b"421 busy\r\n")[1] == b""


@pytest.mark.parametrize(
    ("pieces", "closed", "late"),
    [
        ((), ProbeOutcome.REJECTED, ProbeOutcome.TIMEOUT),
        ((b"220 ha",), ProbeOutcome.REJECTED, ProbeOutcome.TIMEOUT),
        ((b"\x15\x03\x01",), ProbeOutcome.NOT_SMTP, ProbeOutcome.NOT_SMTP),
        ((BANNER,), ProbeOutcome.REJECTED, ProbeOutcome.TIMEOUT),
        ((BANNER, b"500 x\r\n"), ProbeOutcome.REJECTED, ProbeOutcome.TIMEOUT),
        ((BANNER, EHLO), ProbeOutcome.STARTTLS_REFUSED, ProbeOutcome.TIMEOUT),
        ((BANNER, EHLO_WITHOUT_TLS), ProbeOutcome.STARTTLS_NOT_OFFERED, ProbeOutcome.TIMEOUT),
        ((BANNER, EHLO, READY), ProbeOutcome.HANDSHAKE_FAILED, ProbeOutcome.TIMEOUT),
    ],
)
def test_an_end_or_a_silence_is_told_by_what_was_waited_for(
    pieces: tuple[bytes, ...], closed: ProbeOutcome, late: ProbeOutcome
) -> None:
    assert end_of(play(*pieces)[2].closed("Connection reset by peer"))[0] is closed
    outcome, detail = end_of(play(*pieces)[2].deadline_passed())
    assert outcome is late
    assert late is ProbeOutcome.NOT_SMTP or str(play(*pieces)[2].state) in detail


def test_half_a_line_is_shown_when_the_rest_never_comes() -> None:
    assert "(half a line came: '220-we are')" in end_of(play(b"220-hi\r\n220-we are")[2].deadline_passed())[1]


def test_trouble_inside_tls_keeps_the_outcome_and_says_what_happened() -> None:
    assert end_of(in_tls().deadline_passed()) == (
        ProbeOutcome.TLS,
        "the time is up, waiting for the answer to EHLO inside TLS",
    )
    assert end_of(in_tls().closed("alert certificate required"))[1].endswith(": alert certificate required")
    assert end_of(in_tls().receive(b"454 4.7.0 no key\r\n")) == (ProbeOutcome.TLS, "454 4.7.0 no key")
    assert end_of(in_tls().receive(b"nonsense\r\n"))[0] is ProbeOutcome.TLS


@pytest.mark.parametrize("last", ["closed", "deadline_passed", "odd"])
def test_nothing_that_follows_quit_matters(last: str) -> None:
    dialogue = in_tls()
    dialogue.receive(EHLO_WITHOUT_TLS)
    assert dialogue.state is State.QUIT
    ends = dialogue.receive(b"500 what?\r\n") if last == "odd" else getattr(dialogue, last)()
    assert ends == (Ended(outcome=ProbeOutcome.TLS, detail=""),)


def test_a_failed_handshake_is_told_in_the_librarys_words() -> None:
    assert before_tls().tls_failed("no shared cipher") == (
        Ended(outcome=ProbeOutcome.HANDSHAKE_FAILED, detail="no shared cipher"),
    )


def test_a_handshake_that_was_not_due_is_a_programming_error() -> None:
    with pytest.raises(RuntimeError, match="waits for its banner"):
        Dialogue(NAME).tls_established()


@pytest.mark.parametrize("name", ["", "two words", "a\r\nRSET", "bücher.example", "x" * 256])
def test_a_name_that_would_break_the_command_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be said in EHLO"):
        Dialogue(name)


TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
CODES = st.sampled_from([220, 220, 250, 250, 421, 454, 500, 502, 554, 199, 700])
LINES = st.builds(lambda code, sep, text, end: f"{code}{sep}{text}{end}".encode(), CODES, st.sampled_from(" -"), TEXT,
                  st.sampled_from(["\r\n", "\n"]))  # fmt: skip
STREAMS = st.one_of(
    st.lists(LINES, max_size=8).map(b"".join),
    st.lists(st.one_of(LINES, st.binary(max_size=20)), max_size=8).map(b"".join),
    st.builds(lambda rest: BANNER + EHLO + READY + rest, st.binary(max_size=5)),
    st.builds(
        lambda n, end: BANNER + b"250-X\r\n" * n + end, st.integers(195, 205), st.sampled_from([b"250 X\r\n", b""])
    ),
)


@settings(deadline=None)  # a busy machine is no finding
@given(stream=STREAMS, cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_events_do_not_depend_on_how_the_stream_is_cut(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    whole_events, whole_sent, whole = play(stream)
    cut_events, cut_sent, cut = play(*pieces)
    assert (cut_events, cut_sent, cut.state) == (whole_events, whole_sent, whole.state)
    assert cut.closed() == whole.closed()


@settings(deadline=None)  # a busy machine is no finding
@given(stream=STREAMS)
def test_events_are_the_same_byte_by_byte(stream: bytes) -> None:
    events, sent, dialogue = play(*(bytes([byte]) for byte in stream))
    whole_events, whole_sent, whole = play(stream)
    assert (events, sent, dialogue.state) == (whole_events, whole_sent, whole.state)


@settings(deadline=None)  # a busy machine is no finding
@given(extra=st.integers(-20, 20), cuts=st.lists(st.integers(0, 70_000), max_size=4))
def test_the_size_limit_does_not_depend_on_the_cuts(extra: int, cuts: list[int]) -> None:
    stream = b"220-" + b"x" * 30_000 + b"\r\n220 " + b"y" * (65_536 - 30_012 + extra) + b"\r\n"
    places = [0, *sorted(cut % len(stream) for cut in cuts), len(stream)]
    cut_events = play(*(stream[a:b] for a, b in itertools.pairwise(places)))[0]
    assert cut_events == play(stream)[0]
    assert isinstance(cut_events[0], Greeted if len(stream) <= 65_536 else Ended)
