"""Send connectors as rows of a record: as they are and as they will be, enough to ask which one a domain takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tlsrunbook.exchange.address_space import parse_address_space
from tlsrunbook.exchange.state import SendConnector
from tlsrunbook.plan.route import RouteAnswer, explain_route, tls_of
from tlsrunbook.plan.send_connectors import WantedConnector, blank_connector

#: What the two sides of a row are called.
NOW, THEN = "now", "then"


def connector_rows(
    wanted: Sequence[WantedConnector], before: Sequence[SendConnector], after: Sequence[SendConnector]
) -> list[dict[str, Any]]:
    """Give one row per send connector, the three of the site file first, the others by name.

    Args:
        wanted: The three.
        before: All as they are.
        after: All as they will be.

    Returns:
        Rows of ``connector``, ``meant for`` (``required``, ``never``, ``opportunistic``; empty when it is none of the
        three), ``now`` and ``then``: a table of ``tls``, ``spaces``, ``enabled``, ``scoped``, ``servers``, or None
        where it is not there.
    """
    sides = {NOW: {one.name.lower(): one for one in before}, THEN: {one.name.lower(): one for one in after}}
    meant = {one.name.lower(): (one.name, one.tls) for one in wanted}
    others = {one.name.lower(): (one.name, "") for one in sorted((*before, *after), key=lambda one: one.name.lower())}
    return [
        {
            "connector": name,
            "meant for": tls,
            NOW: _side(sides[NOW].get(key)),
            THEN: _side(sides[THEN].get(key)),
        }
        for key, (name, tls) in {**meant, **{k: v for k, v in others.items() if k not in meant}}.items()
    ]


def _side(connector: SendConnector | None) -> dict[str, Any] | None:
    if connector is None:
        return None
    return {
        "tls": tls_of(connector),
        "spaces": [str(space) for space in connector.address_spaces],
        "enabled": connector.enabled,
        "scoped": connector.is_scoped,
        "servers": list(connector.source_transport_servers),
    }


def answer_from(rows: Sequence[Mapping[str, Any]], when: str, domain: str, server: str) -> tuple[RouteAnswer, str]:
    """Say which connector of a record mail to a domain takes, and with which TLS.

    Args:
        rows: As :func:`connector_rows` gives them.
        when: :data:`NOW` or :data:`THEN`.
        domain: As :func:`tlsrunbook.plan.asked_domain.asked_domain` gives it.
        server: NetBIOS name of the sending server, upper case.
    """
    sides = {str(row["connector"]): row[when] for row in rows if row[when] is not None}
    answer = explain_route([_connector(name, side) for name, side in sides.items()], domain, server)
    return answer, str(sides[answer.taken.name]["tls"]) if answer.taken else tls_of(None)


def _connector(name: str, side: Mapping[str, Any]) -> SendConnector:
    """Give a connector with what the choice asks for; everything else is blank."""
    return replace(
        blank_connector(name),
        enabled=bool(side["enabled"]),
        is_scoped=bool(side["scoped"]),
        address_spaces=tuple(parse_address_space(str(space)) for space in side["spaces"]),
        source_transport_servers=tuple(str(server) for server in side["servers"]),
    )
