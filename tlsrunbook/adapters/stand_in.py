"""Looks at a rehearsal's lab from outside: what stands in for a certificate is taken for it."""

from __future__ import annotations

from dataclasses import replace

from tlsrunbook.certificates.stand_in import original_of
from tlsrunbook.ports import Prober
from tlsrunbook.smtp.facts import ProbeFacts


class StandInProber:
    """A prober that unwraps stand-ins. For rehearsals alone: outside of one, a stand-in proves nothing.

    Args:
        inner: Does the dialogues.
    """

    def __init__(self, inner: Prober) -> None:
        self._inner = inner

    def probe(self, endpoint: str, server_name: str) -> tuple[ProbeFacts, ...]:
        """See :class:`~tlsrunbook.ports.Prober`."""
        return tuple(_unwrapped(facts) for facts in self._inner.probe(endpoint, server_name))


def _unwrapped(facts: ProbeFacts) -> ProbeFacts:
    original = original_of(facts.chain[0]) if facts.chain else None
    return replace(facts, chain=(original, *facts.chain[1:])) if original else facts
