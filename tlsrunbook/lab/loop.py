"""An asyncio loop in a thread of its own, so that the lab can run beside synchronous callers."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs one event loop in a daemon thread, from construction until :meth:`stop`.

    Args:
        name: The thread's name, for people who look at a dump.
    """

    def __init__(self, name: str = "tlsrunbook-lab") -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(_report)
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = 60.0) -> T:
        """Run a coroutine on the loop and wait for what it gives. Not to be called from the loop's own thread.

        Args:
            work: The coroutine.
            timeout: Seconds to wait; None waits for ever.

        Raises:
            TimeoutError: It did not end in time; it is cancelled.
            RuntimeError: The loop has been stopped.
        """
        if self.loop.is_closed():
            work.close()
            raise RuntimeError("this LoopThread has been stopped")
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def stop(self) -> None:
        """Cancel what still runs, end the thread and close the loop. Repeated calls do nothing."""
        if self.loop.is_closed():
            return
        self.run(_cancel_everything())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def __enter__(self) -> LoopThread:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


#: Turns of the loop in which a connection that was accepted or dropped just now comes to its end.
_LAST_TURNS = 10


async def _cancel_everything() -> None:
    loop = asyncio.get_running_loop()
    others = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for _ in range(_LAST_TURNS):
        await asyncio.sleep(0)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep quiet about clients that hang up or do not trust us: both are everyday business for a lab."""
    if not isinstance(context.get("exception"), ssl.SSLError | ConnectionError):
        loop.default_exception_handler(context)
