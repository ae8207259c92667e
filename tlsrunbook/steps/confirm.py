"""Step 1: the name on the certificate is the name the connectors answer with."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from tlsrunbook.policy.confirm import answering_names, concerned, confirm_connectors, confirm_dns
from tlsrunbook.policy.finding import Severity
from tlsrunbook.policy.old_exchange import judge_one_smtp
from tlsrunbook.policy.wire import judge_ehlo
from tlsrunbook.site import Server
from tlsrunbook.smtp.facts import ProbeFacts
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted


@dataclass(frozen=True)
class ConfirmExtra:
    """What confirm looks at besides the server.

    Args:
        probes: One dialogue per address of each endpoint.
        addresses: Of the FQDN; None when DNS did not answer.
        endpoint_addresses: Addresses of each endpoint's host.
    """

    probes: tuple[ProbeFacts, ...]
    addresses: tuple[str, ...] | None
    endpoint_addresses: dict[str, tuple[str, ...]]


class Confirm(Step):
    """Compare the site file's FQDN with connectors, wire and DNS. Changes nothing."""

    id = "confirm"
    number = 1
    slug = "confirm-fqdn"
    title = "Confirm the FQDN"
    untold = Severity.WARNING
    looks_only = True

    def observe(self, context: StepContext) -> Seen:
        """Read the server, ask each endpoint for its EHLO name, and ask DNS."""
        seen = super().observe(context)
        server = context.wanted.server
        endpoints = server.endpoints if "receive" in server.roles else ()
        probes = tuple(facts for endpoint in endpoints for facts in context.prober.probe(endpoint, server.fqdn))
        context.workspace.note("probed", {"probes": [_summary(facts) for facts in probes]})
        extra = ConfirmExtra(
            probes,
            context.resolver.addresses(server.fqdn),
            {endpoint: _addresses(context, endpoint) for endpoint in endpoints},
        )
        return replace(seen, extra=extra)

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Give the findings; there is never anything to change."""
        server, extra = wanted.server, seen.extra
        names = seen.target.knows("Set-ReceiveConnector", "TlsCertificateName")
        connectors = concerned(seen.state, server) if "receive" in server.roles else ()
        own = answering_names(seen.state, server) if "receive" in server.roles else ()
        findings = confirm_connectors(seen.state, server, names)
        findings += judge_one_smtp(seen.state, wanted.site.policy.default_smtp_certificate, server.all_names)
        findings += tuple(f for facts in extra.probes for f in judge_ehlo(facts, server.all_names, own))
        findings += confirm_dns(server, extra.addresses, extra.endpoint_addresses)
        return Decision(
            findings=findings,
            facts={
                "names on the certificate": server.all_names,
                "receive connectors": [
                    {
                        "connector": connector.identity,
                        "Fqdn": connector.fqdn or seen.state.fqdn,
                        "TlsCertificateName": connector.tls_certificate_name or "",
                        "AuthMechanism": ", ".join(sorted(connector.auth_mechanism)),
                    }
                    for connector in connectors
                ],
                "endpoints": [
                    {
                        "endpoint": facts.endpoint,
                        "address": facts.address,
                        "EHLO": facts.ehlo_name or facts.outcome.value,
                    }
                    for facts in extra.probes
                ],
            },
            summary=_sentence(server, own, names),
        )


def _sentence(server: Server, own: tuple[str, ...], has_certificate_name: bool) -> str:
    answers = ", ".join(dict.fromkeys(own))
    if not own:
        return f"a certificate for {', '.join(server.all_names)} fits what {server.name} sends with"
    if all(name in server.all_names for name in own):
        return f"{server.name} answers with {answers}, and the certificate will carry it"
    if not has_certificate_name:
        return f"{server.name} answers with {answers}; a receive connector of its own will answer with {server.fqdn}"
    return f"{server.name} answers with {answers}; its TLS certificate name will point to {server.fqdn}"


def _summary(facts: ProbeFacts) -> dict[str, str]:
    return {
        "endpoint": facts.endpoint,
        "address": facts.address,
        "outcome": facts.outcome.value,
        "ehlo": facts.ehlo_name,
    }


def _addresses(context: StepContext, endpoint: str) -> tuple[str, ...]:
    host = endpoint.rsplit(":", 1)[0].strip("[]")
    try:
        return (str(ipaddress.ip_address(host)),)
    except ValueError:
        return context.resolver.addresses(host) or ()
