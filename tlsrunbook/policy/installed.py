"""What is odd about the certificates a server has already: seen before a new one is ordered."""

from __future__ import annotations

from datetime import timedelta

from tlsrunbook.certificates.facts import names_cover
from tlsrunbook.exchange.state import ExchangeCertificate, ServerState
from tlsrunbook.plan.target import USABLE
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.site import Server, Site

RULES = {
    "installed-not-usable": "An installed certificate of a CA for the FQDN has a status under which Exchange uses it",
    "renewal-window": "A new certificate lasts longer than the renewal time, or every run orders another one",
    "start-over": "A request whose answer is refused can be removed, so that a new one is made",
}

_WHAT_TO_DO = {
    "Untrusted": "install its CA's root and intermediates on the server before another one is ordered",
    "Revoked": "ask the CA why; a new one is ordered",
    "Invalid": "see Get-ExchangeCertificate and the server's event log before another one is ordered",
}


def unusable_findings(state: ServerState, server: Server) -> tuple[Finding, ...]:
    """Name the certificates for this FQDN that Exchange does not use, and why."""
    return tuple(
        Finding(
            "installed-not-usable",
            Severity.WARNING,
            f"{state.name} has {one.thumbprint} for {server.fqdn}, and its status is {one.status}",
            _WHAT_TO_DO.get(one.status, "see Get-ExchangeCertificate on the server"),
            f"certificate {one.thumbprint}",
        )
        for one in state.certificates
        if not one.pending
        and one.status not in (*USABLE, "DateInvalid")  # that one ends is no surprise
        and one.self_signed is False
        and names_cover(one.names, server.fqdn)
    )


def window_findings(certificate: ExchangeCertificate, site: Site) -> tuple[Finding, ...]:
    """Warn when a certificate of this lifetime is due on the day it is issued."""
    lifetime = certificate.not_after - certificate.not_before
    days = site.certificate.renew_before_days
    if timedelta(days=days) < lifetime:
        return ()
    text = (
        f"renew_before_days is {days}, and the CA's certificates last {lifetime.days} days: every run orders a new one"
    )
    todo = f"write a smaller renew_before_days, such as {max(1, lifetime.days // 3)}"
    return (Finding("renewal-window", Severity.WARNING, text, todo, f"certificate {certificate.thumbprint}"),)


def start_over(entry: ExchangeCertificate, server: str) -> Finding:
    """Say how to get out of a request whose answer will never do."""
    return Finding(
        "start-over",
        Severity.INFO,
        f"the request {entry.thumbprint} waits on {server} for an answer that passes",
        f"put a better answer into the authority's hands; or remove the request, with its key, by "
        f"Remove-ExchangeCertificate -Thumbprint {entry.thumbprint} on {server}, and run the step request again",
        f"certificate {entry.thumbprint}",
    )
