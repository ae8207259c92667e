"""The lab's WinRM endpoint, reached by unmodified pywinrm (and pypsrp) over HTTPS."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from winrm import Session
from winrm.exceptions import (
    InvalidCredentialsError,
    WinRMOperationTimeoutError,
    WinRMTransportError,
    WSManFaultError,
)
from winrm_fixture import PASSWORD, USER, Trust, connected, conversing, run, serving

from tlsrunbook.lab.loop import LoopThread
from tlsrunbook.lab.shells import Limits
from tlsrunbook.lab.winrm import Timing, WinrmEndpoint


@pytest.fixture(scope="module")
def loop() -> Iterator[LoopThread]:
    with LoopThread("test-winrm") as loop:
        yield loop


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture
def endpoint(loop: LoopThread, trust: Trust) -> Iterator[WinrmEndpoint]:
    with serving(loop, trust) as endpoint:
        yield endpoint


@pytest.mark.parametrize("transport", ["ntlm", "basic", "ssl"])
def test_pywinrm_runs_a_command_with_input_and_leaves_no_shell(
    endpoint: WinrmEndpoint, trust: Trust, transport: str
) -> None:
    with connected(endpoint, trust, transport=transport) as protocol:
        assert run(protocol, "upper", data=b"abc") == (b"ABC", b"reading\r\n", 3)
        assert run(protocol, "split") == ("grüße\n".encode(), b"\x00\xff", 7)
    assert endpoint.counters.shells_opened == 2
    assert endpoint.shells_open == 0


def test_pywinrms_session_runs_commands_and_finds_no_other_scripts(endpoint: WinrmEndpoint, trust: Trust) -> None:
    session = Session(endpoint.url, (USER, PASSWORD), transport="ntlm", ca_trust_path=str(trust.ca_file), proxy=None)
    answer = session.run_cmd("nosuch", ["a", "b"])
    assert answer.status_code == 1
    assert answer.std_err.splitlines() == [
        b"'nosuch' is not recognized as an internal or external command,",
        b"operable program or batch file.",
    ]
    answer = session.run_ps("Get-Date")
    assert (answer.status_code, b"'powershell' is not recognized" in answer.std_err) == (1, True)
    session.protocol.transport.close_session()


@pytest.mark.parametrize(("length", "fits"), [(3049, True), (3051, False)])
def test_run_ps_ends_where_it_ends_on_windows(
    endpoint: WinrmEndpoint, trust: Trust, length: int, *, fits: bool
) -> None:
    script = base64.b64encode(("x" * length).encode("utf-16-le")).decode()
    with connected(endpoint, trust) as protocol:
        out, err, code = run(protocol, f"powershell -encodedcommand {script}")
    assert (out, code) == (b"", 1)
    assert (b"The command line is too long." not in err) == fits


def test_ntlm_logs_on_once_for_each_connection(endpoint: WinrmEndpoint, trust: Trust) -> None:
    with connected(endpoint, trust) as protocol:
        for _ in range(5):
            shell = protocol.open_shell()
            protocol.close_shell(shell, close_session=False)
    assert endpoint.counters.logons == 1
    assert endpoint.counters.requests == 12


def test_an_operation_timeout_is_told_and_the_output_still_comes(endpoint: WinrmEndpoint, trust: Trust) -> None:
    with connected(endpoint, trust, operation_timeout_sec=1) as protocol:
        shell = protocol.open_shell()
        command = protocol.run_command(shell, "upper", console_mode_stdin=False)
        protocol.get_command_output_raw(shell, command)
        with pytest.raises(WinRMOperationTimeoutError):
            protocol.get_command_output_raw(shell, command)
        protocol.send_command_input(shell, command, b"later", end=True)
        assert protocol.get_command_output_raw(shell, command) == (b"LATER", b"", 3, True)


def test_a_large_answer_arrives_whole(endpoint: WinrmEndpoint, trust: Trust) -> None:
    with connected(endpoint, trust) as protocol:
        out, _, code = run(protocol, "flood", ("1500000",))
    assert (len(out), code) == (1500000, 0)


def test_the_quotas_reach_the_client_as_faults(loop: LoopThread, trust: Trust) -> None:
    with serving(loop, trust, limits=Limits(shells_per_user=2)) as endpoint, connected(endpoint, trust) as protocol:
        shell, _ = protocol.open_shell(), protocol.open_shell()
        with pytest.raises(WSManFaultError, match="maximum number of 2 concurrent shells") as caught:
            protocol.open_shell()
        assert caught.value.wsman_fault_code == 2150859173
        protocol.close_shell(shell, close_session=False)
        protocol.open_shell()
        with pytest.raises(WSManFaultError, match="the shell was not found on the server") as caught:
            protocol.run_command(shell, "upper")
        assert (caught.value.wsman_fault_code, caught.value.fault_subcode) == (2150858843, "w:InvalidSelectors")


def test_an_envelope_above_500_kb_is_refused_and_the_connection_goes_on(endpoint: WinrmEndpoint, trust: Trust) -> None:
    with connected(endpoint, trust) as protocol:
        shell = protocol.open_shell()
        command = protocol.run_command(shell, "upper", console_mode_stdin=False)
        protocol.send_command_input(shell, command, b"x" * 370_000)
        with pytest.raises(WinRMTransportError) as caught:
            protocol.send_command_input(shell, command, b"x" * 390_000)
        assert caught.value.code == 413
        protocol.send_command_input(shell, command, b"y", end=True)
        out, _, _ = protocol.get_command_output(shell, command)
    assert out == b"X" * 370_000 + b"Y"
    assert endpoint.counters.logons == 1


@pytest.mark.parametrize("transport", ["ntlm", "basic"])
@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("nobody", PASSWORD), (f"{USER}@lab.test", PASSWORD)])
def test_a_wrong_password_and_an_unknown_user_are_refused(
    endpoint: WinrmEndpoint, trust: Trust, transport: str, user: str, password: str
) -> None:
    with (
        connected(endpoint, trust, transport=transport, username=user, password=password) as protocol,
        pytest.raises(InvalidCredentialsError),
    ):
        protocol.open_shell()
    assert (endpoint.counters.logons, endpoint.counters.shells_opened) == (0, 0)


def test_ntlm_without_channel_binding_is_refused(endpoint: WinrmEndpoint, trust: Trust) -> None:
    with connected(endpoint, trust, send_cbt=False) as protocol, pytest.raises(InvalidCredentialsError):
        protocol.open_shell()


def test_a_client_that_trusts_another_ca_does_not_connect(
    endpoint: WinrmEndpoint, trust: Trust, tmp_path: Path
) -> None:
    other = Trust(tmp_path, "another CA")
    with (
        connected(endpoint, other) as protocol,
        pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY"),
    ):
        protocol.open_shell()
    assert endpoint.counters.requests == 0


def test_plain_http_is_not_served(endpoint: WinrmEndpoint, trust: Trust) -> None:
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.post(endpoint.url.replace("https", "http"), data=b"", timeout=10)
    assert endpoint.counters.requests == 0


def test_http_details_a_client_relies_on(endpoint: WinrmEndpoint, trust: Trust) -> None:
    with requests.Session() as session:
        session.trust_env = False  # or the environment's own CA file would be used
        session.verify = str(trust.ca_file)
        nobody = session.post(endpoint.url, data=b"<a/>", timeout=10)
        assert nobody.status_code == 401
        assert nobody.raw.headers.getlist("WWW-Authenticate") == ["Negotiate", 'Basic realm="WSMAN"']
        session.auth = (USER, PASSWORD)
        soap = {"Content-Type": "application/soap+xml;charset=UTF-8"}
        assert session.post(endpoint.url, data=b"", headers=soap, timeout=10).status_code == 200
        assert session.post(endpoint.url, data=b"<a/>", headers=soap, timeout=10).status_code == 500
        assert session.post(endpoint.url, data=b"<a/>", timeout=10).status_code == 415
        assert session.get(endpoint.url, timeout=10).status_code == 405
        assert session.post(f"{endpoint.url}2", headers=soap, timeout=10).status_code == 404


def test_a_dropped_receive_does_not_swallow_the_output(endpoint: WinrmEndpoint, trust: Trust) -> None:
    with connected(endpoint, trust) as first, connected(endpoint, trust, read_timeout_sec=11) as second:
        shell = first.open_shell()
        command = first.run_command(shell, "upper", console_mode_stdin=False)
        first.get_command_output_raw(shell, command)
        second.transport.read_timeout_sec = 1
        with pytest.raises(requests.exceptions.ReadTimeout):
            second.get_command_output_raw(shell, command)
        second.transport.close_session()
        first.send_command_input(shell, command, b"kept", end=True)
        assert first.get_command_output_raw(shell, command)[0] == b"KEPT"


def test_stopping_is_fast_even_while_a_client_waits(loop: LoopThread, trust: Trust) -> None:
    with serving(loop, trust) as endpoint, connected(endpoint, trust) as protocol:
        shell = protocol.open_shell()
        command = protocol.run_command(shell, "upper", console_mode_stdin=False)
        protocol.get_command_output_raw(shell, command)
        failures: list[Exception] = []

        def wait() -> None:
            try:
                protocol.get_command_output_raw(shell, command)
            except requests.exceptions.ConnectionError as error:
                failures.append(error)

        before = endpoint.counters.requests
        waiting = threading.Thread(target=wait)
        waiting.start()
        while endpoint.counters.requests == before:
            threading.Event().wait(0.005)
        began = time.monotonic()
        loop.run(endpoint.stop())
        waiting.join(5)
        assert time.monotonic() - began < 1.0
        assert len(failures) == 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", endpoint.port), timeout=5)


def test_two_labs_in_one_process_have_their_own_password_for_the_same_user(trust: Trust) -> None:
    with LoopThread() as one, LoopThread() as two:
        options = [{USER: "first"}, {USER: "second"}]
        with serving(one, trust, passwords=options[0]) as left, serving(two, trust, passwords=options[1]) as right:
            for endpoint, password, wrong in ((left, "first", "second"), (right, "second", "first")) * 2:
                with connected(endpoint, trust, password=password) as protocol:
                    assert run(protocol, "split")[2] == 7
                with connected(endpoint, trust, password=wrong) as protocol, pytest.raises(InvalidCredentialsError):
                    protocol.open_shell()


def test_ten_clients_at_once_each_get_their_own_answer(endpoint: WinrmEndpoint, trust: Trust) -> None:
    results: dict[int, bytes] = {}

    def work(number: int) -> None:
        with connected(endpoint, trust) as protocol:
            results[number] = run(protocol, "upper", data=b"client %d" % number)[0]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == {number: b"CLIENT %d" % number for number in range(10)}
    assert endpoint.shells_open == 0


def test_simulated_latency_is_felt(loop: LoopThread, trust: Trust) -> None:
    with serving(loop, trust, timing=Timing(round_trip=0.02, load=0.1)) as endpoint:
        began = time.monotonic()
        with conversing(endpoint, trust):
            assert time.monotonic() - began > 0.1 + 0.02 * (endpoint.counters.requests - 1)


def test_pypsrp_agrees(endpoint: WinrmEndpoint, trust: Trust) -> None:
    wsman = pytest.importorskip("pypsrp.wsman", reason="pypsrp is a second witness, not a dependency")
    shells = pytest.importorskip("pypsrp.shell", reason="pypsrp is a second witness, not a dependency")
    for auth in ("negotiate", "ntlm", "basic"):
        connection = wsman.WSMan(
            "127.0.0.1",
            port=endpoint.port,
            username=USER,
            password=PASSWORD,
            auth=auth,
            cert_validation=str(trust.ca_file),
        )
        with connection, shells.WinRS(connection, codepage=65001, idle_time_out=120) as shell:
            process = shells.Process(shell, "upper")
            process.begin_invoke()
            process.send(b"abc", end=False)
            process.send(b"def", end=True)
            process.end_invoke()
            process.signal(shells.SignalCode.TERMINATE)
            assert (process.rc, process.stdout, process.stderr) == (3, b"ABCDEF", b"reading\r\n")
            assert shell.idle_time_out == "PT120.000S"
    assert endpoint.shells_open == 0


def test_the_context_takes_nothing_older_than_tls_1_2(trust: Trust) -> None:
    assert trust.tls.context.minimum_version is ssl.TLSVersion.TLSv1_2
