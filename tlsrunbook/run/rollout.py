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
    ended: int = 0  # how many of them have ended
    busy: int = 0  # servers under way, or waiting for their turn
    failures: int = 0
    closed: str = ""  # why no further server begins
    pending: dict[str, Work] = field(default_factory=dict)  # servers of the wave that have not begun
    left: bool = False  # whether those that no wave will come to have been told so

    @property
    def works(self) -> Iterator[Work]:
        return (work for wave in self.waves for work in wave)

    @property
    def wave(self) -> list[Work]:
        return self.waves[self.open - 1] if self.open else []

    @property
    def unlike(self) -> list[Work]:
        """The servers of the wave that did not end as wanted."""
        return [work for work in self.wave if work.ending is not Ending.DONE]

    @property
    def resting(self) -> bool:
        """Whether nobody is at work, and nobody of the wave may begin."""
        return not self.busy and (bool(self.closed) or not self.pending)

    @property
    def done(self) -> bool:
        return self.ended == len(self.waves) and not self.closed


class Rollout:
    """All servers of a run. For one thread.

    Args:
        sites: In order.
        tell: Is told about waves, and about servers that have ended.
        one_by_one: Whether a site begins only when all before it are done.
    """

    def __init__(self, sites: Sequence[SiteWork], tell: Tell, *, one_by_one: bool = False) -> None:
        self._sites = [_Site(site, [[Work(job) for job in wave] for wave in site.waves]) for site in sites]
        self._of = {site.work.site: site for site in self._sites}
        self._waiting: dict[tuple[str, str], Work] = {}
        self._tell = tell
        self._one_by_one = one_by_one
        self.turns = Turns([work.job for work in self.works])

    @property
    def works(self) -> Iterator[Work]:
        """Every server, site by site and wave by wave."""
        return (work for site in self._sites for work in site.works)

    def advance(self) -> None:
        """Begin the waves whose time has come, and leave the servers that no wave will come to any more."""
        before: _Site | None = None  # in whose way the others are, where sites come one by one
        for site in self._sites:
            if before is None:
                self._move(site)
            elif before.closed and before.resting and not site.closed:
                site.closed = f"{before.work.site} is not done, and sites come one by one"
            if site.closed and site.resting:
                self._leave(site)
            if self._one_by_one and not site.done:
                before = before or site

    def _move(self, site: _Site) -> None:
        while site.resting:
            if site.ended < site.open:
                self._end_wave(site)
            elif site.open < len(site.waves) and not site.closed:
                site.open += 1
                site.pending = {work.job.server: work for work in site.wave}
                self._tell_wave(site, "begun", "")
            else:
                return

    def _end_wave(self, site: _Site) -> None:
        if site.closed:
            self._leave(site)
        site.ended, unlike = site.open, site.unlike
        text = "; ".join(f"{work.job.server}: {work.why or work.ending}" for work in unlike[:5])
        text += f" and {len(unlike) - 5} more" if len(unlike) > 5 else ""
        self._tell_wave(site, "stopped" if unlike else "done", text)
        if unlike:
            site.closed = site.closed or f"wave {site.open} of {len(site.waves)} is not done ({text})"

    def _tell_wave(self, site: _Site, state: str, text: str) -> None:
        servers = tuple(work.job.server for work in site.wave)
        self._tell(WaveEvent(site.work.site, site.open, len(site.waves), servers, state, text))

    def may_begin(self) -> list[tuple[str, list[Work]]]:
        """Give per site the servers that have not begun and may, as far as waves and failures go."""
        open_sites = [site for site in self._sites if site.pending and not site.closed]
        return [(site.work.site, list(site.pending.values())) for site in open_sites]

    @property
    def waiting(self) -> list[Work]:
        """The servers that have begun and wait for their turn."""
        return list(self._waiting.values())

    def begin(self, work: Work) -> None:
        """Note that a server has begun."""
        site = self._of[work.job.site]
        del site.pending[work.job.server]
        site.busy += 1
        work.state = "under way"

    def wait(self, work: Work) -> None:
        """Note that a server waits for its turn."""
        self._waiting[work.job.place] = work
        work.state = "waiting"

    def go_on(self, work: Work) -> None:
        """Note that its turn has come."""
        del self._waiting[work.job.place]
        work.state = "under way"

    def end(self, work: Work, ending: Ending, why: str = "", facts: Mapping[str, str] | None = None) -> None:
        """Note that the work on a server has ended."""
        job, site = work.job, self._of[work.job.site]
        if work.state == "new":
            site.pending.pop(job.server, None)
        else:
            site.busy -= 1
        work.state, work.ending, work.why, work.facts = "ended", ending, why, facts or {}
        self.turns.ended(job, *job.step_ids)
        state = ending.value if ending in (Ending.HELD, Ending.LEFT) else "ended"
        self._tell(ServerEvent(job.site, job.server, state, why, job.step_ids, {"ending": ending.value, **work.facts}))
        site.failures += ending is Ending.FAILED
        if not site.closed and 0 < site.work.stop_after <= site.failures:
            site.closed = f"{site.failures} server(s) failed, and no further one begins after {site.work.stop_after}"

    def close(self, why: str) -> None:
        """Let no further server begin, anywhere."""
        for site in self._sites:
            site.closed = site.closed or why

    def _leave(self, site: _Site) -> None:
        if not site.left:
            site.left = True
            for work in [one for one in site.works if one.state == "new"]:
                self.end(work, Ending.LEFT, site.closed)

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
