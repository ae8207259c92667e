"""Waves: which servers of a site are changed together, the canary first. Pure.

Each entry of ``waves`` says how many of the site's servers are done when its wave has ended, all waves before it
included: ``[1, "25%", "100%"]`` over 40 servers makes waves of 1, 9 and 30. Shares are of the servers that were asked
for, rounded up. An entry that adds no server makes no wave. Servers come in the order they were given. One that waits
for another server's step takes that one into its wave, which may become larger for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pydantic_core import PydanticCustomError

from tlsrunbook.errors import UsageError
from tlsrunbook.site import values

#: Steps that change nothing which mail goes through: a run of these alone needs no waves.
QUIET = frozenset({"confirm", "request", "verify"})

Sizes = Sequence[int | str]
#: Everything at once.
AT_ONCE: Sizes = ("100%",)


def sizes_for(sizes: Sizes, steps: Collection[str], mode: str) -> Sizes:
    """Give the sizes that count for a run: all at once where nothing that mail goes through is changed.

    Args:
        sizes: As the site file or the user has them.
        steps: Ids of the steps that were asked for.
        mode: ``plan`` or ``apply``.
    """
    return AT_ONCE if mode != "apply" or QUIET.issuperset(steps) else sizes


def waves_of(
    servers: Sequence[str], sizes: Sizes, needs: Mapping[str, Collection[str]] | None = None
) -> tuple[tuple[str, ...], ...]:
    """Divide servers into waves.

    Args:
        servers: Names, in order; the first one is the canary.
        sizes: Checked; the last one is ``100%``.
        needs: Server -> servers of which it waits for a step. Those that are not among ``servers`` count for nothing.

    Returns:
        The servers of each wave, in order; no wave is empty.
    """
    left = list(dict.fromkeys(servers))
    total, done = len(left), 0
    waves = []
    for size in sizes:
        wave: list[str] = []
        while left and done + len(wave) < _reached(size, total):
            wave += _together(left[0], left, needs or {})
            left = [name for name in left if name not in wave]
        if wave:
            waves.append(tuple(name for name in servers if name in wave))
            done += len(wave)
    return tuple(waves)


def _reached(size: int | str, total: int) -> int:
    """Give how many servers are done after a wave of this size."""
    if isinstance(size, int):
        return min(size, total)
    return -(-total * int(size[:-1]) // 100)


def _together(first: str, left: Sequence[str], needs: Mapping[str, Collection[str]]) -> list[str]:
    """Give a server and those it waits for, directly or not, as far as they are left."""
    found = [first]
    for name in found:  # grows while it is walked
        found += [other for other in left if other in needs.get(name, ()) and other not in found]
    return found


def read_waves(text: str) -> Sizes:
    """Read waves as they are written on a command line, such as ``1,25%,100%``.

    Raises:
        UsageError: They are no waves; the message says what to write.
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        return values.waves(tuple(values.wave(int(part) if part.isdecimal() else part) for part in parts))
    except PydanticCustomError as error:
        facts = error.context or {}
        raise UsageError(f"{text!r} {facts.get('what', '')}", where="--waves", todo=_command_line(facts)) from error


def _command_line(facts: Mapping[str, object]) -> str:
    """Say what to write as on a command line, not as in a site file."""
    return f"{facts.get('todo', '')}; on the command line without quotes and brackets: --waves 1,25%,100%"
