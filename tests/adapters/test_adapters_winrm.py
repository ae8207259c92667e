"""The Shell contract over real HTTPS and NTLM: unmodified pywinrm against the lab's endpoint."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from counting_machine import CREDENTIAL, CountingMachine, get, put, shell_on, wait_until
from winrm_fixture import PASSWORD, USER, Trust

from tlsrunbook.adapters.winrm import WinrmShell
from tlsrunbook.errors import (
    CommandFailed,
    ConnectionFailed,
    LogonFailed,
    OutcomeUnknown,
    SessionLost,
    UntrustedServer,
    UsageError,
)
from tlsrunbook.exchange.command import Command, Later, RemoteFault
from tlsrunbook.lab.winrm import WinrmEndpoint
from tlsrunbook.ports import Shell
from tlsrunbook.secret import Credential, Secret


@pytest.fixture
def shell(endpoint: WinrmEndpoint, trust: Trust) -> Iterator[WinrmShell]:
    with shell_on(endpoint, trust) as shell:
        yield shell


def test_open_greets_once_and_hands_the_credential_over_in_a_frame(
    shell: Shell, machine: CountingMachine, endpoint: WinrmEndpoint
) -> None:
    greeting = shell.open()
    assert (greeting.computer, greeting.is_edge, greeting.exchange) == ("EDGE1", True, "15.02.2562.017")
    assert greeting.knows("Get-Echo", "Size")
    assert not greeting.knows("Set-Echo", "Size")
    assert shell.open() is greeting
    assert machine.loads == [(USER, PASSWORD)]
    assert endpoint.counters.powershell_starts == 1


@pytest.mark.parametrize("method", ["ntlm", "basic"])
def test_every_call_uses_the_same_shell_and_close_leaves_none(
    endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine, method: str
) -> None:
    with shell_on(endpoint, trust, method=method) as shell:
        for number in range(5):
            assert shell.run(get(Text=str(number))).objects == ({"Text": str(number)},)
        assert endpoint.shells_open == 1
    assert endpoint.counters.powershell_starts == 1
    assert machine.names == ["Get-Echo"] * 5


@pytest.mark.parametrize("text", ["grüße € 😀", "a\0b\r\nc\td", "’; Remove-Item C:\\ ‘", "\ud800 alone", ""])
def test_text_arrives_and_returns_as_it_is(shell: Shell, machine: CountingMachine, text: str) -> None:
    assert shell.run(get(Text=text)).objects[0]["Text"] == text
    assert machine.executed == [("Get-Echo", {"Text": text})]


def test_a_property_the_object_lacks_is_left_out(shell: Shell) -> None:
    assert "Missing" not in shell.run(get(Text="x")).objects[0]


def test_two_megabytes_go_up_and_one_comes_down(shell: Shell, machine: CountingMachine) -> None:
    data = os.urandom(2_000_000)
    assert not shell.run((Command.of("Set-Echo", FileData=data),)).failed
    sent = base64.b64decode(machine.executed[0][1]["FileData"])
    assert hashlib.sha256(sent).digest() == hashlib.sha256(data).digest()
    assert shell.run(get(Size=1_000_000)).objects[0]["Text"] == "y" * 1_000_000


def test_a_pipeline_of_two_runs_as_one(shell: Shell, machine: CountingMachine) -> None:
    shell.run((*put(Text="a"), Command.of("Enable-Echo", Confirm=False)))
    assert machine.executed == [("Set-Echo | Enable-Echo", {"Text": "a", "Confirm": False})]


def test_errors_and_warnings_of_the_server_are_a_reply(shell: Shell) -> None:
    reply = shell.run(put(Fail=True))
    assert reply.failed
    assert reply.warnings == ("careful",)
    assert reply.errors == (
        RemoteFault("It cannot be done.", "System.InvalidOperationException", "InvalidOperation", "Id1", "t"),
    )


def test_a_command_that_is_not_known_yet_is_not_sent(shell: Shell, machine: CountingMachine) -> None:
    with pytest.raises(ValueError, match="thumbprint"):
        shell.run(put(Text=Later("thumbprint")))
    assert machine.executed == []
    assert shell.run(get(Text="still there")).objects[0]["Text"] == "still there"


def test_a_slow_command_outlasts_several_operation_timeouts(
    shell: Shell, machine: CountingMachine, endpoint: WinrmEndpoint
) -> None:
    shell.open()
    begin = endpoint.counters.requests
    machine.before_answer = lambda: wait_until(lambda: endpoint.counters.requests >= begin + 4)
    assert not shell.run(put(Text="slow")).failed
    assert machine.names == ["Set-Echo"]


@pytest.mark.parametrize(("pipeline", "error"), [(get(Text="x"), SessionLost), (put(Text="x"), OutcomeUnknown)])
def test_no_answer_before_the_deadline_ends_the_session(
    endpoint: WinrmEndpoint,
    trust: Trust,
    machine: CountingMachine,
    pipeline: tuple[Command, ...],
    error: type[Exception],
) -> None:
    release = threading.Event()
    with shell_on(endpoint, trust, command_deadline=1.0) as shell:
        shell.open()
        machine.before_answer = release.wait
        with pytest.raises(error, match="no answer within 1 second"):
            shell.run(pipeline)
        assert endpoint.shells_open == 0
        release.set()
        assert shell.run(get(Text="look")).objects[0]["Text"] == "look"
    assert len(machine.executed) == 2


def test_a_wrong_password_is_refused_and_named_by_its_credential(endpoint: WinrmEndpoint, trust: Trust) -> None:
    wrong = Credential("edge-admin", USER, Secret("Marker-7391"))
    with shell_on(endpoint, trust, credential=wrong) as shell, pytest.raises(LogonFailed) as caught:
        shell.open()
    assert "edge-admin" in str(caught.value)
    assert endpoint.url in str(caught.value)
    assert "Marker-7391" not in str(caught.value)


def test_no_frame_of_a_traceback_holds_a_secret(
    endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine
) -> None:
    secret = Secret("Marker-4826")
    with shell_on(endpoint, trust, command_deadline=1.0) as shell:
        shell.open()
        machine.before_answer = lambda: wait_until(lambda: endpoint.shells_open == 0)
        with pytest.raises(OutcomeUnknown) as caught:
            shell.run((Command.of("Set-Echo", Password=secret),))
    assert machine.executed[0][1]["Password"] == "Marker-4826"
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "winrm_conversation" in shown
    assert "Marker" not in shown.replace('Secret("Marker-4826")', "")
    for offset in range(3):  # base64 of the marker at every alignment, without the ends that depend on neighbours
        assert base64.b64encode(b"x" * offset + b"Marker-4826")[4:12].decode() not in shown


def test_a_certificate_of_an_unknown_ca_is_not_trusted(endpoint: WinrmEndpoint, trust: Trust, tmp_path: Path) -> None:
    other = Trust(tmp_path / "other", "another CA")
    with (
        shell_on(endpoint, trust, ca_file=str(other.ca_file)) as shell,
        pytest.raises(UntrustedServer, match="ca_file"),
    ):
        shell.open()
    assert endpoint.counters.logons == 0


def test_without_ca_file_the_systems_roots_decide(
    endpoint: WinrmEndpoint, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with shell_on(endpoint, trust, ca_file=None) as shell, pytest.raises(UntrustedServer):
        shell.open()
    monkeypatch.setenv("SSL_CERT_FILE", str(trust.ca_file))
    with shell_on(endpoint, trust, ca_file=None) as shell:
        assert shell.open().computer == "EDGE1"


def test_neither_proxy_nor_ca_bundle_is_taken_from_the_environment(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, os.devnull)
    assert shell.open().computer == "EDGE1"


def test_a_name_that_is_not_in_the_certificate_is_not_trusted(endpoint: WinrmEndpoint, trust: Trust) -> None:
    url = f"https://127.1:{endpoint.port}/wsman"  # the same address, by another name
    shell = WinrmShell("edge1", url, "ntlm", CREDENTIAL, ca_file=str(trust.ca_file))
    with pytest.raises(UntrustedServer):
        shell.open()


def test_a_refused_connection_says_where(trust: Trust) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"https://127.0.0.1:{taken.getsockname()[1]}/wsman"
        shell = WinrmShell("edge1", url, "ntlm", CREDENTIAL, ca_file=str(trust.ca_file))
        with pytest.raises(ConnectionFailed, match="edge1") as caught:
            shell.open()
        shell.close()
    assert url in str(caught.value)
    assert type(caught.value) is ConnectionFailed


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(trust: Trust) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}/wsman"
        shell = WinrmShell("edge1", url, "ntlm", CREDENTIAL, ca_file=str(trust.ca_file), open_deadline=1.0)
        begin = time.monotonic()
        with pytest.raises(ConnectionFailed):
            shell.open()
        shell.close()
    assert time.monotonic() - begin < 10


def test_the_adapter_does_not_import_pywinrm_before_it_connects() -> None:
    code = (
        "import sys, tlsrunbook.adapters.winrm as adapter\n"
        "from tlsrunbook.secret import Credential, Secret\n"
        "adapter.WinrmShell('s', 'https://s:5986/wsman', 'ntlm', Credential('c', 'u', Secret('p'))).close()\n"
        "print(sorted({'winrm', 'requests', 'urllib3', 'spnego'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_exchange_that_cannot_be_loaded_fails_the_opening(
    shell: Shell, machine: CountingMachine, endpoint: WinrmEndpoint
) -> None:
    machine.refusal = "Access is denied to the inner session."
    with pytest.raises(CommandFailed, match="inner session") as caught:
        shell.open()
    assert caught.value.category == "InvalidOperation"
    assert endpoint.shells_open == 0


def test_opening_ends_at_its_deadline(endpoint: WinrmEndpoint, trust: Trust, machine: CountingMachine) -> None:
    machine.before_load = lambda: wait_until(lambda: endpoint.shells_open == 0)
    with (
        shell_on(endpoint, trust, open_deadline=1.5) as shell,
        pytest.raises(ConnectionFailed, match="no answer within"),
    ):
        shell.open()


@pytest.mark.parametrize(
    ("method", "url", "options", "says"),
    [
        ("ntlm", "http://127.0.0.1:5985/wsman", {}, "TLS is required"),
        ("password", "https://127.0.0.1:5986/wsman", {}, "use one of: ntlm"),
        ("certificate", "https://127.0.0.1:5986/wsman", {}, "name both files"),
        ("ntlm", "https://127.0.0.1:5986/wsman", {"ca_file": "no/such/ca.pem"}, "no/such/ca.pem"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    method: str, url: str, options: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        WinrmShell("edge1", url, method, CREDENTIAL, **options)  # type: ignore[arg-type]


def test_nothing_that_is_sent_is_logged(shell: Shell, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        shell.run(put(Text="Marker-1177"))
    text = " ".join(record.getMessage() for record in caplog.records if not record.name.startswith("asyncio"))
    assert "Marker" not in text
    assert base64.b64encode(b"Marker-1177").decode()[:12] not in text
    for name in ("urllib3", "spnego", "requests_ntlm", "winrm"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING
