"""A lab in a process of its own: its CPU and memory can be told from those of what works on it."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tests.support.quick_keys import PairedKeys

if TYPE_CHECKING:
    from tlsrunbook.lab.counters import Counters

#: Seconds after which a lab that does not answer is broken.
_PATIENCE = 120.0


class LabProcess:
    """Starts a lab elsewhere and asks it things. Use it as a context manager.

    Args:
        quick_keys: How many private keys are to be had in no time (see :class:`PairedKeys`); 0 for ordinary ones.
        world: What :class:`~tlsrunbook.lab.lab.Lab` takes, as far as it can be pickled; ``faults`` as texts.
    """

    def __init__(self, *, quick_keys: int = 0, **world: Any) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, quick_keys, world), name="lab", daemon=True)
        self._process.start()
        theirs.close()
        self.site_names: tuple[str, ...] = self._answer()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    def ask(self, what: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of :class:`Served` over there.

        Raises:
            RuntimeError: It failed, or does not answer.
        """
        self._pipe.send((what, arguments, named))
        return self._answer()

    def write_site_files(self, folder: Path) -> tuple[Path, ...]:
        """Write ``<site>.toml`` for each site into a folder."""
        return tuple(self.ask("write_site_files", folder))

    def counters(self) -> dict[tuple[str, str], Counters]:
        """Give what each WinRM endpoint counted, by site and server."""
        return dict(self.ask("counters"))

    def cpu(self) -> float:
        """Give the CPU seconds it used since it began."""
        return float(self.ask("cpu"))

    def stop(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def __enter__(self) -> LabProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self) -> Any:
        if not self._pipe.poll(_PATIENCE):
            raise RuntimeError("the lab's process does not answer")
        try:
            worked, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError("the lab's process has ended") from error
        if not worked:
            raise RuntimeError(f"the lab's process says: {answer}")
        return answer


class Served:
    """What can be asked of the lab, from within its process.

    Args:
        lab: It runs.
    """

    def __init__(self, lab: Any) -> None:
        self._lab = lab
        self._stations = {
            (site.name, one.name): lab.station(site.name, one.name) for site in lab.plan for one in site.servers
        }

    def write_site_files(self, folder: Path) -> tuple[Path, ...]:
        """See :meth:`tlsrunbook.lab.lab.Lab.write_site_files`."""
        return tuple(self._lab.write_site_files(folder))

    def counters(self) -> dict[tuple[str, str], Counters]:
        """Give what was counted so far."""
        return {key: station.winrm.counters for key, station in self._stations.items()}

    def snapshots(self) -> dict[tuple[str, str], Any]:
        """Give the state of every server."""
        return {key: station.server.snapshot() for key, station in self._stations.items()}

    def shells_open(self) -> int:
        """Give how many shells are open on all servers together."""
        return sum(station.winrm.shells_open for station in self._stations.values())

    def cpu(self) -> float:
        """Give this process's CPU seconds."""
        return time.process_time()

    def set_fault(self, text: str) -> None:
        """Put a fault in force."""
        self._lab.faults.set(text)

    def clear_faults(self) -> None:
        """End all faults."""
        self._lab.faults.clear()

    def requests(self) -> int:
        """Give how many WinRM requests came in on all servers together."""
        return sum(station.winrm.counters.requests for station in self._stations.values())

    def await_requests(self, count: int, seconds: float) -> bool:
        """Wait until so many WinRM requests have come in; False when they did not in time."""
        end = time.monotonic() + seconds
        while self.requests() < count:
            if time.monotonic() >= end:
                return False
            time.sleep(0.001)
        return True

    def break_winrm(self, name: str, *, restart: bool) -> None:
        """Drop all connections to a server's WinRM and refuse new ones; with ``restart`` its shells are gone too."""
        self._lab.faults.set(f"winrm-refused@{name}")
        for (_, server), station in self._stations.items():
            if server == name:
                self._lab.on_loop(station.winrm.vanish if restart else station.winrm.hang_up)


def _serve(pipe: Connection, quick_keys: int, world: dict[str, Any]) -> None:
    from tlsrunbook.lab.faults import FaultBoard  # noqa: PLC0415  # only this process pays for the lab
    from tlsrunbook.lab.lab import Lab  # noqa: PLC0415

    faults = FaultBoard(*world.pop("faults", ()))
    if quick_keys:
        world["keys"] = PairedKeys(quick_keys)
    with Lab(**world, faults=faults) as lab, contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        served = Served(lab)
        pipe.send((True, lab.site_names))
        while True:
            what, arguments, named = pipe.recv()
            try:
                answer = True, getattr(served, what)(*arguments, **named)
            except Exception as error:  # noqa: BLE001  # told to whoever asked
                answer = False, f"{type(error).__name__}: {error}"
            pipe.send(answer)
