"""The one-time password and the PFX of a shared key are planted and caught; they must be in nothing that is written."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_house_secrets import leaks, spellings

from tests.support.change import Change
from tlsrunbook.adapters.peers import SitePeers
from tlsrunbook.errors import DecodeError
from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.command import Command
from tlsrunbook.exchange.frames import reply_of, run_request
from tlsrunbook.exchange.render import render
from tlsrunbook.lab.exchange import certificate_get
from tlsrunbook.lab.lab import Lab
from tlsrunbook.secret import Secret, SecretBytes

MARKER = "Planted-One-Time-Password-0815"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Plant the password, and catch every PFX that the lab exports."""
    caught: list[bytes] = []
    real = certificate_get._pfx

    def catch(call: object, entry: object) -> bytes:
        caught.append(real(call, entry))  # type: ignore[arg-type]
        return caught[-1]

    monkeypatch.setattr(certificate_get, "_pfx", catch)
    monkeypatch.setattr(SitePeers, "one_time_password", lambda _self: Secret(MARKER))
    return caught


def pieces(data: bytes) -> Iterator[bytes]:
    """Give what a PFX would be found by: some bytes of its middle, plain and as base64 at any offset, and as hex."""
    middle = data[len(data) // 2 : len(data) // 2 + 48]
    yield middle
    yield middle.hex().encode()
    for pad in range(3):
        yield base64.b64encode(b"x" * pad + middle)[8:-8]


def shared(change_on: Callable[..., Change], **world: object) -> Change:
    change = change_on(servers=4, **world)
    change.edit("exportable = false", "exportable = true")
    change.edit(r'(?s)(name = "MBX2".*?)fqdn = "[^"]*"', r'\1share_from = "MBX1"\nfqdn = "mx2.london.example.net"')
    return change


def test_the_search_finds_a_pfx_in_any_spelling(tmp_path: Path) -> None:
    pfx = bytes(os.urandom(3000))
    for number, text in enumerate((pfx, base64.b64encode(pfx), base64.b64encode(b"y" + pfx), pfx.hex().encode())):
        (tmp_path / str(number)).write_bytes(b"..." + text)
    found = {path.name for path in tmp_path.iterdir() for piece in pieces(pfx) if piece in path.read_bytes()}
    assert found == {"0", "1", "2", "3"}


@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ((), Status.CHANGED),
        (("gone-after-run:Import-ExchangeCertificate@MBX2",), Status.UNKNOWN),
        (("gone-before-run:Import-ExchangeCertificate@MBX2",), Status.UNKNOWN),
        (("gone-after-run:Export-ExchangeCertificate@MBX1",), Status.UNKNOWN),
        (("exchange-error:Import-ExchangeCertificate@MBX2",), Status.FAILED),
    ],
    ids=str,
)
def test_neither_is_in_evidence_logs_output_or_errors(
    change_on: Callable[..., Change],
    exported: list[bytes],
    faults: tuple[str, ...],
    status: Status,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    change = shared(change_on)
    change.apply("MBX1", "confirm", "request", "install")
    for fault in faults:
        change.lab.faults.set(fault)
    change.plan("MBX2", "install")
    assert change.apply("MBX2", "install")[-1].status is status
    assert exported, "nothing was exported, so nothing could leak"
    shown = capfd.readouterr()
    written = [path.read_bytes() for path in change.runs.rglob("*") if path.is_file()]
    texts = [*written, caplog.text.encode(), shown.out.encode(), shown.err.encode()]
    assert len(texts) > 20
    wanted = [*spellings(MARKER), *(piece for pfx in exported for piece in pieces(pfx))]
    assert not any(secret in text for secret in wanted for text in texts)
    assert leaks(change.lab.folder, MARKER) == []


def test_neither_is_in_executed_notebooks_or_printed_records(
    make_lab: Callable[..., Lab], tmp_path: Path, exported: list[bytes]
) -> None:
    lab = make_lab(servers=4)
    (path,) = lab.write_site_files(tmp_path / "sites")
    text = path.read_text(encoding="utf-8").replace("exportable = false", "exportable = true")
    head, tail = text.split('name = "MBX2"')
    tail = tail.replace('fqdn = "mx4.london', 'share_from = "MBX1"\nfqdn = "mx2.london', 1)
    path.write_text(f'{head}name = "MBX2"{tail}', encoding="utf-8")
    command = [sys.executable, "-m", "tlsrunbook", "run", str(path), "--server", "MBX1", "--server", "MBX2", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=150)
    assert done.returncode == 0, done.stdout + done.stderr
    (pfx,) = exported
    assert list((tmp_path / "runs").rglob("*.ipynb"))
    written = [one.read_bytes() for one in (tmp_path / "runs").rglob("*") if one.is_file()]
    texts = [*written, done.stdout, done.stderr]
    assert not any(piece in text for piece in pieces(pfx) for text in texts)


def test_every_transfer_has_a_password_of_its_own_and_it_is_long() -> None:
    peers = SitePeers(lambda _name: pytest.fail("no shell is needed"))
    passwords = {peers.one_time_password().reveal() for _ in range(20)}
    assert len(passwords) == 20
    assert min(map(len, passwords)) >= 43, "256 bits"


def test_secret_bytes_never_print_and_travel_as_bytes() -> None:
    secret = SecretBytes(b"PFX-with-a-key")
    for text in (str(secret), repr(secret), f"{secret}", f"{secret:>40}"):
        assert "PFX" not in text
    with pytest.raises(TypeError):
        json.dumps({"data": secret})
    with pytest.raises(TypeError, match="cannot be pickled"):
        secret.__reduce__()
    command = Command.of("Import-ExchangeCertificate", FileData=secret, Password=Secret(MARKER))
    shown = render(command)
    assert "UEZY" not in shown
    assert MARKER not in shown
    assert "-FileData <bytes that are kept secret>" in shown, "which PowerShell refuses to parse"
    (sent, password) = run_request((command,))["commands"][0]["parameters"]
    assert base64.b64decode(sent["value"]) == b"PFX-with-a-key"
    assert (sent["type"], password["type"]) == ("bytes", "secure")


def test_the_answer_of_an_export_is_secret_before_anybody_sees_it() -> None:
    answer = {"id": 2, "ok": True, "objects": [{"FileData": "UEZYUEZY"}], "warnings": [], "errors": []}
    reply = reply_of(answer, secret=True)
    assert "UEZY" not in repr(reply)
    value = reply.objects[0]["FileData"]
    assert isinstance(value, Secret)
    assert value.reveal() == "UEZYUEZY"
    with pytest.raises(DecodeError) as caught:
        reply_of({**answer, "objects": [{"FileData": ["UEZYUEZY"]}]}, secret=True)
    assert "UEZY" not in f"{caught.value} {caught.value.__cause__!r}"
