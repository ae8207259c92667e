"""Which folder holds a site's evidence: rehearsals and real work never share one."""

from __future__ import annotations

from pathlib import Path

from tlsrunbook.adapters.store import RunStore
from tlsrunbook.errors import UsageError
from tlsrunbook.site import Site


def store_of(site: Site, runs: Path) -> RunStore:
    """Give a site's evidence.

    Args:
        runs: Folder of all evidence.

    Raises:
        UsageError: The folder holds rehearsals and this is none, or the other way round.
    """
    store = RunStore(runs, site.name)
    earlier = next(iter(store.changes()), "")
    if earlier and bool(store.asked(earlier).get("rehearsal")) != bool(site.rehearsal):
        what = "real changes" if site.rehearsal else "a rehearsal"
        todo = "give another folder as runs"
        raise UsageError(f"it holds the evidence of {what}", where=str(store.folder), todo=todo)
    return store
