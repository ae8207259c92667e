"""Sealed archives for tests: made with the store and the sealing that a run uses, only without servers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.evidence.record_samples import a_record
from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.data import readable_json
from tlsrunbook.evidence.dsse import Signer, public_key_of
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.run.sealing import About, SealedInfo, outcome_of, seal

STEPS = ("confirm", "request", "install", "activate", "connectors", "verify")
WHO = {"user": "alice", "host": "ws1", "process": "7"}
TOOL = {"package": "0.1.0", "python": "3.13.0"}


def a_signer(chain: bytes = b"") -> Signer:
    """Give a signer with a fresh key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Signer(public_key_of(key.public_key()), lambda message: key.sign(message, ec.ECDSA(hashes.SHA256())), chain)


@contextmanager
def hasty() -> Iterator[None]:
    """Let archives be made without waiting for the disk; what is in them is the same."""
    with mock.patch("os.fsync"):
        yield


class Ticking:
    """A clock that goes on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """Give the time."""
        self.at += timedelta(seconds=1)
        return self.at


class SealedSite:
    """A site whose runs are made up and whose seals are real.

    Args:
        runs: Folder for the evidence.
        rng: Everything that varies comes from it.
    """

    def __init__(self, runs: Path, rng: random.Random, site: str = "london") -> None:
        self.store = RunStore(runs, site)
        self.folder = self.store.folder
        self.signer = a_signer()
        self.seals: list[SealedInfo] = []
        self._clock = Ticking()
        self._rng = rng

    def run(self, *servers: str, steps: tuple[str, ...] = STEPS, change: str = "", size: int = 600) -> SealedInfo:
        """Do one run over servers, and seal it."""
        change = change or self.new_change(*servers)
        records = tuple(self.attempt(change, server, step, size=size) for server in servers for step in steps)
        return self.seal("run", change, records)

    def new_change(self, *servers: str) -> str:
        """Start a change."""
        asked = {"servers": list(servers), "mode": "apply", "ticket": "CHG-1", "reason": "renewal", "who": WHO}
        return self.store.new_change(self._clock.now(), asked)

    def attempt(self, change: str, server: str, step: str, *, size: int = 600) -> Record:
        """Write one attempt as a step does."""
        attempt = self.store.attempt(change, server, step, STEPS.index(step) + 1)
        for seq in range(3):
            attempt.append({"seq": seq, "event": "sent", "text": self._text(size // 3)}, durable=False)
        for name in ("before.json", "plan.json", "after.json"):
            attempt.write(name, readable_json({"state": self._text(size)}))
        attempt.write(f"{STEPS.index(step) + 1}-{step}.ipynb", readable_json({"cells": [self._text(size)]}))
        status = self._rng.choice([Status.CHANGED, Status.UNCHANGED, Status.FAILED])
        record = a_record(
            site=self.folder.name, server=server, step=step, change=change, attempt=attempt.number, status=status
        )
        attempt.write("record.json", readable_json(record.data()))
        return record

    def seal(self, what: str, change: str, records: tuple[Record, ...] = ()) -> SealedInfo:
        """Seal what there is."""
        ended = tuple(f"{record.change}/{record.server}" for record in records)
        about = About(outcome_of(records), WHO, TOOL, {change: {"ticket": "CHG-1"}}, records, ended=ended)
        info = seal(SiteArchive(self.folder), self.signer, what, about, self._clock)
        assert info
        self.seals.append(info)
        return info

    @property
    def head(self) -> str:
        """Digest of the newest seal."""
        return self.seals[-1].digest

    def files(self) -> dict[str, bytes]:
        """Give everything that lies there, by path."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}

    def _text(self, size: int) -> str:
        return f"{self._rng.getrandbits(4 * size):0{size}x}"


def random_site(runs: Path, rng: random.Random) -> SealedSite:
    """Give a site with a few runs of a few changes, small files, now and then by another operator."""
    site = SealedSite(runs, rng, rng.choice(["london", "paris", "a-b"]))
    change = ""
    for _ in range(rng.randint(1, 4)):
        if rng.random() < 0.3:
            site.signer = a_signer()
        servers = rng.sample(["EDGE1", "EDGE2", "MBX1", "MBX2"], rng.randint(1, 2))
        if not change or rng.random() < 0.6:
            change = site.new_change(*servers)
        steps = STEPS[: rng.randint(1, 3)]
        site.run(*servers, steps=steps, change=change, size=rng.choice([3, 60, 900]))
    return site
