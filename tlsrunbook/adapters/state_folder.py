"""The state of servers in a folder: ``DIR/<site>/<SERVER>.json``, for rehearsals. It is no evidence."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

from tlsrunbook.errors import EvidenceError, UsageError
from tlsrunbook.evidence.data import readable_json, to_data
from tlsrunbook.exchange.state_data import SCHEMA, SavedServer, saved_from_data

_SAVE = "save it with: tlsrunbook check SITE --save-state DIR"


def write_state(folder: Path, saved: SavedServer) -> Path:
    """Write a server's state whole, in place of an earlier one, and give the file's path.

    Raises:
        EvidenceError: The disk refuses.
    """
    path = folder / saved.site / f"{saved.server}.json"
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(readable_json({"schema": SCHEMA, **to_data(saved)}))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise EvidenceError(f"the state cannot be written: {error.strerror or error}", where=str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def read_state(folder: Path, site: str, server: str) -> SavedServer:
    """Read a server's state.

    Raises:
        UsageError: There is none.
        EvidenceError: It cannot be read, or is another server's.
    """
    path = folder / site / f"{server}.json"
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"there is no saved state of {site} / {server}", where=str(path), todo=_SAVE) from error
    except (OSError, ValueError) as error:
        raise EvidenceError("the saved state cannot be read", where=str(path), todo=_SAVE) from error
    saved = saved_from_data(data, where=str(path))
    if (saved.site, saved.server) != (site, server):
        raise EvidenceError(f"it is the state of {saved.site} / {saved.server}", where=str(path), todo=_SAVE)
    return saved
