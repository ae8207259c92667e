r"""The wire format between the runbook and ``bootstrap.ps1``: numbered lines up, nonce-marked lines down.

Up (stdin): ``\n<id> <seq> <total> <base64 piece>\n``, the pieces of base64(JSON request), ``seq`` from 1 to ``total``.
The leading newline resynchronises after a torn write; a piece sent twice is harmless; an id that repeats the last one
makes the script replay its answer and run nothing.

Down (stdout): ``#<NONCE base64(JSON answer)>#``. The nonce comes with the first request, so nothing that a banner or a
native tool prints can be taken for an answer. Everything outside frames is noise.

Requests:

* ``{"op": "open", "nonce", "user", "password"}``
* ``{"op": "run", "commands": [{"name", "parameters": [{"name", "type", "value"}]}], "select": [...]}``, with the types
  ``string``, ``bool``, ``int``, ``bytes`` (base64), ``strings``, ``null`` and ``secure`` (becomes a SecureString)
* ``{"op": "close"}``

Answers: ``{"id", "ok", "objects": [{property: text | [text] | null}], "warnings": [text], "errors": [{"message",
"kind", "category", "error_id", "target"}]}``. The answer to ``open`` has one object: ``Computer``, ``PowerShell``,
``IsEdge`` (``True``/``False``), ``Exchange``, ``Parameters`` (a list of ``Cmdlet=Name,Name``).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tlsrunbook.errors import DecodeError
from tlsrunbook.exchange.command import (
    Command,
    Greeting,
    Later,
    Pipeline,
    Projected,
    RemoteFault,
    Reply,
    Value,
)
from tlsrunbook.secret import Credential, Secret, SecretBytes

#: Bytes of base64 in one line. WinRM envelopes hold 150 kB on the oldest servers; stdin is base64 once more on the way.
PIECE = 48_000


def open_request(nonce: str, credential: Credential) -> dict[str, Any]:
    """Make the first request: the session's nonce, and the credential for the inner Exchange session."""
    return {
        "op": "open",
        "nonce": nonce,
        "user": credential.user,
        "password": credential.password.reveal(),
    }


def run_request(pipeline: Pipeline) -> dict[str, Any]:
    """Make the request that runs one pipeline.

    Raises:
        ValueError: A command still holds a :class:`Later`, or there are none or more than two commands.
    """
    if not 1 <= len(pipeline) <= 2:
        raise ValueError(f"a pipeline has one or two commands, not {len(pipeline)}")
    return {
        "op": "run",
        "commands": [_command(command) for command in pipeline],
        "select": list(pipeline[-1].select),
    }


def _command(command: Command) -> dict[str, Any]:
    return {
        "name": command.name,
        "parameters": [{"name": name, **_typed(command.name, value)} for name, value in command.parameters],
    }


def _typed(cmdlet: str, value: Value) -> dict[str, Any]:
    if value is None:
        return {"type": "null", "value": None}
    if isinstance(value, bool):
        return {"type": "bool", "value": value}
    if isinstance(value, int):
        return {"type": "int", "value": value}
    if isinstance(value, bytes | SecretBytes):
        data = value if isinstance(value, bytes) else value.reveal()
        return {"type": "bytes", "value": base64.b64encode(data).decode("ascii")}
    if isinstance(value, tuple):
        return {"type": "strings", "value": list(value)}
    if isinstance(value, Secret):
        return {"type": "secure", "value": value.reveal()}
    if isinstance(value, Later):
        raise ValueError(f"{cmdlet}: {value.what} is not known yet, so the command cannot be sent")
    return {"type": "string", "value": value}


def lines(request_id: int, request: Mapping[str, Any]) -> Iterator[bytes]:
    """Cut a request into the lines that go to stdin, each to be sent on its own."""
    text = base64.b64encode(json.dumps(request).encode("ascii"))
    pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)] or [b""]
    for seq, piece in enumerate(pieces, start=1):
        yield b"\n%d %d %d %s\n" % (request_id, seq, len(pieces), piece)


class AnswerReader:
    """Finds the answers in a stream of stdout bytes, however it is cut.

    Args:
        nonce: The session's nonce. Frames with another one are noise.
    """

    def __init__(self, nonce: str) -> None:
        self._frame = re.compile(rb"#<" + re.escape(nonce.encode("ascii")) + rb" ([A-Za-z0-9+/=]*)>#")
        self._buffer = b""
        self.noise = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Take the next bytes and give the answers they complete.

        Raises:
            DecodeError: A frame is complete and does not hold what an answer holds.
        """
        self._buffer += data
        answers = []
        end = 0
        for match in self._frame.finditer(self._buffer):
            self.noise = (self.noise + self._buffer[end : match.start()])[-8192:]
            end = match.end()
            answers.append(_answer(match.group(1)))
        self._buffer = self._buffer[end:]
        return answers


def _answer(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError) as error:
        raise DecodeError("an answer frame from the server cannot be read") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
        raise DecodeError("an answer frame from the server has no id")
    return answer


def reply_of(answer: Mapping[str, Any], *, secret: bool = False) -> Reply:
    """Turn an answer into a :class:`Reply`.

    Args:
        answer: The answer frame's content.
        secret: Whether its objects are secret (:attr:`Command.secret`): then every text in them is a :class:`Secret`.

    Raises:
        DecodeError: The answer lacks a part or holds something else than projected objects.
    """
    try:
        errors = tuple(
            RemoteFault(**{key: str(value or "") for key, value in error.items()}) for error in answer["errors"]
        )
        read = _concealed if secret else _projected
        objects = tuple({str(key): read(value) for key, value in item.items()} for item in answer["objects"])
        reply = Reply(objects, tuple(str(text) for text in answer["warnings"]), errors)
        ok = answer["ok"]
    except (KeyError, TypeError, AttributeError) as error:
        raise DecodeError("an answer frame from the server has an unknown shape") from error
    if not isinstance(ok, bool) or ok == reply.failed:
        raise DecodeError("an answer frame says both that it worked and that it failed")
    return reply


def _projected(value: object) -> Projected:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise TypeError(f"not a projected value: {type(value).__name__}")


def _concealed(value: object) -> Projected:
    if value is None:
        return None
    if isinstance(value, str):
        return Secret(value)
    raise TypeError(f"not a secret text: {type(value).__name__}")


def greeting_of(reply: Reply) -> Greeting:
    """Read the answer to ``open``.

    Raises:
        DecodeError: It is not one object with the five properties.
    """
    try:
        (item,) = reply.objects
        computer, powershell, exchange = (item[key] for key in ("Computer", "PowerShell", "Exchange"))
        edge, known, folder = item["IsEdge"], item["Parameters"], item.get("Folder")
        if not isinstance(computer, str) or not isinstance(powershell, str):
            raise TypeError("not text")
        if edge not in ("True", "False") or not isinstance(known, tuple):
            raise TypeError("not a truth value and a list")
        parameters = {
            name: frozenset(filter(None, names.split(",")))
            for name, _, names in (entry.partition("=") for entry in known)
        }
    except (ValueError, KeyError, TypeError) as error:
        raise DecodeError("the server's greeting has an unknown shape") from error
    return Greeting(
        computer=computer.upper(),
        powershell=powershell,
        is_edge=edge == "True",
        exchange=exchange if isinstance(exchange, str) else "",
        parameters=parameters,
        folder=folder if isinstance(folder, str) else "",
    )
