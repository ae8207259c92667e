"""What a lab server counts, for tests and benchmarks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Counters:
    """What happened at a WinRM endpoint since it was made.

    Args:
        requests: HTTP requests, those that belong to a logon included.
        logons: Logons that succeeded; with Basic every request is one.
        refusals: Requests answered with 401 to which no further step of a logon belonged.
        shells_opened: Shells that were created.
        powershell_starts: How often the bootstrap script was started.
        cmdlets: Executed cmdlets by name, whether or not anybody still waits for the answer.
        succeeded: Those of them that ended without an error.
    """

    requests: int = 0
    logons: int = 0
    refusals: int = 0
    shells_opened: int = 0
    powershell_starts: int = 0
    cmdlets: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
