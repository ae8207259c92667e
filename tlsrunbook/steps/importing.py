"""What belongs around an import: the CA's intermediates before it, and SMTP with it where it goes live at once."""

from __future__ import annotations

from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts
from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.command import Command
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.activation import DefaultChoice, enable_undo, put_back_item
from tlsrunbook.plan.model import Change, Compensate, Irreversible, PlanItem, Reverse
from tlsrunbook.steps.model import Seen


def intermediate_item(seen: Seen, der: bytes) -> PlanItem:
    """Give the item that puts an intermediate into the server's store."""
    facts = certificate_facts(der)
    return PlanItem(
        "Give the server the CA's intermediate, so that it sends a complete chain",
        (cmdlets.add_store_certificate(seen.target, der),),
        (Change("intermediate certificates", facts.thumbprint, None, facts.subject),),
        Reverse(((cmdlets.remove_store_certificate(seen.target, facts.thumbprint),),)),
    )


def same_name_installed(state: ServerState, der: bytes) -> bool:
    """Whether a certificate of the same issuer and subject is there: then the import goes live at once."""
    new = certificate_facts(der)
    installed = (certificate_facts(c.raw) for c in state.certificates if c.raw and not c.pending)
    return any((old.issuer, old.subject) == (new.issuer, new.subject) for old in installed)


def live_at_once(
    seen: Seen,
    bring: Command,
    changes: tuple[Change, ...],
    leaf: CertificateFacts,
    choice: DefaultChoice,
) -> tuple[PlanItem, ...]:
    """Give the items for a certificate that goes live when it is imported: import and enable travel as one pipeline."""
    undo = enable_undo(seen.target, seen.state)
    if not isinstance(undo, Irreversible):  # the certificate stays installed, also where SMTP goes back whole (2007)
        note = "the certificate of the same issuer and subject is the one before it"
        undo = Compensate(undo.pipelines, note)
    item = PlanItem(
        "Import and enable in one pipeline: a certificate with this issuer and subject is in use, so the new one goes "
        "live when it is imported",
        (bring, cmdlets.enable_smtp_piped(seen.target)),
        (*changes, Change(f"certificate {leaf.thumbprint}", "Services", None, ("SMTP",))),
        undo,
    )
    return (item, put_back_item(seen.target, seen.state, leaf.thumbprint, choice)) if choice.keep else (item,)
