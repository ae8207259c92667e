"""Enabling SMTP without losing the default SMTP certificate.

``Enable-ExchangeCertificate -Force`` always makes the certificate the default one too. So keeping the old default takes
two calls back to back: enable the new one, enable the old one again. Services add up, so the new one keeps SMTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.command import Later
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.later import named
from tlsrunbook.plan.model import Change, Compensate, Irreversible, PlanItem, Reverse, Undo
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.old_exchange import keeps_one_smtp_certificate, one_smtp_refusal

_NOTE = "Exchange cannot take a service away: the certificate keeps SMTP until it is removed"

_REPLACED = 'write default_smtp_certificate = "keep" in the site file; a replacement needs the subscription made anew'
_REPLACED_2007 = (
    "Exchange 2007 has one certificate for SMTP, so that it moves whatever the site file says: remove the Edge "
    "Subscription, run this step, and subscribe anew"
)


@dataclass(frozen=True)
class DefaultChoice:
    """What is to become of the default SMTP certificate.

    Args:
        keep: Thumbprint to put back after another certificate was enabled; empty when nothing is put back.
        findings: Refusals, where it cannot be kept or must not be replaced.
    """

    keep: str
    findings: tuple[Finding, ...] = ()


def choose_default(state: ServerState, new: str | Later, policy: str, remembered: str) -> DefaultChoice:
    """Decide what becomes of the default SMTP certificate when ``new`` gets SMTP.

    Args:
        state: As observed.
        new: Thumbprint of the certificate that gets SMTP.
        policy: ``keep`` or ``replace`` of the site file.
        remembered: The default as this change first saw it; differs from the state's when a run was cut off half-way.
    """
    if policy == "replace":
        return DefaultChoice("", _replace_refusals(state))
    if keeps_one_smtp_certificate(state):
        return DefaultChoice("", one_smtp_refusal(state))
    old = state.internal_transport_thumbprint
    if old == new:
        old = remembered if remembered not in ("", new) else ""
        return DefaultChoice(old, _keep_refusals(state, old) if old else ())
    return DefaultChoice(old, _keep_refusals(state, old))


def _replace_refusals(state: ServerState) -> tuple[Finding, ...]:
    if not state.edge_subscribed:
        return ()
    return (
        Finding(
            "default-replace-with-edge-subscription",
            Severity.REFUSE,
            f"{state.name} has an Edge Subscription, which trusts exactly the present default SMTP certificate",
            _REPLACED_2007 if keeps_one_smtp_certificate(state) else _REPLACED,
            f"server {state.name}",
        ),
    )


def _keep_refusals(state: ServerState, old: str) -> tuple[Finding, ...]:
    certificate = state.certificate(old) if old else None
    if certificate and certificate.has_private_key is not False:
        return ()
    seen = "has no default SMTP certificate" if not old else f"names {old} as its default SMTP certificate, which "
    if old:
        seen += "has no private key there" if certificate else "is not in its store"
    return (
        Finding(
            "default-cannot-be-kept",
            Severity.REFUSE,
            f"{state.name} {seen}, so it could not be put back after the new one is enabled",
            'repair the default certificate first, or write default_smtp_certificate = "replace" in the site file',
            f"server {state.name}",
        ),
    )


def enable_item(target: Target, state: ServerState, new: str | Later, choice: DefaultChoice) -> PlanItem:
    """Give the item that enables SMTP on the new certificate."""
    changes = [Change(named("certificate", new), "Services", _services(state, new), ("SMTP",))]
    if not choice.keep:
        have = state.internal_transport_thumbprint or None
        changes.append(Change(f"server {state.name}", "default SMTP certificate", have, _shown(new)))
    return PlanItem(
        "Let the transport service use the certificate for STARTTLS",
        (cmdlets.enable_smtp(target, new),),
        tuple(changes),
        enable_undo(target, state),
    )


def put_back_item(target: Target, state: ServerState, new: str | Later, choice: DefaultChoice) -> PlanItem:
    """Give the item that makes the old default SMTP certificate the default again."""
    return PlanItem(
        "Put the default SMTP certificate back, which the call before has replaced",
        (cmdlets.enable_smtp(target, choice.keep),),
        (Change(f"server {state.name}", "default SMTP certificate", _shown(new), choice.keep),),
        Compensate((), "it is the default that was there before"),
        "the default SMTP certificate is another one until then: run the step again at once, which puts it back",
    )


def enable_undo(target: Target, state: ServerState) -> Undo:
    """Give the undo of enabling SMTP on another certificate."""
    old = state.internal_transport_thumbprint
    if not old or state.certificate(old) is None:
        return Irreversible(_NOTE)
    back = ((cmdlets.enable_smtp(target, old),),)
    # The one version on which services move: SMTP goes back whole.
    return Reverse(back) if keeps_one_smtp_certificate(state) else Compensate(back, _NOTE)


def _services(state: ServerState, thumbprint: str | Later) -> tuple[str, ...] | None:
    if isinstance(thumbprint, Later):
        return ()  # a certificate that was just imported has no service
    certificate = state.certificate(thumbprint)
    return tuple(sorted(certificate.services)) if certificate and certificate.services is not None else None


def _shown(thumbprint: str | Later) -> str | Later:
    return thumbprint
