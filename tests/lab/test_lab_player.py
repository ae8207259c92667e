"""The native player of the bootstrap script: its reading of lines, its answers, and the faults it acts out."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from winrm_fixture import EchoMachine, echo, line

from tlsrunbook.exchange import bootstrap, frames
from tlsrunbook.exchange.command import Command
from tlsrunbook.lab.counters import Counters
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.player import Stage, launch
from tlsrunbook.lab.shells import Process

NONCE = "n0nce"
OPEN = line(1, {"op": "open", "nonce": NONCE, "user": "u", "password": "p"})
START = f"powershell.exe {' '.join(bootstrap.arguments())}"


class Played:
    """What came of a stream of input: answers by order, the rest of stdout, stderr, exit code."""

    def __init__(self, out: bytes, err: bytes, exit_code: int | None, machine: EchoMachine) -> None:
        frame = re.compile(rb"#<%s ([^>]*)>#\r\n" % NONCE.encode())
        self.answers: list[dict[str, Any]] = [json.loads(base64.b64decode(text)) for text in frame.findall(out)]
        self.noise = frame.sub(b"", out)
        self.err = err
        self.exit_code = exit_code
        self.executed = machine.executed

    @property
    def texts(self) -> list[Any]:
        return [(answer["id"], *(item.get("Text") for item in answer["objects"])) for answer in self.answers[1:]]


def play(*pieces: bytes, command_line: str = START, ended: bool = True, machine: Any = None) -> Played:
    """Start the script, give it this input, close it, and wait for the end."""

    async def scene() -> Played:
        actor = machine or EchoMachine()
        process = Process("P")
        stage = Stage(actor, FaultBoard(), Counters(), 0.0, process.kill)
        assert launch(stage, command_line, process)
        for piece in pieces:
            process.send(piece, last=False)
        if ended and process.exit_code is None:
            process.send(b"", last=True)
        out = err = b""
        code = None
        while code is None:
            more, worse, code = await process.receive(10, 100)
            out, err = out + more, err + worse
        return Played(out, err, code, actor)

    return asyncio.run(scene())


def pieces_of(number: int, request: dict[str, Any], size: int) -> list[bytes]:
    text = base64.b64encode(json.dumps(request).encode())
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    return [b"\n%d %d %d %s\n" % (number, at, len(parts), part) for at, part in enumerate(parts, start=1)]


SCRIPT = bootstrap.script_line()


def test_a_session_opens_runs_and_closes() -> None:
    played = play(SCRIPT, OPEN, line(2, echo("grüße €")), line(3, {"op": "close"}), ended=False)
    assert played.answers[0]["objects"][0]["Computer"] == "EDGE1"
    assert played.texts == [(2, "grüße €"), (3,)]
    assert all(answer["ok"] is True for answer in played.answers)
    assert played.exit_code == 0


def test_there_is_noise_as_on_a_real_server() -> None:
    played = play(SCRIPT, OPEN)
    assert b"Welcome to the Exchange Management Shell!" in played.noise
    assert played.err.startswith(b"#< CLIXML\r\n")


def test_the_credential_of_the_open_request_reaches_the_machine() -> None:
    machine = EchoMachine()
    play(SCRIPT, OPEN, machine=machine)
    assert machine.passwords == ["p"]


def test_the_end_of_input_ends_the_script_after_what_was_asked() -> None:
    played = play(SCRIPT, OPEN, line(2, echo("a")).rstrip(b"\n"))
    assert played.texts == [(2, "a")]
    assert played.exit_code == 0


def test_without_the_script_nothing_is_answered() -> None:
    torn = SCRIPT[:-20] + b"\n"
    changed = b"\n0 1 1 %s\n" % base64.b64encode(b"Remove-Item C:\\ -Recurse")
    for first in (b"", torn, changed, SCRIPT.replace(b"0 1 1 ", b"0 1 "), b"\n0 1 1 ===\n"):
        played = play(first, OPEN, line(2, echo("a")))
        assert (played.answers, played.executed, played.exit_code) == ([], [], 0)
    assert play(torn, SCRIPT, SCRIPT, OPEN, line(2, echo("a"))).texts == [(2, "a")]


def test_a_repeated_request_gets_the_same_answer_again_and_runs_once() -> None:
    request = line(2, echo("a"))
    played = play(SCRIPT, OPEN, request, request, request, line(3, echo("b")), request)
    assert played.texts == [(2, "a"), (2, "a"), (2, "a"), (3, "b")]
    assert len(played.executed) == 2


def test_pieces_come_in_any_order_twice_and_torn() -> None:
    one, two, three = pieces_of(2, echo("x" * 100), 80)[:3]
    rest = pieces_of(2, echo("x" * 100), 80)[3:]
    played = play(SCRIPT, OPEN, three, one[:30], one, two, two, *rest)
    assert played.texts == [(2, "x" * 100)]
    assert len(played.executed) == 1


def test_the_last_piece_alone_asks_for_the_answer_again() -> None:
    pieces = pieces_of(2, echo("x" * 100), 80)
    assert play(SCRIPT, OPEN, *pieces, pieces[0], pieces[-1]).texts == [(2, "x" * 100)] * 2


def test_a_newer_request_ends_an_unfinished_one() -> None:
    pieces = pieces_of(2, echo("old"), 80)
    played = play(SCRIPT, OPEN, pieces[0], line(3, echo("new")), *pieces[1:])
    assert played.texts == [(3, "new")]


@pytest.mark.parametrize(
    "junk",
    [
        b"2 1 1",
        b"2 1 1 !!!",
        b"x 1 1 YQ==",
        b"-2 1 1 YQ==",
        b"2 1 1 YQ== more",
        b"9999999999 1 1 YQ==",
        b"2  1 1 YQ==",
        b"\xff\xfe",
    ],
)
def test_lines_that_are_none_are_passed_over(junk: bytes) -> None:
    assert play(SCRIPT, OPEN, b"\n" + junk + b"\n", line(2, echo("a"))).texts == [(2, "a")]


@pytest.mark.parametrize("text", [b"[]", b"7", b'"run"', b"{", b"\xff"])
def test_what_is_no_request_stays_unanswered_and_can_come_again_whole(text: bytes) -> None:
    broken = b"\n2 1 1 %s\n" % base64.b64encode(text)
    assert play(SCRIPT, OPEN, broken, line(2, echo("a"))).texts == [(2, "a")]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"op": "reboot"}, "The request names an unknown operation."),
        (echo("a", "Get-Echo; Remove-Item"), "'Get-Echo; Remove-Item' is not a cmdlet's name."),
        (echo("a", "Get-Echo\n"), "'Get-Echo\n' is not a cmdlet's name."),
        ({"op": "run", "commands": []}, "Cannot index into a null array."),
        ({"op": "run", "commands": 5}, "Cannot index into a null array."),
        (
            {
                "op": "run",
                "commands": [{"name": "Get-Echo", "parameters": [{"name": "A", "type": "date", "value": 1}]}],
            },
            "The parameter A has an unknown type.",
        ),
    ],
)
def test_what_the_script_throws_at_is_an_answer(request_: dict[str, Any], message: str) -> None:
    played = play(SCRIPT, OPEN, line(2, request_), line(3, echo("a")))
    answer = played.answers[1]
    assert (answer["id"], answer["ok"], answer["objects"]) == (2, False, [])
    assert answer["errors"][0]["message"] == message
    assert played.texts[-1] == (3, "a")
    assert len(played.executed) == 1


def test_before_exchange_is_loaded_there_are_no_cmdlets() -> None:
    class Broken(EchoMachine):
        def load(self, user: str, password: str) -> dict[str, Any]:
            return {"objects": [], "warnings": [], "errors": [{"message": "Access is denied."}]}

    machine = Broken()
    played = play(SCRIPT, OPEN, line(2, echo("a")), machine=machine)
    assert [answer["ok"] for answer in played.answers] == [False, False]
    assert played.answers[1]["errors"][0]["error_id"] == "CommandNotFoundException"
    assert machine.executed == []


def test_a_bug_in_the_machine_is_an_error_and_not_silence() -> None:
    class Buggy(EchoMachine):
        def execute(self, commands: list[dict[str, Any]], select: list[str]) -> dict[str, Any]:
            raise KeyError("what")

    played = play(SCRIPT, OPEN, line(2, echo("a")), machine=Buggy())
    assert played.answers[1]["ok"] is False
    assert played.answers[1]["errors"][0]["message"] == "lab: KeyError: 'what'"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 400), max_size=12), st.integers(40, 4000))
def test_however_the_input_is_cut_the_answers_are_the_same(cuts: list[int], size: int) -> None:
    stream = b"".join([OPEN, *pieces_of(2, echo("y" * 500), size), line(3, echo("z"))])
    parts, at = [], 0
    for cut in cuts:
        parts.append(stream[at : at + cut])
        at += cut
    assert play(SCRIPT, *parts, stream[at:]).texts == [(2, "y" * 500), (3, "z")]


def test_other_scripts_are_not_played() -> None:
    foreign = base64.b64encode("Get-Date".encode("utf-16-le")).decode()
    played = play(command_line=f"powershell.exe -EncodedCommand {foreign}", ended=False)
    assert played.exit_code == 1
    assert b"'powershell.exe' is not recognized as an internal or external command" in played.err


@pytest.mark.parametrize("name", ["powershell", '"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\PowerShell.exe"'])
def test_powershell_is_found_by_any_of_its_names(name: str) -> None:
    line_ = f"{name} -NoProfile -encodedcommand {bootstrap.encoded_command()}"
    assert play(SCRIPT, OPEN, line(2, echo("a")), command_line=line_).texts == [(2, "a")]


def test_the_packages_own_framing_is_understood() -> None:
    pipeline = (Command.of("Get-Echo", Text="a" * 100_000, select=["Text"]),)
    played = play(SCRIPT, OPEN, *frames.lines(2, frames.run_request(pipeline)))
    assert frames.reply_of(played.answers[1]).objects == ({"Text": "a" * 100_000},)
    assert frames.greeting_of(frames.reply_of(played.answers[0])).knows("Get-Echo", "Text")
