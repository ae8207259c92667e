"""Where a run stands, from what is told: who does what for how long, how much is done, how much time is left."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tlsrunbook.evidence.record import Status
from tlsrunbook.run.job import Event, ServerEvent, Told, WaveEvent
from tlsrunbook.run.rollout import SiteWork

#: What a server is at, the most interesting first.
RUNNING, STOPPED, HELD, DONE, LEFT, NEW = "at work", "stopped", "held", "done", "not begun", "to come"
_ORDER = (RUNNING, STOPPED, HELD, DONE, NEW, LEFT)

#: What a step is at: when it started, how it ended, or ``True`` when it was done before this run.
Cell = float | Status | bool


@dataclass
class Row:
    """One server.

    Args:
        cells: By step id.
        begun: When its first step started; 0 before that.
        ended: When it ended; 0 before that.
    """

    site: str
    server: str
    wave: int
    state: str = NEW
    cells: dict[str, Cell] = field(default_factory=dict)
    begun: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class Bar:
    """How far a wave is.

    Args:
        state: ``begun``, ``done``, ``stopped``, or empty before it begins.
    """

    site: str
    number: int
    of: int
    done: int
    total: int
    state: str


class Progress:
    """Keeps what is told. Safe from any thread.

    Args:
        sites: What is to be done.
        capacity: Servers at once.
        side_by_side: Whether the sites are worked on at the same time.
        clock: Gives seconds that never go back.
    """

    def __init__(
        self,
        sites: Sequence[SiteWork],
        capacity: int,
        *,
        side_by_side: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._capacity = max(1, capacity)
        self._side_by_side = side_by_side
        self._rows = {
            job.place: Row(site.site, job.server, number)
            for site in sites
            for number, wave in enumerate(site.waves, start=1)
            for job in wave
        }
        self._waves = {(site.site, number): "" for site in sites for number in range(1, len(site.waves) + 1)}

    def take(self, told: Told) -> None:
        """Take something that was told."""
        with self._lock:
            if isinstance(told, WaveEvent):
                self._waves[told.site, told.number] = told.state
            elif isinstance(told, ServerEvent):
                self._server(self._rows[told.site, told.server], told)
            else:
                self._step(self._rows[told.site, told.server], told)

    def _step(self, row: Row, told: Event) -> None:
        now = self._clock()
        row.begun = row.begun or now
        row.state = RUNNING
        row.cells[told.step] = told.record.status if told.record else now

    def _server(self, row: Row, told: ServerEvent) -> None:
        if told.state == "begun":
            row.state, row.begun = RUNNING, self._clock()
        elif told.state == "done-before":
            row.cells |= dict.fromkeys(told.steps, True)
        elif told.state in ("ended", "held", "left"):
            ending = told.facts.get("ending", "")
            states = {"done": DONE, "held": HELD, "left": LEFT}
            row.state = states.get(ending, STOPPED)
            row.ended = self._clock()

    def now(self) -> float:
        """Give the time by which the cells tell when a step started."""
        return self._clock()

    def rows(self) -> list[Row]:
        """Give all servers: those at work first, the longest at it on top, then those that stopped."""
        with self._lock:
            rows = list(self._rows.values())
        return sorted(
            rows, key=lambda row: (_ORDER.index(row.state), row.begun if row.state == RUNNING else -row.ended)
        )

    def counts(self) -> Mapping[str, int]:
        """Give how many servers are at what, in the order of interest."""
        with self._lock:
            counted = Counter(row.state for row in self._rows.values())
        return {state: counted[state] for state in _ORDER if counted[state]}

    def bars(self) -> list[Bar]:
        """Give how far each wave is."""
        with self._lock:
            total = Counter((row.site, row.wave) for row in self._rows.values())
            done = Counter((row.site, row.wave) for row in self._rows.values() if row.state == DONE)
            of = Counter(site for site, _ in self._waves)
            return [
                Bar(site, number, of[site], done[site, number], total[site, number], state)
                for (site, number), state in self._waves.items()
            ]

    def seconds_left(self) -> float | None:
        """Estimate how long the rest takes, from the servers that are done; None before there is one."""
        with self._lock:
            took = [row.ended - row.begun for row in self._rows.values() if row.state == DONE and row.begun]
            if not took:
                return None
            work: dict[tuple[str, int], list[float]] = {}
            for row, seconds in self._work(sum(took) / len(took)):
                work.setdefault((row.site, row.wave), []).append(seconds)
        sites: dict[str, float] = {}
        for (site, _), parts in work.items():
            sites[site] = sites.get(site, 0.0) + max(sum(parts) / self._capacity, *parts)
        if not self._side_by_side:
            return sum(sites.values())
        return max([sum(map(sum, work.values())) / self._capacity, *sites.values()])

    def _work(self, each: float) -> Iterator[tuple[Row, float]]:
        """Give the seconds of work left on each server that has not ended."""
        now = self._clock()
        for row in self._rows.values():
            if row.state == NEW:
                yield row, each
            elif row.state == RUNNING:
                yield row, max(each / 10, each - (now - row.begun))
