"""The table file, read once."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def load() -> dict[str, Any]:
    """Read ``data/cmdlets.json``; the first call costs a few milliseconds."""
    path = resources.files("tlsrunbook.lab.exchange").joinpath("data/cmdlets.json")
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table
