"""Writing evidence: whole or not at all, never over anything, and a transcript line by line."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.adapters.attempt_folder import AttemptFolder, write_once
from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.layout import TRANSCRIPT


@pytest.fixture(params=["hard links", "no hard links"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A disk with hard links, and one without (FAT, some network shares)."""
    if request.param == "no hard links":

        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def new_attempt(folder: Path) -> AttemptFolder:
    return AttemptFolder(folder, "20261124-120000-ab12", "EDGE1", "confirm", 1)


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path: Path, file_system: str) -> None:
    write_once(tmp_path / "a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"
    assert names_in(tmp_path) == ["a"], file_system


def test_no_file_is_ever_written_over_not_even_with_the_same_content(tmp_path: Path, file_system: str) -> None:
    (tmp_path / "a").write_bytes(b"first")
    for content in (b"second", b"first"):
        with pytest.raises(EvidenceError, match="never overwritten") as caught:
            write_once(tmp_path / "a", content)
        assert caught.value.where == str(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert names_in(tmp_path) == ["a"], file_system


def test_of_many_writers_exactly_one_wins_and_its_file_is_whole(tmp_path: Path) -> None:
    gate = threading.Barrier(8)

    def write(number: int) -> int | None:
        gate.wait()
        try:
            write_once(tmp_path / "a", bytes([number]) * 100_000)
        except EvidenceError:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(write, range(8)) if number is not None]
    (winner,) = winners
    assert (tmp_path / "a").read_bytes() == bytes([winner]) * 100_000
    assert names_in(tmp_path) == ["a"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EvidenceError, match="No space left on device"):
        write_once(tmp_path / "a", b"content")
    assert names_in(tmp_path) == []


def test_a_folder_that_is_not_there_is_an_evidence_error(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="cannot be written"):
        write_once(tmp_path / "nowhere" / "a", b"")


@given(st.lists(st.dictionaries(st.text(), st.text()), max_size=5))
def test_a_transcript_is_one_json_line_per_event_whatever_the_texts(lines: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        attempt = new_attempt(Path(folder))
        for line in lines:
            attempt.append(line, durable=False)
        path = Path(folder) / TRANSCRIPT
        written = path.read_bytes().split(b"\n")[:-1] if lines else []
        assert [json.loads(line) for line in written] == lines


def test_half_a_surrogate_pair_does_not_keep_a_line_from_the_transcript(tmp_path: Path) -> None:
    attempt = new_attempt(tmp_path)
    attempt.append({"what": "cut \ud83d"}, durable=True)
    assert json.loads((attempt.folder / TRANSCRIPT).read_bytes()) == {"what": "cut \ud83d"}


def test_a_durable_line_is_on_disk_when_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = new_attempt(tmp_path)
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append((attempt.folder / TRANSCRIPT).read_bytes()))
    attempt.append({"event": "read"}, durable=False)
    assert synced == []
    attempt.append({"event": "sent"}, durable=True)
    assert synced == [b'{"event": "read"}\n{"event": "sent"}\n']


def test_a_line_that_the_disk_refuses_is_an_evidence_error(tmp_path: Path) -> None:
    attempt = new_attempt(tmp_path)
    (attempt.folder / TRANSCRIPT).mkdir()
    with pytest.raises(EvidenceError) as caught:
        attempt.append({}, durable=False)
    assert caught.value.where.endswith(TRANSCRIPT)
