"""The three send connectors of a sending server: what they shall be, what differs, and how that is undone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.cmdlets_connector import SEND_PARAMETERS, SendSettings
from tlsrunbook.exchange.command import Later
from tlsrunbook.exchange.state import AddressSpace, SendConnector, ServerState
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.model import Change, PlanItem, Reverse, Shown
from tlsrunbook.site import SendConnectors, Server


@dataclass(frozen=True)
class WantedConnector:
    """One of the three, as the site file wants it.

    Args:
        tls: ``required``, ``never`` or ``opportunistic``.
        domains: What its address spaces name; ``*`` for the default.
        settings: Fields of :class:`SendConnector` that the runbook sets, with the wanted values.
    """

    name: str
    tls: str
    domains: tuple[str, ...]
    settings: SendSettings


def wanted_connectors(
    wanted: SendConnectors, server: Server, target: Target, certificate_name: str | Later
) -> tuple[WantedConnector, ...]:
    """Give the three connectors the site file asks for.

    Args:
        wanted: The site file's table.
        server: The sending server: the source of its connectors.
        target: The server that the commands run on, which is another one for a subscribed Edge.
        certificate_name: TLS certificate name that the server spelled; not used where Exchange has no such property.
    """
    never = tuple(entry.domain for entry in wanted.never.domains)
    kinds: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
        (wanted.required.name_for(server.name), "required", wanted.required.domains, ()),
        (wanted.never.name_for(server.name), "never", never, ()),
        (wanted.default.name_for(server.name), "opportunistic", ("*",), wanted.default.smart_hosts),
    )
    return tuple(
        WantedConnector(name, tls, domains, _settings(tls, domains, hosts, server, target, certificate_name))
        for name, tls, domains, hosts in kinds
    )


def _settings(
    tls: str,
    domains: tuple[str, ...],
    smart_hosts: tuple[str, ...],
    server: Server,
    target: Target,
    certificate_name: str | Later,
) -> SendSettings:
    settings = SendSettings(
        address_spaces=tuple(AddressSpace(domain) for domain in sorted(domains)),
        fqdn=server.fqdn,
        require_tls=tls == "required",
        ignore_starttls=tls == "never",
        dns_routing_enabled=not smart_hosts,
        smart_hosts=smart_hosts,
        enabled=True,
    )
    if tls != "never" and target.knows("Set-SendConnector", "TlsCertificateName"):
        settings["tls_certificate_name"] = certificate_name
    if tls != "required" and target.knows("Set-SendConnector", "TlsAuthLevel"):
        settings["tls_auth_level"] = ""
    if tls != "required" and target.knows("Set-SendConnector", "TlsDomain"):
        settings["tls_domain"] = ""  # means something with TlsAuthLevel DomainValidation only (rule sc-tlsdomain-only)
    if tls == "never":
        settings["domain_secure_enabled"] = False
    if not target.is_edge:
        settings["source_transport_servers"] = (server.name,)
    return settings


def connector_items(wanted: Iterable[WantedConnector], state: ServerState, target: Target) -> tuple[PlanItem, ...]:
    """Give what has to be created or altered, the strictest first, so that no domain waits for its TLS."""
    by_name = {connector.name.lower(): connector for connector in state.send_connectors}
    items = []
    for one in wanted:
        existing = by_name.get(one.name.lower())
        item = _alter(one, existing, target) if existing else _create(one, target)
        if item:
            items.append(item)
    return tuple(items)


def _create(one: WantedConnector, target: Target) -> PlanItem:
    settings = one.settings.copy()
    spaces = settings.pop("address_spaces")
    # A new connector has none of these.
    settings.pop("tls_auth_level", None)
    settings.pop("tls_domain", None)
    if not settings.get("smart_hosts"):
        settings.pop("smart_hosts", None)
    label = f"send connector {one.name}"
    shown = {"address_spaces": spaces, **settings}
    return PlanItem(
        f"Mail to {_domains(one)} shall use TLS: {one.tls}",
        (cmdlets.new_send_connector(target, one.name, spaces, **settings),),
        tuple(Change(label, SEND_PARAMETERS[key], None, _shown(value)) for key, value in shown.items()),
        Reverse(((cmdlets.remove_send_connector(target, one.name),),)),
    )


def _alter(one: WantedConnector, existing: SendConnector, target: Target) -> PlanItem | None:
    keys = {key for key, value in one.settings.items() if not _same(getattr(existing, key), value)}
    if not keys:
        return None
    if keys & {"smart_hosts", "dns_routing_enabled"}:
        # Exchange wants both in the same command (rule sc-smarthosts).
        keys |= {"smart_hosts", "dns_routing_enabled"} & one.settings.keys()
    label = f"send connector {existing.name}"
    return PlanItem(
        f"Mail to {_domains(one)} shall use TLS: {one.tls}",
        (cmdlets.set_send_connector(target, existing.identity, **_only(one.settings, keys)),),
        tuple(
            Change(label, SEND_PARAMETERS[key], _shown(getattr(existing, key)), _shown(value))
            for key, value in one.settings.items()
            if key in keys
        ),
        Reverse(((cmdlets.set_send_connector(target, existing.identity, **_present(existing, keys)),),)),
    )


def _only(settings: SendSettings, keys: set[str]) -> SendSettings:
    return cast("SendSettings", {key: value for key, value in settings.items() if key in keys})


def _present(existing: SendConnector, keys: set[str]) -> SendSettings:
    # The settings are named after the fields of SendConnector, so what was read can be set again.
    return cast("SendSettings", {key: getattr(existing, key) for key in sorted(keys)})


def _same(have: object, want: object) -> bool:
    if isinstance(have, tuple) and isinstance(want, tuple):
        return sorted(str(item).lower() for item in have) == sorted(str(item).lower() for item in want)
    return (have or "") == (want or "")


def _domains(one: WantedConnector) -> str:
    return "every other domain" if one.domains == ("*",) else ", ".join(one.domains)


def _shown(value: object) -> Shown:
    if isinstance(value, tuple):
        return tuple(str(item) for item in value)
    if value is None or value == "":
        return None
    if isinstance(value, str | bool | int | Later):
        return value
    raise TypeError(f"{type(value).__name__} is no connector setting")


def as_applied(wanted: Iterable[WantedConnector], state: ServerState) -> tuple[SendConnector, ...]:
    """Give all send connectors as they will be, for asking which one a domain will take."""
    by_name = {connector.name.lower(): connector for connector in state.send_connectors}
    for one in wanted:
        by_name[one.name.lower()] = _after(one, by_name.get(one.name.lower()))
    return tuple(by_name.values())


def _after(one: WantedConnector, existing: SendConnector | None) -> SendConnector:
    known: dict[str, Any] = {key: value for key, value in one.settings.items() if not isinstance(value, Later)}
    return replace(existing or blank_connector(one.name), **{"source_transport_servers": (), **known})


def blank_connector(name: str) -> SendConnector:
    """Give a send connector of this name that has nothing set."""
    return SendConnector(
        identity=name,
        name=name,
        enabled=True,
        address_spaces=(),
        fqdn="",
        tls_certificate_name=None,
        require_tls=False,
        ignore_starttls=False,
        tls_auth_level="",
        tls_domain="",
        dns_routing_enabled=True,
        domain_secure_enabled=False,
        smart_hosts=(),
        source_transport_servers=(),
        frontend_proxy_enabled=False,
        cloud_services_mail_enabled=False,
        is_scoped=False,
        port=25,
        max_message_size="",
    )
