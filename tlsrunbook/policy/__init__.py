"""Rules over facts: pure functions that give findings."""

from tlsrunbook.policy.finding import Finding, Severity

__all__ = ["Finding", "Severity"]
