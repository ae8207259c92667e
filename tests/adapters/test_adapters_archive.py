"""A site's folder on disk: what a seal takes in, and that runners side by side do not disturb each other."""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.archives import TOOL, WHO, SealedSite, Ticking, a_signer
from tlsrunbook.adapters.archive import COLD, SiteArchive
from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.chain import verify
from tlsrunbook.run.sealing import About, SealedInfo, seal

ABOUT = About("changed", WHO, TOOL)


@pytest.fixture
def site(tmp_path: Path) -> SealedSite:
    return SealedSite(tmp_path / "runs", random.Random(3))


def test_a_folder_that_is_not_there_has_nothing_to_seal(tmp_path: Path) -> None:
    assert seal(SiteArchive(tmp_path / "none"), a_signer(), "run", ABOUT, Ticking()) is None
    assert not (tmp_path / "none").exists()


def test_a_second_seal_takes_only_what_is_new_and_none_is_made_for_nothing(site: SealedSite) -> None:
    first = site.run("EDGE1", steps=("confirm",))
    second = site.run("EDGE1", steps=("confirm",))
    assert not set(first.files) & set(second.files)
    assert seal(SiteArchive(site.folder), site.signer, "run", ABOUT, Ticking()) is None
    assert [path.name for path in sorted((site.folder / "seals").iterdir())] == ["0001", "0002"]


def test_sixteen_runners_at_once_make_one_whole_chain(site: SealedSite) -> None:
    change = site.new_change(*(f"MBX{n}" for n in range(16)))

    def one(number: int) -> SealedInfo | None:
        site.attempt(change, f"MBX{number}", "confirm")
        about = About("changed", WHO, TOOL, ended=(f"{change}/MBX{number}",))
        return seal(SiteArchive(site.folder), a_signer(), "run", about, Ticking())

    with ThreadPoolExecutor(16) as pool:
        made = [info for info in pool.map(one, range(16)) if info]
    verdict = verify(SiteArchive(site.folder).contents())
    assert verdict.flaws == ()
    assert sorted(info.number for info in made) == list(range(1, len(verdict.seals) + 1))
    assert not list((site.folder / "seals").glob(".*"))


def test_the_transcript_of_a_step_at_work_elsewhere_is_left_for_a_later_seal(site: SealedSite) -> None:
    change = site.new_change("EDGE1", "MBX1")
    working = site.store.attempt(change, "MBX1", "confirm", 1)
    working.append({"event": "started"}, durable=False)
    site.attempt(change, "EDGE1", "confirm")
    about = About("changed", WHO, TOOL, ended=(f"{change}/EDGE1",))
    info = seal(SiteArchive(site.folder), site.signer, "run", about, Ticking())
    assert info
    assert not any(name.startswith(f"{change}/MBX1/") for name in info.files)
    working.append({"event": "ended"}, durable=False)
    working.write("record.json", b"{}")
    later = seal(SiteArchive(site.folder), site.signer, "run", About("changed", WHO, TOOL), Ticking())
    assert later
    assert {name.rpartition("/")[2] for name in later.files} == {"record.json", "transcript.jsonl"}
    assert verify(SiteArchive(site.folder).contents()).whole


@pytest.mark.parametrize("how", ["its folder is said to be at rest", "it is cold"])
def test_the_transcript_of_a_step_that_died_is_sealed(site: SealedSite, how: str) -> None:
    change = site.new_change("MBX1")
    dead = site.store.attempt(change, "MBX1", "confirm", 1)
    dead.append({"event": "started"}, durable=False)
    ended: tuple[str, ...] = (f"{change}/MBX1",)
    if how == "it is cold":
        long_ago = time.time() - COLD - 60
        os.utime(dead.folder / "transcript.jsonl", (long_ago, long_ago))
        ended = ()
    info = seal(SiteArchive(site.folder), site.signer, "run", About("unknown", WHO, TOOL, ended=ended), Ticking())
    assert info
    assert any(name.endswith("transcript.jsonl") for name in info.files)


def test_files_that_this_run_did_not_make_are_said_to_be_found(site: SealedSite) -> None:
    left = site.new_change("MBX1")
    change = site.new_change("EDGE1")
    record = site.attempt(change, "EDGE1", "confirm")
    site.seal("run", change, (record,))
    claims = verify(SiteArchive(site.folder).contents()).seals[0].seal.claims
    assert claims.about["found"] == [f"{left}/change.json"]
    assert claims.about["steps"][0]["server"] == "EDGE1"


def test_a_seal_that_cannot_be_written_leaves_nothing_half_done(
    site: SealedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.run("EDGE1", steps=("confirm",))
    change = site.new_change("EDGE1")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EvidenceError, match="No space left"):
        seal(SiteArchive(site.folder), site.signer, "run", ABOUT, Ticking())
    monkeypatch.undo()
    assert [path.name for path in (site.folder / "seals").iterdir()] == ["0001"]
    assert site.seal("run", change).number == 2


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights on Windows")
def test_a_link_in_the_place_of_a_file_is_found(site: SealedSite, tmp_path: Path) -> None:
    site.run("EDGE1", steps=("confirm",))
    record = next(site.folder.rglob("record.json"))
    record.rename(tmp_path / "away.json")
    record.symlink_to(tmp_path / "away.json")
    kinds = {flaw.kind for flaw in verify(SiteArchive(site.folder).contents()).flaws}
    assert kinds == {"odd", "deleted"}


def test_left_overs_of_a_killed_writer_are_neither_sealed_nor_a_flaw(site: SealedSite) -> None:
    site.run("EDGE1", steps=("confirm",))
    for name in (".record.json.7.0a1b2c3d.part", ".1-confirm.ipynb"):
        (site.folder / name).write_bytes(b"half")
    (site.folder / "seals" / ".0002.7.0a1b2c3d.part").mkdir()
    (site.folder / "seals" / ".0002.7.0a1b2c3d.part" / "key.pem").write_bytes(b"half")
    site.run("EDGE1", steps=("confirm",))
    verdict = verify(SiteArchive(site.folder).contents())
    assert verdict.whole
    assert sum("was left by a writer" in note for note in verdict.notes) == 3


def test_names_with_spaces_umlauts_and_backslashes_survive(site: SealedSite) -> None:
    names = ["Größe 1.txt", "a b.txt", "x'y.txt"] + (
        ["back\\slash.txt", "line\nbreak.txt"] if os.name == "posix" else []
    )
    change = site.new_change("EDGE1")
    for name in names:
        (site.folder / change / name).write_bytes(name.encode())
    info = site.seal("run", change)
    assert {f"{change}/{name}" for name in names} <= set(info.files)
    assert verify(SiteArchive(site.folder).contents()).whole
