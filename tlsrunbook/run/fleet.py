"""Where the servers of a run stand: which wave of which site is under way, who may begin, who is left and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tlsrunbook.evidence.record import Record
from tlsrunbook.ports import Lease
from tlsrunbook.run.job import ServerEvent, ServerJob, Tell, WaveEvent
from tlsrunbook.run.outcome import Ending, Left, RunResult
from tlsrunbook.run.turns import Turns


@dataclass(frozen=True)
class SiteWork:
    """What is to be done at a site.

    Args:
        site: Site name.
        waves: The jobs of each wave, in order; see :mod:`tlsrunbook.run.waves`.
        stop_after: After so many failures no further server begins; 0 never stops.
        logons_per_minute: So many servers begin per minute at most; 0 is no limit.
    """

    site: str
    waves: tuple[tuple[ServerJob, ...], ...]
    stop_after: int = 0
    logons_per_minute: int = 0


@dataclass
class Work:
    """A server in a run.

    Args:
        job: Its steps; once it has begun, those that are still to do.
        at: Index of the step to go on with.
        state: ``new``, ``under way``, ``waiting`` (for its turn), or ``ended``.
    """

    job: ServerJob
    at: int = 0
    state: str = "new"
    ending: Ending | None = None
    why: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    reconciled: tuple[Record, ...] = ()
    done_before: tuple[str, ...] = ()
    lease: Lease | None = None

    @property
    def next_step(self) -> str:
        """Id of the step to go on with."""
        return self.job.steps[self.at].id if self.at < len(self.job.steps) else ""


@dataclass
class _Site:
    """A site in a run."""

    work: SiteWork
    waves: list[list[Work]]
    open: int = 0  # how many waves were begun
    closed: str = ""  # why no further server begins

    @property
    def works(self) -> Iterator[Work]:
        return (work for wave in self.waves for work in wave)

    @property
    def wave(self) -> list[Work]:
        return self.waves[self.open - 1] if self.open else []

    @property
    def resting(self) -> bool:
        """Whether nobody of the wave under way is at work or may begin."""
        return all(work.state == "ended" for work in self.wave)

    @property
    def done(self) -> bool:
        return self.open == len(self.waves) and all(work.ending is Ending.DONE for work in self.works)

    @property
    def failures(self) -> int:
        return sum(1 for work in self.works if work.ending is Ending.FAILED)


class Fleet:
    """All servers of a run. For one thread.

    Args:
        sites: In order.
        tell: Is told about waves, and about servers that have ended.
        one_by_one: Whether a site begins only when all before it are done.
    """

    def __init__(self, sites: Sequence[SiteWork], tell: Tell, *, one_by_one: bool = False) -> None:
        self._sites = [_Site(site, [[Work(job) for job in wave] for wave in site.waves]) for site in sites]
        self._tell = tell
        self._one_by_one = one_by_one
        self.turns = Turns([work.job for work in self.works])

    @property
    def works(self) -> Iterator[Work]:
        """Every server, site by site and wave by wave."""
        return (work for site in self._sites for work in site.works)

    def advance(self) -> None:
        """Begin the waves whose time has come, and close the sites whose wave did not end as wanted."""
        for at, site in enumerate(self._sites):
            while site.resting and not site.closed and not site.done:
                self._next_wave(site)
            if site.closed and site.resting and any(work.state == "new" for work in site.works):
                self._leave(site, site.closed)
            if self._one_by_one and not site.done:
                if site.closed and site.resting:
                    self._leave_sites(self._sites[at + 1 :], site.work.site)
                return

    def _next_wave(self, site: _Site) -> None:
        unlike = [work for work in site.wave if work.ending is not Ending.DONE]
        if site.open:
            text = "; ".join(f"{work.job.server}: {work.why or work.ending}" for work in unlike[:5])
            self._tell_wave(site, "stopped" if unlike else "done", text)
        if unlike:
            more = f" and {len(unlike) - 5} more" if len(unlike) > 5 else ""
            site.closed = f"wave {site.open} of {len(site.waves)} is not done ({text}{more})"
        elif site.open < len(site.waves):
            site.open += 1
            self._tell_wave(site, "begun", "")

    def _tell_wave(self, site: _Site, state: str, text: str) -> None:
        servers = tuple(work.job.server for work in site.wave)
        self._tell(WaveEvent(site.work.site, site.open, len(site.waves), servers, state, text))

    def may_begin(self) -> list[Work]:
        """Give the servers that have not begun and may, as far as waves and failures go."""
        return [
            work
            for site in self._sites
            if not site.closed
            for work in site.wave
            if work.state == "new" and (site.work.stop_after == 0 or site.failures < site.work.stop_after)
        ]

    def waiting(self) -> list[Work]:
        """Give the servers that have begun and wait for their turn."""
        return [work for work in self.works if work.state == "waiting"]

    def site_of(self, work: Work) -> SiteWork:
        """Give the site of a server."""
        return next(site.work for site in self._sites if site.work.site == work.job.site)

    def end(self, work: Work, ending: Ending, why: str = "", facts: Mapping[str, str] | None = None) -> None:
        """Note that the work on a server has ended."""
        work.state, work.ending, work.why, work.facts = "ended", ending, why, facts or {}
        self.turns.ended(work.job, *work.job.step_ids)
        job = work.job
        state = ending.value if ending in (Ending.HELD, Ending.LEFT) else "ended"
        self._tell(ServerEvent(job.site, job.server, state, why, job.step_ids, {"ending": ending.value, **work.facts}))
        site = next(one for one in self._sites if one.work.site == job.site)
        if not site.closed and 0 < site.work.stop_after <= site.failures:
            limit = site.work.stop_after
            site.closed = f"{site.failures} server(s) failed, and no further one begins after {limit}"
            for other in [one for one in site.wave if one.state == "new"]:
                self.end(other, Ending.LEFT, site.closed)

    def _leave(self, site: _Site, why: str) -> None:
        for work in site.works:
            if work.state == "new":
                self.end(work, Ending.LEFT, why)

    def _leave_sites(self, sites: Sequence[_Site], first: str) -> None:
        for site in sites:
            if not site.closed:
                site.closed = f"{first} is not done, and sites come one by one"
                self._leave(site, site.closed)

    def give_up(self, why: str) -> list[Work]:
        """End every server that has not begun, and give them."""
        left = [work for work in self.works if work.state == "new"]
        for site in self._sites:
            site.closed = site.closed or why
        for work in left:
            self.end(work, Ending.LEFT, why)
        return left

    def result(self, still_to_do: Callable[[ServerJob], tuple[str, ...]]) -> RunResult:
        """Give how the run ended.

        Args:
            still_to_do: Gives the steps of a server that are not done; called for those that were not begun.
        """
        works = list(self.works)
        unbegun = [one for one in works if one.ending in (Ending.HELD, Ending.LEFT) and not one.records]
        steps = {one.job.place: still_to_do(one.job) for one in unbegun}
        left = tuple(
            Left(one.job.site, one.job.server, steps[one.job.place], one.why, one.ending or Ending.LEFT, one.facts)
            for one in unbegun
            if steps[one.job.place]
        )
        return RunResult(
            records=tuple(record for work in works for record in work.records),
            reconciled=tuple(record for work in works for record in work.reconciled),
            endings={work.job.place: work.ending for work in works if work.ending},
            left=left,
            stopped=tuple(f"{site.work.site}: {site.closed}" for site in self._sites if site.closed),
            done_before={work.job.place: work.done_before for work in works if work.done_before},
        )
