"""Step 4: SMTP uses the certificate, the default SMTP certificate stays, the receive connectors name it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tlsrunbook.exchange.command import Later
from tlsrunbook.exchange.state import ExchangeCertificate, ReceiveConnector
from tlsrunbook.plan.activation import DefaultChoice, choose_default, enable_item, put_back_item
from tlsrunbook.plan.internet_connector import internet_items
from tlsrunbook.plan.later import CERTIFICATE, THUMBPRINT, TLS_NAME, Known
from tlsrunbook.plan.model import Plan, PlanItem
from tlsrunbook.plan.outdated import Remembered, sender_items
from tlsrunbook.plan.receive_connectors import receive_items
from tlsrunbook.plan.target import chosen_certificate, due
from tlsrunbook.policy.confirm import concerned
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.followers import outdated_findings
from tlsrunbook.policy.old_exchange import smtp_moves
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.following import Followers, followers, names_on_record
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted

#: The fact that tells other servers what this one calls its certificate: nobody else can spell it.
CERTIFICATE_NAME = "TLS certificate name"


@dataclass(frozen=True)
class ActivateExtra:
    """What activate knows besides the server.

    Args:
        default: The default SMTP certificate as this change first saw it; may be empty.
        names: What this server's certificates were called when it was read before.
    """

    default: str = ""
    names: Remembered = field(default_factory=dict)


class Activate(Step):
    """Enable SMTP, keep or replace the default, and set the receive connectors' TLS certificate name."""

    id = "activate"
    number = 4
    slug = "activate-certificate"
    title = "Activate the certificate"

    def observe(self, context: StepContext) -> Seen:
        """Read the server, and recall what the evidence knows of its certificates."""
        seen = super().observe(context)
        extra = ActivateExtra(context.workspace.remembered_default(), names_on_record(context, seen))
        return replace(seen, extra=extra)

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Decide what the chosen certificate lacks."""
        chosen = chosen_certificate(seen.state, wanted.site, wanted.server, wanted.at)
        if wanted.planning and (chosen is None or due(chosen, wanted.site, wanted.at)):
            chosen = None
        elif chosen is None:
            return Decision(findings=(no_certificate(wanted, seen),))
        policy = wanted.site.policy.default_smtp_certificate
        new = chosen.thumbprint if chosen else THUMBPRINT
        choice = choose_default(seen.state, new, policy, seen.extra.default)
        items = _enabling(seen, chosen, new, choice, policy)
        following = _following(wanted, seen, chosen)
        connectors = _connectors(wanted, seen, following)
        name = chosen.tls_certificate_name if chosen else TLS_NAME
        naming = receive_items(connectors, seen.target, name) + sender_items(following.senders, seen.target, name)
        separate = internet_items(seen.state, wanted.server, seen.target)
        return Decision(
            Plan(items + naming + separate),
            _findings(items, choice, seen, chosen, policy)
            + (smtp_moves(seen.state, policy, wanted.server.all_names) if items else ())
            + outdated_findings(seen.state, (*following.receivers, *following.senders))
            + following.findings,
            {**_facts(seen, new, choice, policy, connectors), CERTIFICATE_NAME: name},
            _sentence(wanted, seen, new, policy),
            known_of(chosen),
        )

    def prove(self, before: Decision, after: Seen) -> tuple[Finding, ...]:
        """The default SMTP certificate is the one it should be, by a second reading."""
        if before.facts["default SMTP certificate shall"] != "stay":
            return ()
        put_back, found = str(before.facts["put back"]), str(before.facts["default SMTP certificate"])
        expected = found if put_back == "nothing" else put_back
        now = after.state.internal_transport_thumbprint
        target = f"server {after.state.name}"
        if now == expected:
            text = f"the default SMTP certificate was {found or 'none'} and is {now or 'none'}, read again afterwards"
            return (Finding("default-kept", Severity.INFO, text, "", target),)
        text = f"the default SMTP certificate should be {expected or 'none'} and is {now or 'none'}"
        todo = f"run the step again: it puts {expected} back"
        return (Finding("default-changed", Severity.ERROR, text, todo, target),)


def known_of(chosen: ExchangeCertificate | None) -> Known:
    """Give what the chosen certificate makes known of what was planned before it was there."""
    if chosen is None:
        return Known()
    values: dict[Later, str | bytes] = {THUMBPRINT: chosen.thumbprint, TLS_NAME: chosen.tls_certificate_name}
    return Known({**values, CERTIFICATE: chosen.raw} if chosen.raw else values)


def no_certificate(wanted: Wanted, seen: Seen) -> Finding:
    """Give the refusal for a server that has nothing to activate."""
    return Finding(
        "no-certificate",
        Severity.REFUSE,
        f"{seen.state.name} has no valid certificate of a CA with its key for {', '.join(wanted.server.all_names)}",
        "run the steps request and install first",
        f"server {seen.state.name}",
    )


def _enabling(
    seen: Seen, chosen: ExchangeCertificate | None, new: str | Later, choice: DefaultChoice, policy: str
) -> tuple[PlanItem, ...]:
    state, target = seen.state, seen.target
    enabled = chosen is not None and chosen.serves_smtp
    is_default = state.internal_transport_thumbprint == new
    if enabled and policy == "replace":
        return () if is_default else (enable_item(target, state, new, choice),)
    if enabled:
        return (put_back_item(target, state, new, choice),) if is_default and choice.keep else ()
    enabling = (enable_item(target, state, new, choice),)
    return (*enabling, put_back_item(target, state, new, choice)) if choice.keep else enabling


def _following(wanted: Wanted, seen: Seen, chosen: ExchangeCertificate | None) -> Followers:
    """Find the connectors that follow; a sender's send connectors are the business of the step connectors."""
    if not seen.target.knows("Set-ReceiveConnector", "TlsCertificateName"):
        return Followers()
    found = followers(wanted, seen, chosen, seen.extra.names)
    from_inside = seen.state.is_edge and seen.state.edge_subscribed
    return replace(found, senders=()) if from_inside or "send" in wanted.server.roles else found


def _connectors(wanted: Wanted, seen: Seen, following: Followers) -> tuple[ReceiveConnector, ...]:
    if not seen.target.knows("Set-ReceiveConnector", "TlsCertificateName"):
        return ()
    own = concerned(seen.state, wanted.server) if "receive" in wanted.server.roles else ()
    return tuple({connector.identity: connector for connector in (*own, *following.receivers)}.values())


def _findings(
    items: tuple[PlanItem, ...],
    choice: DefaultChoice,
    seen: Seen,
    chosen: ExchangeCertificate | None,
    policy: str,
) -> tuple[Finding, ...]:
    if items:
        return choice.findings
    if chosen and policy == "keep" and seen.state.internal_transport_thumbprint == chosen.thumbprint:
        text = f"{chosen.thumbprint} is the default SMTP certificate already, and this change never saw another one"
        return (Finding("default-is-this", Severity.INFO, text, "", f"server {seen.state.name}"),)
    return ()


def _facts(
    seen: Seen, new: str | Later, choice: DefaultChoice, policy: str, connectors: tuple[ReceiveConnector, ...]
) -> dict[str, object]:
    return {
        "thumbprint": new,
        "default SMTP certificate": seen.state.internal_transport_thumbprint,
        "default SMTP certificate shall": "stay" if policy == "keep" else "be replaced",
        "put back": choice.keep or "nothing",
        "receive connectors": [connector.identity for connector in connectors],
    }


def _sentence(wanted: Wanted, seen: Seen, new: str | Later, policy: str) -> str:
    default = "the default SMTP certificate is as before" if policy == "keep" else "it is the default SMTP certificate"
    shown = new if isinstance(new, str) else new.what
    return f"{wanted.server.name} uses {shown} for SMTP; {default} ({seen.state.internal_transport_thumbprint})"
