"""The way back to the state before a change: last step first, and what there is no way back from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.cmdlets_connector import RECEIVE_PARAMETERS, SEND_PARAMETERS
from tlsrunbook.exchange.command import Pipeline
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.journal import Entry
from tlsrunbook.plan.model import Change, Compensate, Irreversible, PlanItem, Reverse, Undo
from tlsrunbook.plan.things import (
    CERTIFICATE,
    DEFAULT,
    RECEIVE,
    REQUEST,
    SEND,
    SERVER,
    SERVICES,
    UNKNOWN,
    Properties,
    Thing,
    same,
    shown,
    things,
)

#: Of a certificate that stays on the server.
KEEPS_SMTP = "Exchange cannot take a service away: the certificate keeps SMTP until it is removed"
_AGAIN = Irreversible("run the change's steps again in a new change: they make it anew")
_SETTINGS = {
    SEND: {parameter: key for key, parameter in SEND_PARAMETERS.items()},
    RECEIVE: {parameter: key for key, parameter in RECEIVE_PARAMETERS.items()},
}


@dataclass(frozen=True)
class Stays:
    """What a rollback leaves as it is.

    Args:
        thing: What stays, in words.
        irreversible: Why.
    """

    thing: str
    irreversible: Irreversible


#: What a part of the way back gives: items in order, and what stays.
Part: TypeAlias = tuple[list[PlanItem], list[Stays]]


@dataclass(frozen=True)
class Ground:
    """Where the way back starts.

    Args:
        entries: From :func:`tlsrunbook.plan.journal.journal`.
        present: The server as it is.
        first: The server before the change's first command.
        target: What the server can.
        store: DER of the intermediates by thumbprint.
    """

    entries: tuple[Entry, ...]
    present: ServerState
    first: ServerState
    target: Target
    store: Mapping[str, bytes]

    def of(self, kind: str) -> tuple[Entry, ...]:
        """Give the touched things of a kind, the one touched last first."""
        return tuple(entry for entry in reversed(self.entries) if entry.thing.kind == kind)

    def have(self, thing: Thing) -> Properties | None:
        """Give a thing as it is now."""
        return things(self.present).get(thing)

    def made(self, kind: str) -> tuple[str, ...]:
        """Give the names of what the change brought and the server still has."""
        return tuple(
            entry.thing.name for entry in self.of(kind) if not entry.existed and self.have(entry.thing) is not None
        )


def connectors_back(ground: Ground, kind: str) -> Part:
    """Give the way back of send or receive connectors: new ones go, altered ones get their values back."""
    items: list[PlanItem] = []
    stays: list[Stays] = []
    for entry in ground.of(kind):
        have = ground.have(entry.thing)
        if not entry.existed:
            if have is not None:
                items.append(_remove_connector(ground, entry.thing))
        elif have is None:
            stays.append(Stays(str(entry.thing), Irreversible("it was removed, and only part of it is on record")))
        else:
            items += _set_back(ground, entry, have)
    return items, stays


def _remove_connector(ground: Ground, thing: Thing) -> PlanItem:
    remove = cmdlets.remove_send_connector if thing.kind == SEND else cmdlets.remove_receive_connector
    return PlanItem(
        "The change made this connector; mail takes the connector it took before",
        (remove(ground.target, thing.name),),
        (Change(str(thing), "exists", True, False),),
        _AGAIN,
    )


def _set_back(ground: Ground, entry: Entry, have: Properties) -> list[PlanItem]:
    names = {name for name, value in entry.back.items() if name in have and not same(have[name], value)}
    if not names:
        return []
    if names & {"SmartHosts", "DNSRoutingEnabled"}:
        # Exchange wants both in the same command (rule sc-smarthosts).
        names |= {"SmartHosts", "DNSRoutingEnabled"}
    former = {name: entry.back.get(name, have[name]) for name in names}
    return [
        PlanItem(
            "Give the connector back the values it had before the change",
            _set(ground.target, entry.thing, former),
            tuple(Change(str(entry.thing), name, shown(have[name]), shown(former[name])) for name in sorted(names)),
            Reverse((_set(ground.target, entry.thing, {name: have[name] for name in names}),)),
        )
    ]


def _set(target: Target, thing: Thing, values: Properties) -> Pipeline:
    settings: dict[str, Any] = {key: values[name] for name, key in _SETTINGS[thing.kind].items() if name in values}
    if thing.kind == SEND:
        return (cmdlets.set_send_connector(target, thing.name, **settings),)
    return (cmdlets.set_receive_connector(target, thing.name, **settings),)


def default_back(ground: Ground) -> Part:
    """Give the way back of the default SMTP certificate: it is enabled once more, as there is no other way."""
    for entry in ground.of(SERVER):
        former, now = str(entry.back.get(DEFAULT) or ""), ground.present.internal_transport_thumbprint
        if former == now:
            continue
        certificate = ground.present.certificate(former) if former else None
        if certificate is None or certificate.has_private_key is False:
            why = f"the former one, {former}, is not on the server any more" if former else "there was none before"
            return [], [Stays(f"{DEFAULT} of {entry.thing}", Irreversible(f"{now} stays it: {why}"))]
        return [_enable_back(ground, former, now)], []
    return [], []


def _enable_back(ground: Ground, former: str, now: str) -> PlanItem:
    undo: Undo = Irreversible(KEEPS_SMTP)
    if ground.present.certificate(now):
        undo = Compensate(((cmdlets.enable_smtp(ground.target, now),),), KEEPS_SMTP)
    return PlanItem(
        "Make the former default SMTP certificate the default again",
        (cmdlets.enable_smtp(ground.target, former),),
        (Change(f"server {ground.present.name}", DEFAULT, now or None, former),),
        undo,
    )


def services_stay(ground: Ground) -> list[Stays]:
    """Give the certificates that were there before the change and keep a service that it gave them."""
    found = []
    for entry in ground.of(CERTIFICATE):
        if not entry.existed:
            continue
        have = ground.have(entry.thing)
        if have is None:
            found.append(Stays(str(entry.thing), Irreversible("it was removed, and its private key with it")))
            continue
        more = _services(have) - _services(entry.back)
        if more:
            found.append(Stays(str(entry.thing), Irreversible(f"{KEEPS_SMTP} (gained: {', '.join(sorted(more))})")))
    return found


def _services(properties: Properties) -> frozenset[str]:
    services = properties.get(SERVICES)
    return services if isinstance(services, frozenset) else frozenset()


def requests_back(ground: Ground) -> Part:
    """Give the way back of pending requests: what the change made goes, what it used up is gone."""
    items: list[PlanItem] = []
    stays: list[Stays] = []
    for entry in ground.of(REQUEST):
        have = ground.have(entry.thing)
        if have is not None and not entry.existed:
            items.append(
                PlanItem(
                    "The change made this request; it goes with its key, and an answer of the CA could not be used",
                    (cmdlets.remove_certificate(ground.target, entry.thing.name),),
                    (Change(str(entry.thing), "exists", True, False),),
                    Irreversible("its private key goes with it: a new request is needed"),
                )
            )
        if have is None and entry.existed:
            why = "the import used it up; its key is that of the certificate, and a new request is needed"
            stays.append(Stays(str(entry.thing), Irreversible(why)))
    return items, stays


def unknown_commands(ground: Ground) -> list[Stays]:
    """Name the commands of the change that this version knows no way back from."""
    why = Irreversible("this version knows no way back from it: look at the record, and undo it by hand")
    return [Stays(str(entry.thing), why) for entry in ground.of(UNKNOWN)]
