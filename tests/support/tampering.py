"""Alters a sealed archive at random, in every way that somebody with a text editor and time would."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Files = dict[str, bytes]


@dataclass(frozen=True)
class Tampering:
    """One case.

    Args:
        what: For a test's message.
        files: How the archive looks afterwards.
        needs_head: Whether only a head digest that was kept elsewhere can tell.
    """

    what: str
    files: Files
    needs_head: bool = False


def _pick(rng: random.Random, files: Files) -> str:
    return rng.choice(sorted(name for name in files if files[name]))


def flip(rng: random.Random, files: Files) -> Tampering:
    """Change one bit of one file."""
    name = _pick(rng, files)
    data = bytearray(files[name])
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return Tampering(f"flip in {name}", {**files, name: bytes(data)})


def delete(rng: random.Random, files: Files) -> Tampering:
    """Take one file away."""
    name = _pick(rng, files)
    return Tampering(f"delete {name}", {other: data for other, data in files.items() if other != name})


def add(rng: random.Random, files: Files) -> Tampering:
    """Put a file somewhere, new or copied from another place."""
    folder = _pick(rng, files).rpartition("/")[0]
    name = f"{folder}/{rng.choice(['record2.json', 'note.txt', '.hidden', 'approval.dsse.json'])}"
    content = rng.choice([b"", b"{}", files[_pick(rng, files)]])
    return Tampering(f"add {name}", {**files, name: content})


def swap(rng: random.Random, files: Files) -> Tampering:
    """Exchange the contents of two files."""
    one, two = _pick(rng, files), _pick(rng, files)
    while files[one] == files[two]:
        two = _pick(rng, files)
    return Tampering(f"swap {one} and {two}", {**files, one: files[two], two: files[one]})


def truncate(rng: random.Random, files: Files) -> Tampering:
    """Cut the end of a file off."""
    name = _pick(rng, files)
    return Tampering(f"truncate {name}", {**files, name: files[name][: rng.randrange(len(files[name]))]})


def rename(rng: random.Random, files: Files) -> Tampering:
    """Move a file elsewhere."""
    name = _pick(rng, files)
    rest = {other: data for other, data in files.items() if other != name}
    return Tampering(f"rename {name}", {**rest, f"{name}.bak": files[name]})


def delete_change(rng: random.Random, files: Files) -> Tampering:
    """Take a whole change away and leave the seals."""
    change = rng.choice(sorted({name.split("/")[0] for name in files} - {"seals"}))
    return Tampering(f"delete {change}", {n: data for n, data in files.items() if not n.startswith(f"{change}/")})


def swap_seals(rng: random.Random, files: Files) -> Tampering:
    """Let two seals change places; where there is one only, give it another number."""
    numbers = sorted({name.split("/")[1] for name in files if name.startswith("seals/")})
    one, two = rng.sample(numbers, 2) if len(numbers) > 1 else (numbers[0], "0002")
    other = {one: two, two: one}
    moved = {}
    for name, data in files.items():
        parts = name.split("/")
        if parts[0] == "seals":
            parts[1] = other.get(parts[1], parts[1])
        moved["/".join(parts)] = data
    return Tampering(f"swap seals {one} and {two}", moved)


def cut_off(rng: random.Random, files: Files) -> Tampering:
    """Take the newest seals away together with every file they cover."""
    numbers = sorted({name.split("/")[1] for name in files if name.startswith("seals/")})
    left = numbers[: rng.randrange(len(numbers))]
    covered = set()
    for number in left:
        covered |= {line[66:] for line in files[f"seals/{number}/SHA256SUMS"].decode().splitlines()}
    kept = {n: d for n, d in files.items() if n in covered or (n.startswith("seals/") and n.split("/")[1] in left)}
    return Tampering(f"cut off after seal {len(left)}", kept, needs_head=bool(left))


WAYS: tuple[Callable[[random.Random, Files], Tampering], ...] = (
    flip,
    delete,
    add,
    swap,
    truncate,
    rename,
    delete_change,
    swap_seals,
    cut_off,
)


def apply(folder: Path, before: Files, after: Files) -> None:
    """Bring a folder from one state to another, touching only what differs."""
    for name in before.keys() - after.keys():
        (folder / name).unlink()
    for name, data in after.items():
        if before.get(name) != data:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
