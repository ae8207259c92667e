"""The prober against real sockets."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from pathlib import Path

import pytest
from odd_certificates import NAME, World, server_context
from odd_servers import SCRIPTS, OddServer

from tlsrunbook.adapters.smtp import Patience, SmtpProber, sent_chain
from tlsrunbook.ports import Prober
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome

QUICK = Patience(step=5, total=10)
HASTY = Patience(step=0.8, total=2)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def context(world: World, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return server_context(world.good, tmp_path_factory.mktemp("tls"))


def look(script: str, context: ssl.SSLContext | None = None, patience: Patience = QUICK) -> ProbeFacts:
    with OddServer(SCRIPTS[script], context=context) as server:
        (facts,) = SmtpProber(patience=patience).probe(server.endpoint, NAME)
        assert (facts.endpoint, facts.address) == (server.endpoint, server.endpoint)
    return facts


@pytest.mark.parametrize("script", ["good", "split-at-every-byte", "slow-but-honest"])
def test_a_good_server_is_seen_whole(script: str, context: ssl.SSLContext, world: World) -> None:
    facts = look(script, context)
    assert (facts.outcome, facts.detail) == (ProbeOutcome.TLS, "")
    assert facts.chain == world.good.sent
    assert facts.chain_complete_view
    assert facts.protocol == "TLSv1.3"
    assert facts.cipher.startswith("TLS_")
    assert facts.ehlo_name == NAME
    assert facts.extensions == ("SIZE", "STARTTLS", "8BITMIME")
    assert facts.offered_starttls
    assert 0 < facts.seconds < 10


@pytest.mark.parametrize(
    ("script", "outcome", "detail"),
    [
        ("helo-only", ProbeOutcome.STARTTLS_NOT_OFFERED, "502 5.5.1"),
        ("no-starttls", ProbeOutcome.STARTTLS_NOT_OFFERED, "500 5.3.3"),
        ("middlebox", ProbeOutcome.STARTTLS_NOT_OFFERED, "500 5.3.3"),
        ("refused-454", ProbeOutcome.STARTTLS_REFUSED, "454 4.7.0 TLS not available"),
        ("closed-after-starttls", ProbeOutcome.STARTTLS_REFUSED, "the connection ended"),
        ("response-injection", ProbeOutcome.RESPONSE_INJECTED, "more than the 220"),
        ("garbage-after-220", ProbeOutcome.HANDSHAKE_FAILED, ""),
        ("reset-in-handshake", ProbeOutcome.HANDSHAKE_FAILED, "reset"),
        ("reset-at-once", ProbeOutcome.REJECTED, "reset"),
        ("rejected-554", ProbeOutcome.REJECTED, "554 5.7.1 you are not welcome here"),
        ("busy-421", ProbeOutcome.REJECTED, "421 4.3.2"),
        ("not-smtp", ProbeOutcome.NOT_SMTP, "SSH-2.0-OpenSSH"),
        ("not-smtp-but-polite", ProbeOutcome.NOT_SMTP, "500 command not understood"),
        ("endless-ehlo", ProbeOutcome.NOT_SMTP, "more than 200 lines"),
    ],
)
def test_each_odd_server_is_told_apart(script: str, outcome: ProbeOutcome, detail: str) -> None:
    facts = look(script)
    assert facts.outcome is outcome
    assert detail in facts.detail.replace("forcibly closed", "reset")
    assert facts.chain == ()


@pytest.mark.parametrize(
    ("script", "outcome", "waited"),
    [
        ("silent", ProbeOutcome.TIMEOUT, "its banner"),
        ("tarpit", ProbeOutcome.TIMEOUT, "its banner (half a line came"),
        ("silent-in-handshake", ProbeOutcome.TIMEOUT, "the TLS handshake"),
        ("silent-in-tls", ProbeOutcome.TLS, "the answer to EHLO inside TLS"),
    ],
)
def test_a_deadline_ends_every_wait(script: str, outcome: ProbeOutcome, waited: str, context: ssl.SSLContext) -> None:
    facts = look(script, context, HASTY)
    assert facts.outcome is outcome
    assert waited in facts.detail
    assert facts.seconds < 5


def test_something_else_that_falls_silent_is_not_taken_for_smtp() -> None:
    assert look("not-smtp-and-no-line", patience=HASTY).outcome is ProbeOutcome.NOT_SMTP


def test_starttls_that_is_accepted_without_an_offer_is_seen(context: ssl.SSLContext) -> None:
    facts = look("strip-but-accepts", context)
    assert facts.outcome is ProbeOutcome.TLS
    assert not facts.offered_starttls


def test_a_server_without_certificate_does_not_pass_anonymously(tmp_path: Path) -> None:
    facts = look("good", server_context(None, tmp_path))
    assert facts.outcome is ProbeOutcome.HANDSHAKE_FAILED
    assert "handshake failure" in facts.detail.replace("_", " ").lower()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
def test_an_old_server_stays_visible(
    version: ssl.TLSVersion, world: World, context: ssl.SSLContext, tmp_path: Path
) -> None:
    facts = look("good", server_context(world.good, tmp_path, newest=version))
    assert facts.protocol == version.name.replace("_", ".")
    assert facts.chain == world.good.sent


@pytest.mark.parametrize(
    "kind", ["expired", "wrong-name", "self-signed", "leaf-only", "disordered", "root-sent", "weak-key"]
)
def test_a_bad_certificate_is_seen_as_it_was_sent(kind: str, world: World, tmp_path: Path) -> None:
    shown = world.chain(kind)
    facts = look("good", server_context(shown, tmp_path))
    assert (facts.outcome, facts.detail) == (ProbeOutcome.TLS, "")
    assert facts.chain == shown.sent


def test_the_name_is_sent_as_sni(world: World, tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = server_context(world.good, tmp_path)
    context.sni_callback = lambda _sock, name, _context: asked.append(name)
    with OddServer(SCRIPTS["good"], context=context) as server:
        for name in (NAME, "Bücher.Example.", "", ".bad", "a\0b", "x" * 64 + ".example"):
            assert SmtpProber(patience=QUICK).probe(server.endpoint, name)[0].outcome is ProbeOutcome.TLS
    assert asked == [NAME, "xn--bcher-kva.example", None, None, None, None]


def test_it_introduces_itself_as_told(context: ssl.SSLContext) -> None:
    heard: list[bytes] = []

    def listen(talk: object) -> None:
        hear = talk.hear  # type: ignore[attr-defined]
        talk.hear = lambda: heard.append(line := hear()) or line  # type: ignore[attr-defined,func-returns-value]
        SCRIPTS["good"](talk)  # type: ignore[arg-type]

    with OddServer(listen, context=context) as server:
        SmtpProber(introduce_as="probe.example.org", patience=QUICK).probe(server.endpoint, NAME)
    assert heard == [b"EHLO probe.example.org", b"STARTTLS", b"EHLO probe.example.org", b"QUIT"]


def test_every_address_is_probed_and_repeated(context: ssl.SSLContext) -> None:
    with OddServer(SCRIPTS["good"], context=context) as server:
        port = server.endpoint.rsplit(":", 1)[1]
        prober = SmtpProber(addresses=lambda _: ("127.0.0.1", "127.0.0.2"), repeat=3, patience=QUICK)
        seen = prober.probe(f"{NAME}:{port}", NAME)
    assert [facts.address for facts in seen] == [f"127.0.0.1:{port}"] * 3 + [f"127.0.0.2:{port}"] * 3
    assert {facts.endpoint for facts in seen} == {f"{NAME}:{port}"}
    assert [facts.outcome for facts in seen] == [ProbeOutcome.TLS] * 3 + [ProbeOutcome.UNREACHABLE] * 3
    assert server.connections == 3


def test_both_nodes_behind_a_load_balancer_are_found(world: World, tmp_path: Path) -> None:
    def node(kind: str) -> object:
        own = server_context(world.chain(kind), tmp_path)

        def serve(talk: object) -> None:
            talk.context = own  # type: ignore[attr-defined]
            SCRIPTS["good"](talk)  # type: ignore[arg-type]

        return serve

    with OddServer(node("good"), node("expired")) as server:  # type: ignore[arg-type]
        seen = SmtpProber(repeat=4, patience=QUICK).probe(server.endpoint, NAME)
    assert len({facts.chain[0] for facts in seen}) == 2


def test_a_closed_port_is_a_fact() -> None:
    with socket.socket() as held:  # bound and not listening: nobody else gets the port
        held.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{held.getsockname()[1]}"
        (facts,) = SmtpProber(patience=QUICK).probe(endpoint, NAME)
    assert facts.outcome is ProbeOutcome.UNREACHABLE
    assert "refused" in facts.detail
    assert facts.address == endpoint


def test_a_reset_that_overtakes_connect_is_told_like_one_that_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(*_: object, **__: object) -> None:
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    later = look("reset-at-once")
    monkeypatch.setattr(socket, "create_connection", overtaken)  # a race that cannot be made to happen
    (facts,) = SmtpProber(patience=QUICK).probe("127.0.0.1:25", NAME)
    assert (facts.outcome, facts.detail) == (later.outcome, later.detail)


@pytest.mark.parametrize(
    ("endpoint", "answer", "detail"),
    [
        ("mail.example.net:25", (), "the name has no address"),
        ("mail.example.net:25", None, "DNS did not answer"),
        ("mail.example.net", ("127.0.0.1",), "this is not HOST:PORT"),
        ("mail.example.net:0", ("127.0.0.1",), "this is not HOST:PORT"),
        ("mail.example.net:70000", ("127.0.0.1",), "this is not HOST:PORT"),
        ("::1:25", ("127.0.0.1",), "this is not HOST:PORT"),
    ],
)
def test_an_endpoint_without_address_is_a_fact(endpoint: str, answer: tuple[str, ...] | None, detail: str) -> None:
    assert SmtpProber(addresses=lambda _: answer).probe(endpoint, NAME) == (
        ProbeFacts(endpoint, "", ProbeOutcome.UNREACHABLE, detail),
    )


@pytest.mark.parametrize("host", ["no-such-name.invalid", "x" * 64 + ".example.net"])
def test_a_name_the_system_cannot_resolve_is_a_fact(host: str) -> None:
    (facts,) = SmtpProber(patience=HASTY).probe(f"{host}:25", NAME)
    assert facts.outcome is ProbeOutcome.UNREACHABLE
    assert facts.detail.startswith("the name could not be resolved: ")


def test_ipv6_is_shown_in_brackets() -> None:
    (facts,) = SmtpProber(patience=HASTY).probe("[::1]:1", NAME)
    assert facts.outcome is ProbeOutcome.UNREACHABLE
    assert facts.address == "[::1]:1"


def test_wrong_settings_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="cannot be said in EHLO"):
        SmtpProber(introduce_as="two words")
    with pytest.raises(ValueError, match="repeat is 0"):
        SmtpProber(repeat=0)


class _Channel:
    """What a Python shows of a handshake: the leaf, and perhaps the chain."""

    def __init__(self, leaf: bytes | None, **more: object) -> None:
        self._leaf = leaf
        self.__dict__.update(more)

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        assert binary_form
        return self._leaf


@pytest.mark.parametrize(
    ("channel", "seen"),
    [
        (_Channel(None), ((), True)),
        (_Channel(b"leaf"), ((b"leaf",), False)),
        (_Channel(b"leaf", _sslobj=None), ((b"leaf",), False)),
        (_Channel(b"leaf", get_unverified_chain=lambda: [b"leaf", b"ca"]), ((b"leaf", b"ca"), True)),
        (_Channel(b"leaf", get_unverified_chain=lambda: None), ((b"leaf",), True)),
    ],
)
def test_the_chain_is_read_as_far_as_this_python_shows_it(channel: ssl.SSLSocket, seen: object) -> None:
    assert sent_chain(channel) == seen


def test_it_is_a_prober() -> None:
    prober: Prober = SmtpProber()
    assert prober.probe("nothing", NAME)[0].outcome is ProbeOutcome.UNREACHABLE
