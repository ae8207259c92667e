"""A finding: what a rule saw."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs. ``refuse`` closes the gate; ``error`` fails a verification; the rest informs."""

    REFUSE = "refuse"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    r"""One result of one rule.

    Args:
        rule: The rule's id, kebab-case; listed in the docs.
        severity: See :class:`Severity`.
        message: What was seen, as a sentence with the names in it.
        todo: What to do about it; empty for information.
        target: What it is about, such as ``receive connector EDGE1\\Default``; may be empty.
    """

    rule: str
    severity: Severity
    message: str
    todo: str = ""
    target: str = ""
