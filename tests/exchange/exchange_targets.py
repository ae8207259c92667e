"""Servers to build commands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlsrunbook.exchange.version import ExchangeVersion, Target

FACTS = Path(__file__).parents[2].parent / "shared" / "facts" / "cmdlets.json"

VERSIONS = {
    "2007": ExchangeVersion(8, 3, 83, 6),
    "2010": ExchangeVersion(14, 3, 123, 4),
    "2013": ExchangeVersion(15, 0, 1497, 48),
    "2016": ExchangeVersion(15, 1, 2507, 66),
    "2019": ExchangeVersion(15, 2, 1748, 10),
    "SE": ExchangeVersion(15, 2, 2562, 17),
}

THUMBPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"


def target(
    product: str = "2019", *, edge: bool = False, parameters: Mapping[str, frozenset[str]] | None = None
) -> Target:
    return Target("EDGE1" if edge else "MBX1", edge, VERSIONS[product], parameters or {})


def facts() -> dict[str, Any]:
    return json.loads(FACTS.read_text("utf-8"))
