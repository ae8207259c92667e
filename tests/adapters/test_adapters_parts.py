"""What a killed writer leaves half written is swept up, and what somebody still writes is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tlsrunbook.adapters.parts import part_of, sweep_all, sweep_dead
from tlsrunbook.adapters.store import RunStore


def of_process(path: Path, process: int) -> Path:
    part = path.with_name(path.name.replace(f".{os.getpid()}.", f".{process}."))
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"half")
    return part


def ended_process() -> int:
    done = subprocess.Popen([sys.executable, "-c", "pass"])
    done.wait()
    return done.pid


def test_a_part_is_swept_when_its_writer_is_dead(tmp_path: Path) -> None:
    dead = of_process(part_of(tmp_path / "change" / "EDGE1" / "record.json"), ended_process())
    alive = of_process(part_of(tmp_path / "change" / "EDGE1" / "plan.json"), os.getpid())
    folder = part_of(tmp_path / "seals" / "0001")
    folder = folder.with_name(folder.name.replace(f".{os.getpid()}.", f".{ended_process()}."))
    folder.mkdir(parents=True)
    (folder / "seal.dsse.json").write_bytes(b"half")
    elsewhere = tmp_path / f".x.json.00000000.{ended_process()}.0a0b0c0d.part"
    elsewhere.write_bytes(b"half")
    sweep_dead(tmp_path)
    assert not dead.exists()
    assert not folder.exists()
    assert alive.exists(), "somebody may still be writing it"
    assert elsewhere.exists(), "a process id of another computer means nothing here"


def test_evidence_is_never_swept(tmp_path: Path) -> None:
    kept = [tmp_path / "record.json", tmp_path / ".leases" / "EDGE1.1.json", tmp_path / "part.part"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"whole")
    sweep_all(tmp_path)
    assert all(path.exists() for path in kept)


def test_the_holder_of_a_server_sweeps_that_server_alone(tmp_path: Path) -> None:
    store = RunStore(tmp_path, "london")
    own = of_process(part_of(store.folder / "c1" / "EDGE1" / "1-confirm" / "attempt-1" / "record.json"), os.getpid())
    other = of_process(part_of(store.folder / "c1" / "MBX1" / "1-confirm" / "attempt-1" / "record.json"), os.getpid())
    store.sweep("c1", "EDGE1")
    assert not own.exists()
    assert other.exists()
