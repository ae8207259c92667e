"""The CA's answer put into the inbox by a card: whole or not at all, never over another file, found by collect."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from adapters_csr import new_csr

from tlsrunbook.adapters import whole_file
from tlsrunbook.adapters.authority_folder import FolderAuthority
from tlsrunbook.certificates.reply import read_reply
from tlsrunbook.errors import AuthorityFailed, UsageError
from tlsrunbook.lab.ca import LabCA

LABEL = "london-edge1"


@pytest.fixture
def authority(tmp_path: Path) -> FolderAuthority:
    return FolderAuthority(tmp_path / "outbox", tmp_path / "inbox")


@pytest.fixture(scope="module")
def answer() -> tuple[str, tuple[bytes, ...]]:
    ca, csr = LabCA(), new_csr()
    return csr, read_reply(ca.reply(ca.issue(csr)))


def test_it_is_found_by_collect_and_lies_there_once(
    authority: FolderAuthority, answer: tuple[str, tuple[bytes, ...]], tmp_path: Path
) -> None:
    csr, certificates = answer
    path = authority.take_in(certificates, LABEL)
    assert path.parent == tmp_path / "inbox"
    assert path.name.startswith("london-edge1-")
    assert authority.take_in(certificates, LABEL) == path, "the same answer again is the same file"
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    found = authority.collect(csr, LABEL)
    assert found is not None
    assert read_reply(found) == certificates


def test_another_file_is_never_written_over(authority: FolderAuthority, answer: tuple[str, tuple[bytes, ...]]) -> None:
    path = authority.take_in(answer[1], LABEL)
    path.write_bytes(b"somebody's own")
    with pytest.raises(AuthorityFailed, match="another file of this name"):
        authority.take_in(answer[1], LABEL)
    assert path.read_bytes() == b"somebody's own"


def test_a_full_disk_leaves_nothing_behind(
    authority: FolderAuthority, answer: tuple[str, tuple[bytes, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file.os, "fsync", full)
    with pytest.raises(AuthorityFailed, match="No space left on device") as caught:
        authority.take_in(answer[1], LABEL)
    assert caught.value.todo
    assert list((tmp_path / "inbox").iterdir()) == []


@pytest.mark.parametrize("label", ["../up", "", "a b", ".hidden", "a/b"])
def test_a_label_cannot_lead_out_of_the_inbox(
    authority: FolderAuthority, answer: tuple[str, tuple[bytes, ...]], label: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        authority.take_in(answer[1], label)
    assert not (tmp_path / "inbox").exists()


def test_a_file_that_is_being_written_is_not_read(
    authority: FolderAuthority, answer: tuple[str, tuple[bytes, ...]], tmp_path: Path
) -> None:
    path = authority.take_in(answer[1], LABEL)
    (path.parent / f".{path.name}.0badcafe.part").write_bytes(path.read_bytes()[:50])
    assert authority.collect(answer[0], LABEL)
    assert authority.notes == ()
    assert whole_file.is_part(path.parent / f".{path.name}.0badcafe.part")
    assert not whole_file.is_part(path)


def test_two_at_once_leave_one_whole_file(
    authority: FolderAuthority, answer: tuple[str, tuple[bytes, ...]], tmp_path: Path
) -> None:
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(authority.take_in(answer[1], LABEL))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1
    assert len(paths) == 6
    assert list((tmp_path / "inbox").iterdir()) == [paths[0]]
