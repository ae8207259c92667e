"""For each thing that a change touched: what it goes back to, how the change left it, and who altered it since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tlsrunbook.errors import EvidenceError
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.history import History, Tried
from tlsrunbook.plan.model import Change
from tlsrunbook.plan.things import Properties, Thing, same, shown, things
from tlsrunbook.plan.touched import Touch, touches
from tlsrunbook.policy.expected import after

_EXISTS = "exists"


@dataclass(frozen=True)
class Entry:
    """One thing that the change touched, or may have touched.

    Args:
        existed: Whether it was there before the change first touched it.
        back: Value of each touched property as it was before the change first touched that one.
        left: How the change left it, None when gone. More than one where the last command was not answered; then
            with the properties only that are certain.
    """

    thing: Thing
    existed: bool
    back: Properties = field(default_factory=dict)
    left: tuple[Properties | None, ...] = ()


def journal(history: History, now: ServerState) -> tuple[Entry, ...]:
    """Read what the change touched, in the order it first did.

    Args:
        history: Of one server.
        now: As it is observed: a command without an answer is looked at before anything is decided about it.

    Raises:
        EvidenceError: Something was sent, and the state before it is not on record.
    """
    entries: dict[Thing, Entry] = {}
    for at, tried in enumerate(history.tries):
        if not tried.sent:
            continue
        if tried.before is None:
            where = f"{tried.step}, attempt {tried.number}"
            raise EvidenceError("commands were sent, and the state before them is not on record", where=where)
        looked = tried.after or next((one.before for one in history.tries[at + 1 :] if one.before), None)
        _read(entries, tried, tried.before, looked, now)
    return tuple(entries.values())


def _read(
    entries: dict[Thing, Entry], tried: Tried, before: ServerState, looked: ServerState | None, now: ServerState
) -> None:
    was = things(before)
    found = [touch for sent in tried.sent for touch in touches(sent.pipeline, before, looked or now)]
    expected = None if looked else _expected(tried, before)
    for touch in found:
        entry = entries.get(touch.thing) or Entry(touch.thing, touch.thing in was)
        back = {name: was[touch.thing].get(name) for name in touch.properties if touch.thing in was} | dict(entry.back)
        left = (things(looked).get(touch.thing),) if looked else _left(touch, expected or (), found)
        entries[touch.thing] = replace(entry, back=back if entry.existed else {}, left=left)


def _expected(tried: Tried, before: ServerState) -> tuple[ServerState, ...]:
    """Give the states that an attempt without a second look can have left, as far as Exchange's rules tell."""
    states: tuple[ServerState, ...] = (before,)
    for sent in tried.sent:
        following = after(sent.pipeline, states[-1])
        states = (following,) if sent.certain else (*states, following)
    return states


def _left(touch: Touch, states: Sequence[ServerState], found: Iterable[Touch]) -> tuple[Properties | None, ...]:
    makers = [one for one in found if one.thing == touch.thing and one.makes]
    if not makers:
        return tuple(things(state).get(touch.thing) for state in states)
    # What a new thing has besides what the command gave is Exchange's own choice.
    sure = makers[0].given | touch.properties
    left: list[Properties | None] = [None] if len(states) > 1 else []
    for state in states[-1:]:
        made = things(state).get(touch.thing, {})
        left.append({name: value for name, value in made.items() if name in sure})
    return tuple(left)


def altered_since(entry: Entry, now: Mapping[Thing, Properties]) -> tuple[Change, ...]:
    """Give how a thing differs from how the change left it.

    A property that has its former value already counts as gone back, whoever did that.

    Returns:
        ``have`` is how it was left, ``want`` how it is now.
    """
    differences = [_differences(entry, left, now.get(entry.thing)) for left in entry.left]
    return min(differences, key=len, default=())


def _differences(entry: Entry, left: Properties | None, have: Properties | None) -> tuple[Change, ...]:
    if left is None or have is None:
        gone_back = have is None and not entry.existed
        if gone_back or (left is None and have is None):
            return ()
        return (Change(str(entry.thing), _EXISTS, left is not None, have is not None),)
    return tuple(
        Change(str(entry.thing), name, shown(value), shown(have.get(name)))
        for name, value in left.items()
        if not same(have.get(name), value) and not (name in entry.back and same(have.get(name), entry.back[name]))
    )
