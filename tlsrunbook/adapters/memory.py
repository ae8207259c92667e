"""What a rehearsal's evidence begins with: the memory of the real evidence, as it was saved with the state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.data import readable_json, to_data
from tlsrunbook.evidence.layout import REMEMBERED
from tlsrunbook.exchange.state_data import Memory, memory_from_data


def write_memory(folder: Path, memories: Mapping[str, Memory]) -> None:
    """Write what is known of servers, by name, into the folder of a site's new evidence.

    Raises:
        EvidenceError: There is such a file already, or the disk refuses.
    """
    path = folder / REMEMBERED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(readable_json(to_data(memories)))
    except OSError as error:
        raise EvidenceError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def read_memory(folder: Path, server: str) -> Memory:
    """Give what is known of a server; nothing in evidence of real work.

    Raises:
        EvidenceError: It cannot be read.
    """
    path = folder / REMEMBERED
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Memory()
    except (OSError, ValueError) as error:
        raise EvidenceError("what is remembered cannot be read", where=str(path)) from error
    found = data.get(server) if isinstance(data, dict) else data
    return Memory() if found is None else memory_from_data(found, where=str(path))
