"""The WS-Management core, without sockets."""

from __future__ import annotations

import asyncio
import base64
import re
import uuid
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from winrm_fixture import programs

from tlsrunbook.lab.counters import Counters
from tlsrunbook.lab.shells import Limits
from tlsrunbook.lab.wsman import WsmanService
from tlsrunbook.lab.wsman_messages import seconds

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"


class Caller:
    """Talks to a service with envelopes written by hand."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.time = 0.0
        self.counters = Counters()
        self.service = WsmanService("EDGE1", programs, self.counters, limits, now=lambda: self.time)

    async def ask(
        self, action: str, body: str = "", *, shell: str = "", user: str = "alice", **header: str
    ) -> tuple[int, ET.Element]:
        message = f"uuid:{uuid.uuid4()}"
        extra = "".join(
            f"<w:{name}>{value}</w:{name}>" for name, value in ({"ResourceURI": f"{SHELL}/cmd"} | header).items()
        )
        envelope = (
            '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" '
            'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
            f'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="{SHELL}"><e:Header>'
            f"<a:Action>{action}</a:Action><a:MessageID>{message}</a:MessageID>{extra}"
            f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet></e:Header>'
            f"<e:Body>{body}</e:Body></e:Envelope>"
        )
        status, answer = await self.service.handle(envelope.encode(), user)
        root = ET.fromstring(answer)
        assert found(root, "RelatesTo").text == message
        return status, root

    async def open(self, user: str = "alice", idle: str = "PT7200S") -> str:
        status, root = await self.ask(
            f"{TRANSFER}/Create", f"<rsp:Shell><rsp:IdleTimeOut>{idle}</rsp:IdleTimeOut></rsp:Shell>", user=user
        )
        assert status == 200, code(root)
        return found(root, "ShellId").text or ""

    async def command(self, shell: str, line: str, **header: str) -> str:
        body = f"<rsp:CommandLine><rsp:Command>{line}</rsp:Command></rsp:CommandLine>"
        status, root = await self.ask(f"{SHELL}/Command", body, shell=shell, **header)
        assert status == 200, code(root)
        return found(root, "CommandId").text or ""

    async def send(self, shell: str, command: str, data: bytes, end: str = "false") -> tuple[int, ET.Element]:
        text = base64.b64encode(data).decode()
        stream = f'<rsp:Stream Name="stdin" CommandId="{command}" End="{end}">{text}</rsp:Stream>'
        return await self.ask(f"{SHELL}/Send", f"<rsp:Send>{stream}</rsp:Send>", shell=shell)

    async def receive(self, shell: str, command: str, **header: str) -> tuple[int, ET.Element]:
        body = f'<rsp:Receive><rsp:DesiredStream CommandId="{command}">stdout stderr</rsp:DesiredStream></rsp:Receive>'
        return await self.ask(f"{SHELL}/Receive", body, shell=shell, **header)


def found(root: ET.Element, name: str) -> ET.Element:
    return next(node for node in root.iter() if node.tag.endswith(f"}}{name}"))


def code(root: ET.Element) -> int:
    return int(found(root, "WSManFault").get("Code") or "")


def streams(root: ET.Element) -> dict[str, bytes]:
    result = {"stdout": b"", "stderr": b""}
    for node in root.iter(f"{{{SHELL}}}Stream"):
        result[node.get("Name") or ""] += base64.b64decode(node.text or "")
    return result


def test_a_user_may_have_thirty_shells_and_another_user_has_thirty_more() -> None:
    async def scene() -> None:
        caller = Caller()
        shells = [await caller.open() for _ in range(30)]
        status, root = await caller.ask(f"{TRANSFER}/Create")
        assert (status, code(root)) == (500, 2150859173)
        assert "maximum number of 30 concurrent shells" in (found(root, "Text").text or "")
        await caller.open(user="bob")
        await caller.ask(f"{TRANSFER}/Delete", shell=shells[0])
        await caller.open()
        assert len(caller.service.shells) == 31
        assert caller.counters.shells_opened == 32

    asyncio.run(scene())


def test_an_idle_shell_goes_away_and_makes_room() -> None:
    async def scene() -> None:
        caller = Caller(Limits(shells_per_user=2))
        short, _long = await caller.open(idle="PT60S"), await caller.open()
        caller.time = 59.0
        await caller.command(short, "upper")
        caller.time = 118.0
        await caller.command(short, "upper")
        caller.time = 179.0
        status, root = await caller.ask(f"{TRANSFER}/Delete", shell=short)
        assert (status, code(root)) == (500, 2150858843)
        assert f"ShellId {short} failed because the shell was not found" in (found(root, "Text").text or "")
        assert found(root, "Value").text == "s:Sender"
        await caller.open()

    asyncio.run(scene())


def test_a_shell_runs_twenty_five_commands_until_they_are_signalled() -> None:
    async def scene() -> None:
        caller = Caller()
        shell = await caller.open()
        first, *_ = [await caller.command(shell, "split") for _ in range(25)]
        body = "<rsp:CommandLine><rsp:Command>split</rsp:Command></rsp:CommandLine>"
        status, root = await caller.ask(f"{SHELL}/Command", body, shell=shell)
        assert (status, code(root)) == (500, 2150859241)
        signal = f'<rsp:Signal CommandId="{first}"><rsp:Code>{SHELL}/signal/terminate</rsp:Code></rsp:Signal>'
        assert (await caller.ask(f"{SHELL}/Signal", signal, shell=shell))[0] == 200
        await caller.command(shell, "split")
        assert code((await caller.receive(shell, first))[1]) == 2150858843

    asyncio.run(scene())


def test_a_receive_without_output_ends_with_the_timeout_fault_and_the_output_comes_later() -> None:
    async def scene() -> None:
        caller = Caller()
        shell = await caller.open()
        command = await caller.command(shell, "upper")
        assert streams((await caller.receive(shell, command))[1])["stderr"] == b"reading\r\n"
        status, root = await caller.receive(shell, command, OperationTimeout="PT0.02S")
        assert (status, code(root)) == (500, 2150858793)
        assert found(root, "Subcode")[0].text == "w:TimedOut"
        waiting = asyncio.ensure_future(caller.receive(shell, command, OperationTimeout="PT30S"))
        await caller.send(shell, command, b"abc")
        await caller.send(shell, command, b"def", end="true")
        _, root = await waiting
        assert streams(root)["stdout"] == b"ABCDEF"
        assert found(root, "ExitCode").text == "3"

    asyncio.run(scene())


def test_the_longest_wait_is_the_servers_not_the_clients() -> None:
    async def scene() -> None:
        caller = Caller(Limits(operation_timeout=0.02))
        shell = await caller.open()
        command = await caller.command(shell, "upper")
        await caller.receive(shell, command)
        _, root = await caller.receive(shell, command, OperationTimeout="PT3600S")
        assert code(root) == 2150858793

    asyncio.run(scene())


def test_output_larger_than_the_clients_envelope_comes_in_pieces() -> None:
    async def scene() -> None:
        caller = Caller()
        shell = await caller.open()
        command = await caller.command(shell, "flood 400000")
        sizes, done = [], False
        while not done:
            _, root = await caller.receive(shell, command, MaxEnvelopeSize="153600")
            assert len(ET.tostring(root)) < 153600
            sizes.append(len(streams(root)["stdout"]))
            done = (found(root, "CommandState").get("State") or "").endswith("/Done")
        assert (sum(sizes), len(sizes)) == (400000, 4)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("length", "option", "expected"),
    [
        (8191 - 31, "FALSE", b"is not recognized"),
        (8191 - 30, "FALSE", b"The command line is too long."),
        (8191 - 30, "TRUE", b"is not recognized"),
        (32768, "TRUE", b"The command line is too long."),
    ],
)
def test_cmd_takes_8191_characters_with_its_own_prefix(length: int, option: str, expected: bytes) -> None:
    async def scene() -> None:
        caller = Caller()
        shell = await caller.open()
        body = f"<rsp:CommandLine><rsp:Command>{'x' * length}</rsp:Command></rsp:CommandLine>"
        options = f'<w:Option Name="WINRS_SKIP_CMD_SHELL">{option}</w:Option>'
        _, root = await caller.ask(f"{SHELL}/Command", body, shell=shell, OptionSet=options)
        _, root = await caller.receive(shell, found(root, "CommandId").text or "")
        assert expected in streams(root)["stderr"]
        assert found(root, "ExitCode").text == "1"

    asyncio.run(scene())


def test_input_after_the_end_of_input_finds_a_closed_pipe() -> None:
    async def scene() -> None:
        caller = Caller()
        shell = await caller.open()
        command = await caller.command(shell, "upper")
        assert (await caller.send(shell, command, b"", end="True"))[0] == 200
        status, root = await caller.send(shell, command, b"more")
        assert (status, code(root), found(root, "Text").text) == (500, 232, "The pipe is being closed. ")

    asyncio.run(scene())


def test_ctrl_c_ends_a_program_and_its_exit_code_says_so() -> None:
    async def scene() -> None:
        caller = Caller()
        shell = await caller.open()
        command = await caller.command(shell, "upper")
        signal = f'<rsp:Signal CommandId="{command}"><rsp:Code>{SHELL}/signal/ctrl_c</rsp:Code></rsp:Signal>'
        assert (await caller.ask(f"{SHELL}/Signal", signal, shell=shell))[0] == 200
        assert found((await caller.receive(shell, command))[1], "ExitCode").text == "-1073741510"

    asyncio.run(scene())


def test_deleting_a_shell_tells_whoever_waits_for_its_output() -> None:
    async def scene() -> None:
        caller = Caller()
        shell = await caller.open()
        command = await caller.command(shell, "upper")
        await caller.receive(shell, command)
        waiting = asyncio.ensure_future(caller.receive(shell, command, OperationTimeout="PT30S"))
        await asyncio.sleep(0)
        await caller.ask(f"{TRANSFER}/Delete", shell=shell)
        assert code((await waiting)[1]) == 2150858843

    asyncio.run(scene())


def test_a_shell_is_its_owners_alone() -> None:
    async def scene() -> None:
        caller = Caller()
        shell = await caller.open()
        status, root = await caller.ask(f"{TRANSFER}/Delete", shell=shell, user="bob")
        assert (status, code(root), found(root, "Text").text) == (500, 5, "Access is denied. ")

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("resource", "action", "expected"),
    [
        ("http://schemas.microsoft.com/powershell/Microsoft.Exchange", f"{TRANSFER}/Create", 2150858811),
        (f"{SHELL}/cmd", f"{TRANSFER}/Get", 2150858753),
        (f"{SHELL}/cmd", "", 2150858753),
    ],
)
def test_what_is_no_operation_of_a_command_shell_is_refused(resource: str, action: str, expected: int) -> None:
    async def scene() -> None:
        status, root = await Caller().ask(action, ResourceURI=resource)
        assert (status, code(root)) == (500, expected)

    asyncio.run(scene())


@pytest.mark.parametrize("kind", ["Command", "Send", "Signal"])
def test_a_message_without_its_body_is_refused(kind: str) -> None:
    async def scene() -> None:
        caller = Caller()
        status, root = await caller.ask(f"{SHELL}/{kind}", shell=await caller.open())
        assert (status, code(root)) == (500, 2150858819)

    asyncio.run(scene())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_dtd_is_refused_before_its_entities_are_read(encoding: str) -> None:
    bomb = (
        '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]>'
        '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Header>&c;</e:Header><e:Body/></e:Envelope>'
    )
    status, answer = asyncio.run(Caller().service.handle(bomb.encode(encoding), "alice"))
    assert status == 500
    assert code(ET.fromstring(answer)) == 2150858819
    without = re.sub(r"<!DOCTYPE.*\]>", "", bomb).replace("&c;", "").encode(encoding)
    assert code(ET.fromstring(asyncio.run(Caller().service.handle(without, "alice"))[1])) == 2150858811


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_junk_is_answered_with_a_fault(junk: bytes) -> None:
    status, answer = asyncio.run(Caller().service.handle(junk, "alice"))
    assert status == 500
    assert code(ET.fromstring(answer)) == 2150858819


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PT20S", 20), ("PT7200.000S", 7200), ("PT1H2M3.5S", 3723.5), ("P1DT1S", 86401), ("P0DT0H0M60.000S", 60)],
)
def test_durations_are_read(text: str, expected: Any) -> None:
    assert seconds(text, -1.0) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "20", "PT-5S", "PTxS", "PT5S "])
def test_what_is_no_duration_gives_the_default(text: str) -> None:
    assert seconds(text, -1.0) == -1.0
