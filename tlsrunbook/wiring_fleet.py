"""Connects the fleet's page with the disk and the clock, beside :mod:`tlsrunbook.wiring`. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tlsrunbook.about import __version__
from tlsrunbook.adapters.evidence_of import store_of
from tlsrunbook.adapters.origin import SystemClock
from tlsrunbook.adapters.whole_file import replace_whole
from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.fleet import fleet
from tlsrunbook.evidence.fleet_model import Fleet
from tlsrunbook.run.fleet_reading import site_on_record
from tlsrunbook.site import Site
from tlsrunbook.steps.registry import STEP_IDS


def fleet_of(sites: Sequence[Site], runs: Path, at: datetime | None = None) -> Fleet:
    """Give where every server of these sites stands, from their evidence.

    Args:
        sites: As loaded.
        runs: Folder of all evidence; what is not there was never done.
        at: What "now" means, UTC; the time it is when None.

    Raises:
        UsageError: The evidence of a site is that of a rehearsal and the site is none, or the other way round.
    """
    on_record = [site_on_record(site, store_of(site, runs)) for site in sites]
    return fleet(on_record, STEP_IDS, at or SystemClock().now(), __version__)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole, in place of an earlier one: who reads it meanwhile sees the old or the new one.

    Raises:
        UsageError: It cannot be written there.
    """
    try:
        replace_whole(path, content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        todo = "name a file in a folder that is there and that you may write to"
        raise UsageError(f"it cannot be written: {reason}", where=str(path), todo=todo) from error
