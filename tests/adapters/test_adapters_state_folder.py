from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from worlds import AT, certificate, greeting_of, make_state

from tlsrunbook.adapters.memory import read_memory, write_memory
from tlsrunbook.adapters.state_folder import read_state, write_state
from tlsrunbook.errors import EvidenceError, UsageError
from tlsrunbook.exchange.state_data import Memory, SavedServer

STATE = make_state(certificate(raw=b"\0\1"))
SAVED = SavedServer("london", "EDGE1", AT, greeting_of(STATE), STATE, (b"\2",))


def test_a_state_is_written_and_read_by_site_and_server(tmp_path: Path) -> None:
    path = write_state(tmp_path / "new" / "folder", SAVED)
    assert path == tmp_path / "new" / "folder" / "london" / "EDGE1.json"
    assert read_state(tmp_path / "new" / "folder", "london", "EDGE1") == SAVED


def test_a_later_state_takes_the_place_of_the_earlier_one_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_state(tmp_path, SAVED)
    later = replace(SAVED, at=AT + timedelta(days=1))
    path = write_state(tmp_path, later)
    assert read_state(tmp_path, "london", "EDGE1") == later
    assert list(path.parent.iterdir()) == [path]


def test_a_server_that_was_not_saved_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no saved state of london / MBX1.*--save-state"):
        read_state(tmp_path, "london", "MBX1")


def test_another_servers_file_is_refused(tmp_path: Path) -> None:
    write_state(tmp_path, SAVED).rename(tmp_path / "london" / "MBX1.json")
    with pytest.raises(EvidenceError, match="it is the state of london / EDGE1"):
        read_state(tmp_path, "london", "MBX1")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_broken_file_is_an_error_and_not_an_empty_state(tmp_path: Path, content: bytes) -> None:
    write_state(tmp_path, SAVED).write_bytes(content)
    with pytest.raises(EvidenceError, match=r"EDGE1\.json"):
        read_state(tmp_path, "london", "EDGE1")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EvidenceError, match="cannot be written"):
        write_state(tmp_path / "file", SAVED)


def test_a_memory_is_read_by_server_and_never_written_over(tmp_path: Path) -> None:
    memory = Memory("A" * 40, {"<I>CN=CA<S>CN=a": ("a.example",)}, {"B" * 40: "change 1"})
    write_memory(tmp_path / "london", {"EDGE1": memory})
    assert read_memory(tmp_path / "london", "EDGE1") == memory
    assert read_memory(tmp_path / "london", "MBX1") == Memory()
    assert read_memory(tmp_path, "EDGE1") == Memory()
    with pytest.raises(EvidenceError, match=r"remembered\.json"):
        write_memory(tmp_path / "london", {})


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"EDGE1": {"default": 1}}'])
def test_a_broken_memory_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "remembered.json").write_bytes(content)
    with pytest.raises(EvidenceError, match=r"remembered\.json"):
        read_memory(tmp_path, "EDGE1")
