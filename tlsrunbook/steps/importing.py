"""What belongs around an import: the CA's intermediates before it, and SMTP with it where it goes live at once."""

from __future__ import annotations

from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.activation import DefaultChoice, enable_undo, put_back_item
from tlsrunbook.plan.later import INTERMEDIATE, INTERMEDIATE_SUBJECT, INTERMEDIATE_THUMBPRINT, named
from tlsrunbook.plan.model import Change, Compensate, Irreversible, PlanItem, Reverse
from tlsrunbook.steps.model import Seen


def intermediate_item(seen: Seen, der: bytes) -> PlanItem:
    """Give the item that puts an intermediate into the server's store."""
    facts = certificate_facts(der)
    return _intermediate(seen, der, facts.thumbprint, facts.subject)


def later_intermediate(seen: Seen) -> PlanItem:
    """Give the item that stands for all intermediates while the certificate is not issued yet."""
    return _intermediate(seen, INTERMEDIATE, INTERMEDIATE_THUMBPRINT, INTERMEDIATE_SUBJECT)


def _intermediate(seen: Seen, der: bytes | Later, thumbprint: str | Later, subject: str | Later) -> PlanItem:
    return PlanItem(
        "Give the server the CA's intermediate, so that it sends a complete chain",
        (cmdlets.add_store_certificate(seen.target, der),),
        (Change(named("intermediate certificate", thumbprint), "installed", None, subject),),
        Reverse(((cmdlets.remove_store_certificate(seen.target, thumbprint),),)),
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
    thumbprint: str | Later,
    choice: DefaultChoice,
) -> tuple[PlanItem, ...]:
    """Give the items for a certificate that goes live when it is imported: import and enable travel as one pipeline."""
    undo = enable_undo(seen.target, seen.state)
    if not isinstance(undo, Irreversible):  # the certificate stays installed, also where SMTP goes back whole (2007)
        # The newest of this issuer and subject is used, so the one before is used again when this one is gone.
        note = "send connectors with its TLS certificate name let go of it for the removal; the step rollback does that"
        undo = Compensate((*undo.pipelines, (cmdlets.remove_certificate(seen.target, thumbprint),)), note)
    item = PlanItem(
        "Import and enable in one pipeline: a certificate with this issuer and subject is in use, so the new one goes "
        "live when it is imported",
        (bring, cmdlets.enable_smtp_piped(seen.target)),
        (*changes, Change(named("certificate", thumbprint), "Services", None, ("SMTP",))),
        undo,
    )
    return (item, put_back_item(seen.target, seen.state, thumbprint, choice)) if choice.keep else (item,)
