"""The figures that ``python -m tests.benchmarks audit`` prints, as a test."""

from __future__ import annotations

import random
from pathlib import Path

from tests.benchmarks import audit
from tests.support.archives import hasty, random_site
from tests.support.tampering import WAYS
from tlsrunbook.evidence.chain import Contents, verify


def test_all_of_500_random_tamperings_are_found(tmp_path: Path) -> None:
    with hasty():
        assert audit.tampering(tmp_path, 500) == []


def test_100_untouched_archives_raise_no_alarm(tmp_path: Path) -> None:
    with hasty():
        assert audit.false_alarms(tmp_path, 100) == []


def test_every_way_of_tampering_alters_the_archive_and_is_found_by_its_own_name(tmp_path: Path) -> None:
    with hasty():
        site = random_site(tmp_path, random.Random(11))
    files = site.files()
    expected = {
        "flip": {"edited", "signature", "seal-unreadable", "unknown-key", "chain", "reordered"},
        "delete": {"deleted", "seal-unreadable", "signature"},
        "add": {"added"},
        "swap": {"swapped", "edited"},
        "truncate": {"edited", "swapped", "seal-unreadable", "signature"},
        "rename": {"moved"},
        "delete_change": {"deleted"},
        "swap_seals": {"reordered"},
        "cut_off": {"head", "no-seal"},
    }
    for way in WAYS:
        for seed in range(5):
            case = way(random.Random(seed), files)
            assert case.files != files, case.what
            kinds = {flaw.kind for flaw in verify(Contents.of(case.files), head=site.head).flaws}
            assert kinds & expected[way.__name__], (case.what, kinds)
