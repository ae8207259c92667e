"""Jobs of made-up servers, for what never looks at their evidence."""

from __future__ import annotations

from typing import Any

from tlsrunbook.run.job import ServerJob
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.run.rollout import SiteWork
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.registry import STEPS

ABOUT = Circumstances({"user": "anna", "host": "admin1", "process": "7"}, {"ticket": "T-1", "reason": "renewal"}, {})


class NoStore:
    """Is never asked: the steps are named, so nothing is looked up."""


def a_job(server: str, site: str = "london", steps: tuple[Step, ...] = STEPS, **more: Any) -> ServerJob:
    """Give the job of a server."""
    facts: dict[str, Any] = {"site_file": None, "runs": None, "store": NoStore(), "change": "c", "mode": "apply"}
    return ServerJob(site=site, server=server, steps=steps, about=ABOUT, named=True, **{**facts, **more})


def a_site(*waves: str, site: str = "london", stop_after: int = 1, **more: Any) -> SiteWork:
    """Give a site whose waves are written as ``"A B"``."""
    divided = tuple(tuple(a_job(server, site) for server in wave.split()) for wave in waves)
    return SiteWork(site, divided, stop_after, **more)
