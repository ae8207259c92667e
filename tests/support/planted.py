"""Every secret that a test makes is a marker: what the test leaves behind is searched for it.

The search covers, in every test of the whole run: every file below a folder of evidence, every log line of any level
with its arguments and tracebacks, and the text of every :class:`TlsRunbookError` that was made in the test's process.
What other processes print is searched by ``tests/house/test_house_secrets.py``.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tlsrunbook.errors import TlsRunbookError
from tlsrunbook.secret import Secret, SecretBytes

#: Shorter ones are words that unit tests use for something else too.
_SHORTEST = 16


class Planted:
    """The secrets and the error texts of one test."""

    def __init__(self) -> None:
        self.markers: set[bytes] = set()
        self.errors: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note every secret and every error that is made meanwhile."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Secret, "__init__", self._noting(Secret.__init__))
            patch.setattr(SecretBytes, "__init__", self._noting(SecretBytes.__init__))
            patch.setattr(TlsRunbookError, "__init__", self._noting_error(TlsRunbookError.__init__))
            yield

    def _noting(self, make: object) -> object:
        def init(own: object, value: str | bytes) -> None:
            text = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            if len(text) >= _SHORTEST:
                self.markers.add(text)
            make(own, value)  # type: ignore[operator]

        return init

    def _noting_error(self, make: object) -> object:
        def init(own: TlsRunbookError, *args: object, **how: object) -> None:
            make(own, *args, **how)  # type: ignore[operator]
            self.errors.append(f"{own.what} {own.where} {own.todo}")

        return init

    def found_in(self, places: dict[str, bytes]) -> list[str]:
        """Give where a marker stands, in any of the ways it could hide."""
        wanted = {spelling for marker in self.markers for spelling in spellings(marker)}
        return [place for place, content in places.items() if any(text in content for text in wanted)]


def logged(records: Iterable[logging.LogRecord]) -> bytes:
    """Give log records as they would be written, arguments and tracebacks included."""
    written = logging.Formatter("%(name)s %(message)s")
    return "\n".join(written.format(record) for record in records).encode("utf-8", "backslashreplace")


def spellings(marker: bytes) -> list[bytes]:
    """Give a marker plain, in UTF-16, and in base64 at any offset."""
    found = [marker]
    with suppress(UnicodeDecodeError):
        found.append(marker.decode().encode("utf-16-le"))
    for pad in range(3):
        text = base64.b64encode(b"x" * pad + marker)
        found.append(text[4 if pad else 0 : -4])
    return found


def evidence_below(folder: Path) -> dict[str, bytes]:
    """Give the content of every file that lies below a folder of evidence."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and _is_evidence(path.relative_to(folder))
    }


def _is_evidence(path: Path) -> bool:
    return path.suffix == ".ipynb" or any(part.startswith(("runs", "evidence", "saved")) for part in path.parts)
