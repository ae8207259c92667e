"""Accounts of a lab server: how they are spelled, and that junk is refused quietly."""

from __future__ import annotations

import base64
import os
import stat
import tempfile
from functools import cache
from pathlib import Path

import pytest
import spnego
from hypothesis import given, settings
from hypothesis import strategies as st
from spnego.channel_bindings import GssChannelBindings
from winrm_fixture import Trust

from tlsrunbook.lab.logon import Accounts, Verdict, _end_point_binding

PASSWORD = "s:e c'r\"e€t"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return Trust(tmp_path_factory.mktemp("trust")).tls.certificate


def accounts(certificate: bytes, *names: str) -> Accounts:
    return Accounts("EDGE1", dict.fromkeys(names, PASSWORD), certificate)


def log_on(
    server: Accounts, user: str, password: str, binding: GssChannelBindings | None, protocol: str = "ntlm"
) -> str:
    """Do the whole exchange and give who logged on."""
    client = spnego.client(
        user,
        password,
        hostname="localhost",
        service="http",
        channel_bindings=binding,
        protocol=protocol,
        options=spnego.NegotiateOptions.use_ntlm
        | (spnego.NegotiateOptions.use_negotiate if protocol == "negotiate" else spnego.NegotiateOptions.none),
    )
    negotiation = server.negotiation()
    token = client.step()
    for _ in range(5):
        verdict = negotiation.step(base64.b64encode(token or b"").decode())
        if verdict.user or not verdict.token:
            return verdict.user
        token = client.step(base64.b64decode(verdict.token))
    raise AssertionError("the logon does not end")


def basic(server: Accounts, user: str, password: str, encoding: str = "utf-8") -> str:
    return server.basic(base64.b64encode(f"{user}:{password}".encode(encoding)).decode())


@pytest.mark.parametrize("protocol", ["ntlm", "negotiate"])
@pytest.mark.parametrize(
    ("account", "user", "expected"),
    [
        ("admin", "admin", True),
        ("admin", "ADMIN", True),
        ("admin", "EDGE1\\admin", True),
        ("admin", "edge1\\Admin", True),
        ("admin", ".\\admin", True),
        ("admin", "LAB\\admin", False),
        ("EDGE1\\admin", "admin", True),
        ("LAB\\admin", "LAB\\admin", True),
        ("LAB\\admin", "lab\\Admin", True),
        ("LAB\\admin", "admin", False),
        ("admin@lab.test", "admin@lab.test", True),
        ("admin@lab.test", "admin", False),
    ],
)
def test_an_account_goes_by_the_names_it_has_on_windows(
    certificate: bytes, protocol: str, account: str, user: str, *, expected: bool
) -> None:
    server = accounts(certificate, account)
    binding = _end_point_binding(certificate)
    assert log_on(server, user, PASSWORD, binding, protocol) == (account if expected else "")
    assert log_on(server, user, PASSWORD + "x", binding, protocol) == ""


def test_basic_reaches_local_accounts_only(certificate: bytes) -> None:
    server = accounts(certificate, "admin", "LAB\\ann", "bob@lab.test")
    assert basic(server, "Admin", PASSWORD) == "admin"
    assert basic(server, "edge1\\admin", PASSWORD) == "admin"
    assert basic(server, "admin", PASSWORD[:-1]) == ""
    assert basic(server, "admin", "") == ""
    assert basic(server, "", "") == ""
    assert basic(server, "LAB\\ann", PASSWORD) == ""
    assert basic(server, "bob@lab.test", PASSWORD) == ""


def test_basic_is_read_as_latin_1_when_it_is_not_utf_8(certificate: bytes) -> None:
    server = Accounts("EDGE1", {"admin": "pässword"}, certificate)
    assert basic(server, "admin", "pässword", "latin-1") == basic(server, "admin", "pässword", "utf-8") == "admin"


@pytest.mark.parametrize("binding", [None, GssChannelBindings(application_data=b"tls-server-end-point:" + bytes(32))])
def test_a_missing_or_a_foreign_channel_binding_is_refused(
    certificate: bytes, binding: GssChannelBindings | None
) -> None:
    assert log_on(accounts(certificate, "admin"), "admin", PASSWORD, binding) == ""


@pytest.mark.parametrize("level", ["0", "1", "2"])
def test_ntlm_version_1_is_refused(certificate: bytes, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_COMPAT_LEVEL", level)
    server, binding = accounts(certificate, "admin"), _end_point_binding(certificate)
    assert log_on(server, "admin", PASSWORD, binding) == ""


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.binary(max_size=90).map(lambda junk: b"NTLMSSP\x00\x01\x00\x00\x00" + junk))
)
def test_junk_tokens_are_refused_and_nothing_is_raised(junk: bytes) -> None:
    server = junk_server()
    first = server.negotiation()
    verdict = first.step(base64.b64encode(junk).decode())
    assert verdict.user == ""
    for kind in (b"\x02", b"\x03"):
        token = b"NTLMSSP\x00" + kind + b"\x00\x00\x00" + junk
        assert first.step(base64.b64encode(token).decode()).user == ""


@cache
def junk_server() -> Accounts:
    """Make one server for all examples, since hypothesis takes no fixture of a function."""
    with tempfile.TemporaryDirectory() as folder:
        return accounts(Trust(Path(folder)).tls.certificate, "admin")


@pytest.mark.parametrize("value", ["", "!!!", "YQ", "é"])
def test_headers_that_are_not_base64_are_refused(certificate: bytes, value: str) -> None:
    server = accounts(certificate, "admin")
    assert server.negotiation().step(value) == Verdict()
    assert server.basic(value) == ""


@pytest.mark.parametrize("name", ["", "a:b", "a\nb:0:x", "a\rb"])
def test_user_names_that_would_break_the_account_file_are_refused(certificate: bytes, name: str) -> None:
    with pytest.raises(ValueError, match="is not a user name"):
        accounts(certificate, name)


def test_the_account_file_holds_no_password_and_is_this_users_alone(certificate: bytes) -> None:
    log_on(accounts(certificate, "admin"), "admin", PASSWORD, _end_point_binding(certificate))
    path = Path(os.environ["NTLM_USER_FILE"])
    text = path.read_text(encoding="utf-8")
    assert text.startswith("admin:0:")
    assert PASSWORD not in text
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
