"""Brings jobs to the workers of sites over Dask distributed: text there, text back, each job at most once.

Only text travels, and the fixed functions that take it; what comes back is not unpickled. The exceptions of a task are,
as Dask does it: whoever holds a certificate of the cluster's CA is trusted by the controller too.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from tlsrunbook.adapters.cluster_node import NodeConfig, resource_of
from tlsrunbook.errors import NoWorker, TlsRunbookError, WorkerLost

#: So often a waiting job looks whether the run shall stop, in seconds.
_LOOK = 0.5
#: So long it is taken for known how many workers there are, in seconds.
_FRESH = 1.0
#: A job that was broken off has this long to come back with what is certain, in seconds.
_BREAK_OFF = 60.0
_CONNECT = "20s"
_NOBODY = "start one: tlsrunbook cluster worker CONFIG --site {}; and see that the scheduler can reach it"
_LOOK_FIRST = "run the same change again: it looks at the server first"


@dataclass(frozen=True)
class Functions:
    """What is called on a worker; each takes text, and is found there by its name."""

    perform: Callable[[str], str]
    stop: Callable[[str, int], None]
    settle: Callable[[str], None]


@dataclass(frozen=True)
class Back:
    """What a worker gave back, and where it is reached."""

    text: str
    address: str


class DaskCourier:
    """See :class:`~tlsrunbook.run.remote.Courier`. It connects when it is made.

    Args:
        address: The scheduler's, ``tls://host:port``.
        config: The controller's, which has its certificate.
        functions: What is called on a worker.
        run: Names this run, and is part of no other's name.

    Raises:
        TlsRunbookError: The scheduler cannot be reached, or is not of this CA.
    """

    def __init__(self, address: str, config: NodeConfig, functions: Functions, run: str) -> None:
        import dask  # noqa: PLC0415 - only who has workers pays for it
        from distributed import Client, Security  # noqa: PLC0415

        self._functions = functions
        self._topic = f"tlsrunbook-{run}"
        self._heard: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        self._at: dict[str, str] = {}
        self._places = _Places(self._site_workers)
        self._stack = ExitStack()
        self._stack.enter_context(dask.config.set(dict(config.dask)))
        try:
            self._client: Any = Client(
                address,
                security=Security(),
                timeout=_CONNECT,
                name="tlsrunbook",
                set_as_default=False,
                direct_to_workers=False,
                serializers=["msgpack"],
                deserializers=["msgpack"],
            )
        except (OSError, TimeoutError, ValueError) as error:
            self._stack.close()
            what = f"the scheduler cannot be reached: {' '.join(str(error).split())[:200] or type(error).__name__}"
            todo = (
                "see that it runs, and that its certificate and this one are of the same CA (tlsrunbook cluster init)"
            )
            raise TlsRunbookError(what, where=address, todo=todo) from error
        self._client.subscribe_topic(self._topic, self._hear)

    @property
    def topic(self) -> str:
        """Under which workers tell of their work."""
        return self._topic

    def deliver(
        self, site: str, job: str, text: str, hear: Callable[[Mapping[str, Any]], None], asked: Callable[[], int]
    ) -> Back:
        """See :class:`~tlsrunbook.run.remote.Courier`."""
        self._heard[job] = hear
        try:
            with self._places.taken(site, asked):
                return Back("", "") if asked() else self._performed(site, job, text, asked)
        finally:
            self._heard.pop(job, None)
            self._at.pop(job, None)

    def _performed(self, site: str, job: str, text: str, asked: Callable[[], int]) -> Back:
        if self._client.status != "running":
            todo = "see that it runs, then run the same change again"
            raise NoWorker(
                "the connection with the scheduler is lost; nothing was begun", where=f"site {site}", todo=todo
            )
        ended = threading.Event()
        future = self._client.submit(
            self._functions.perform,
            text,
            key=job,
            pure=False,
            retries=0,
            resources={resource_of(site): 1},
        )
        try:
            future.add_done_callback(lambda _: ended.set())
            self._wait(job, ended, asked)
            if not future.done():
                raise WorkerLost(
                    "the worker did not break its work off in time", where=f"site {site}", todo=_LOOK_FIRST
                )
            return Back(self._result(site, future), self._at.get(job, ""))
        finally:
            # A finished task that is held would be done again if its worker died.
            with suppress(Exception):
                future.release()

    def _wait(self, job: str, ended: threading.Event, asked: Callable[[], int]) -> None:
        """Wait for the end of a job; pass on every request to stop."""
        passed_on, left = 0, _BREAK_OFF
        while not ended.wait(_LOOK):
            wanted = asked()
            if wanted > passed_on and job in self._at:
                self._call(self._at[job], self._functions.stop, job, wanted)
                passed_on = wanted
            if wanted > 1:
                left -= _LOOK
                if left <= 0:
                    return

    def _result(self, site: str, future: Any) -> str:
        from distributed.scheduler import KilledWorker, NoValidWorkerError, NoWorkerError  # noqa: PLC0415

        where = f"site {site}"
        try:
            text = future.result()
        except (NoValidWorkerError, NoWorkerError):
            raise NoWorker("there is no worker for this site", where=where, todo=_NOBODY.format(site)) from None
        except KilledWorker as error:
            what = f"the worker at {error.last_worker.address} was lost while it worked on this server"
            raise WorkerLost(what, where=where, todo=_LOOK_FIRST) from None
        except Exception as error:  # noqa: BLE001 - whatever a worker or a lost scheduler makes of it
            what = f"the worker's answer did not come: {type(error).__name__}"
            raise WorkerLost(what, where=where, todo=_LOOK_FIRST) from None  # its text may hold anything
        if not isinstance(text, str):
            raise WorkerLost("the worker's answer is no text", where=where, todo=_LOOK_FIRST)
        return text

    def settle(self, address: str, text: str) -> None:
        """See :class:`~tlsrunbook.run.remote.Courier`."""
        if address:
            self._call(address, self._functions.settle, text)

    def _call(self, address: str, function: Callable[..., None], *arguments: Any) -> None:
        """Call something on a worker beside its work. What fails is done another time, or is not needed any more."""
        with suppress(Exception):
            if address not in self._client.scheduler_info(n_workers=-1)["workers"]:
                return  # it would be waited for
            self._client.run(function, *arguments, workers=[address], nanny=False)

    def _hear(self, event: tuple[float, Any]) -> None:
        told = event[1]
        if not isinstance(told, dict):
            return
        job = str(told.get("job", ""))
        if told.get("at"):
            self._at[job] = str(told["at"])
        hear = self._heard.get(job)
        if hear:
            with suppress(Exception):
                hear(told)

    def places(self, site: str) -> int:
        """See :class:`~tlsrunbook.run.remote.Courier`."""
        return self._places.count(site)

    def _site_workers(self) -> Mapping[str, int]:
        """Give how many workers each resource has now."""
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except Exception:  # noqa: BLE001 - a scheduler that is gone; the job itself says so
            return {}
        return Counter(name for one in workers.values() for name in one.get("resources", {}))

    def close(self) -> None:
        """See :class:`~tlsrunbook.run.remote.Courier`."""
        with suppress(Exception):
            self._client.close()
        self._stack.close()


class _Places:
    """Lets no more jobs of a site out than it has workers: one that waits at a worker would be lost with it.

    Args:
        workers: Gives the number of workers by resource now; asked at most once in :data:`_FRESH` seconds.
    """

    def __init__(self, workers: Callable[[], Mapping[str, int]]) -> None:
        self._workers = workers
        self._changed = threading.Condition()
        self._asking = threading.Lock()
        self._known: Mapping[str, int] = {}
        self._asked = float("-inf")
        self._out: dict[str, int] = {}

    def count(self, site: str) -> int:
        """Give how many workers a site has, or 1: a job goes out alone, and comes back as one that nobody took."""
        with self._asking:
            if time.monotonic() - self._asked > _FRESH:
                self._known = self._workers()
                self._asked = time.monotonic()
            return max(1, self._known.get(resource_of(site), 0))

    def taken(self, site: str, asked: Callable[[], int]) -> ExitStack:
        """Wait for a place, take it, and give what gives it back."""
        while True:
            count = self.count(site)
            with self._changed:
                if self._out.get(site, 0) < count or asked():
                    self._out[site] = self._out.get(site, 0) + 1
                    break
                self._changed.wait(_LOOK)
        stack = ExitStack()
        stack.callback(self._give_back, site)
        return stack

    def _give_back(self, site: str) -> None:
        with self._changed:
            self._out[site] -= 1
            self._changed.notify_all()
