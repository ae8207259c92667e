"""How a notebook shows an exception that nobody foresaw: a few lines, and nothing of what the frames hold."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

from tlsrunbook.errors import TlsRunbookError

_FRAMES = 8
_FOLDERS = 3


@contextlib.contextmanager
def short_tracebacks() -> Iterator[None]:
    """Shorten whatever goes through; a decorator, too."""
    try:
        yield
    except BaseException as error:
        shorten(error)
        raise


def shorten(error: BaseException) -> None:
    """Let IPython show few lines of an exception in place of its traceback: no source, no arguments, no locals.

    Name and text of the exception stay as they are, for nbclient and papermill too.
    """
    if isinstance(error, TlsRunbookError):
        return  # those say themselves how they are shown
    with contextlib.suppress(AttributeError):  # an exception that takes no attribute is shown as IPython does it
        error._render_traceback_ = lambda: lines(error)  # type: ignore[attr-defined]


def lines(error: BaseException) -> list[str]:
    """Give what is shown: what it is, where it came from, what to do."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = [f"    {_short(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames]
    told = f"✗ {type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, KeyboardInterrupt):
        return ["✗ Interrupted", "  What to do: run the step again: it looks at the server first"]
    todo = "run the step again: it looks at the server first; report these lines when they come again"
    return [told, "  Not foreseen; last of all it was here:", *places, f"  What to do: {todo}"]


def _short(file: str) -> str:
    """Give a file without the folders that only this computer has."""
    return Path(*Path(file).parts[-_FOLDERS:]).as_posix()
