"""The search that every test ends with finds what it should find."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.support.planted import Planted, evidence_below, logged, spellings
from tlsrunbook.errors import CommandFailed
from tlsrunbook.secret import Secret, SecretBytes


def test_every_secret_is_a_marker_and_found_in_every_spelling(tmp_path: Path) -> None:
    planted = Planted()
    with planted.watching():
        Secret("Marker-That-Is-Long-Enough")
        SecretBytes(b"\x00\xffBytes-That-Are-Long-Enough")
        Secret("short")
    assert len(planted.markers) == 2
    (tmp_path / "runs").mkdir()
    texts = [text for marker in planted.markers for text in spellings(marker)]
    for number, text in enumerate(texts):
        (tmp_path / "runs" / f"{number}.txt").write_bytes(b"..." + text + b"...")
    (tmp_path / "runs" / "clean.txt").write_bytes(b"nothing")
    (tmp_path / "credentials.toml").write_bytes(texts[0])
    assert len(planted.found_in(evidence_below(tmp_path))) == len(texts)
    for path in (tmp_path / "runs").iterdir():
        path.unlink()


def test_a_secret_is_found_in_a_log_lines_arguments_and_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    planted = Planted()
    planted.markers.add(b"Marker-That-Is-Long-Enough")
    log = logging.getLogger("tests.planted")
    log.debug("it is %s", "Marker-That-Is-Long-Enough")
    try:
        raise ValueError("Marker-That-Is-Long-Enough")
    except ValueError:
        log.exception("it broke")
    argument, traceback = caplog.records
    for record in (argument, traceback):
        assert planted.found_in({"the log": logged([record])}) == ["the log"]
    assert planted.found_in({"the log": logged([logging.makeLogRecord({"msg": "clean"})])}) == []


def test_the_texts_of_errors_are_noted() -> None:
    planted = Planted()
    with planted.watching():
        raised = CommandFailed("it was refused", where="EDGE1", todo="look")
    assert planted.errors == ["it was refused EDGE1 look"]
    planted.markers.add(raised.what.encode())
    assert planted.found_in({"an error": "\n".join(planted.errors).encode()}) == ["an error"]
