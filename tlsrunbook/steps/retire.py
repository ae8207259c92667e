"""Step 7, only when it is asked for: old certificates for the server's FQDN are removed by thumbprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem
from tlsrunbook.plan.selection import choices
from tlsrunbook.plan.target import chosen_certificate
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.retiring import Retirement, judge_retirement, judge_successor
from tlsrunbook.smtp.facts import ProbeFacts
from tlsrunbook.steps.activate import no_certificate
from tlsrunbook.steps.base import Step
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted
from tlsrunbook.steps.verify import handshake

_UNDO = Irreversible(
    "the private key goes with the certificate, and nobody can bring it back; its successor is in use and was verified"
)


@dataclass(frozen=True)
class RetireExtra:
    """What retire looks at besides the server.

    Args:
        probes: One dialogue per address of each endpoint, now.
        verified: Thumbprints that ``verify`` has seen on the wire, with where its record is.
    """

    probes: tuple[ProbeFacts, ...] = ()
    verified: Mapping[str, str] = field(default_factory=dict)


class Retire(Step):
    """Remove old certificates whose successor is proven, and that nothing uses any more."""

    id = "retire"
    number = 7
    slug = "retire-certificate"
    title = "Retire the old certificate"

    def observe(self, context: StepContext) -> Seen:
        """Read the server, do a handshake with every endpoint, and ask the evidence what verify has seen."""
        seen = super().observe(context)
        server = context.wanted.server
        endpoints = server.endpoints if "receive" in server.roles else ()
        probes = tuple(facts for endpoint in endpoints for facts in context.prober.probe(endpoint, server.fqdn))
        context.workspace.note("probed", {"probes": [handshake(facts) for facts in probes]})
        return replace(seen, extra=RetireExtra(probes, context.workspace.verified()))

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Decide which certificates go; refuse when the successor is not proven."""
        chosen = chosen_certificate(seen.state, wanted.site, wanted.server, wanted.at)
        if chosen is None:
            return Decision(findings=(no_certificate(wanted, seen),))
        taken = choices(seen.state, wanted.at, seen.store)
        retirement = judge_retirement(seen.state, wanted.server, chosen, taken)
        extra: RetireExtra = seen.extra
        proof = judge_successor(chosen, wanted.server, extra.verified, extra.probes) if retirement.going else ()
        facts = {
            "successor": chosen.thumbprint,
            "verified by": extra.verified.get(chosen.thumbprint, ""),
            "endpoints": [handshake(probe) for probe in extra.probes],
            "to remove": [old.thumbprint for old in retirement.going],
        }
        return Decision(
            Plan(tuple(_item(seen, old) for old in retirement.going)),
            proof + retirement.staying,
            facts,
            _sentence(wanted, chosen, retirement),
        )

    def prove(self, before: Decision, after: Seen) -> tuple[Finding, ...]:
        """The successor is on the wire as before, and what was removed is not listed any more."""
        successor = str(before.facts["successor"])
        listed = {certificate.thumbprint for certificate in after.state.certificates}
        left = [thumbprint for thumbprint in before.facts["to remove"] if thumbprint in listed]
        gone = tuple(
            Finding(
                "still-listed", Severity.ERROR, f"{one} is still listed", "run the step again", f"certificate {one}"
            )
            for one in left
        )
        shown = [handshake(probe) for probe in after.extra.probes]
        return gone + tuple(
            Finding(
                "successor-not-shown",
                Severity.ERROR,
                f"{row['endpoint']} showed {successor} before, and shows {row.get('thumbprint', row['result'])} now",
                "run the step verify",
                f"endpoint {row['endpoint']}",
            )
            for row in shown
            if row.get("thumbprint") != successor
        )


def _item(seen: Seen, old: ExchangeCertificate) -> PlanItem:
    target = f"certificate {old.thumbprint}"
    return PlanItem(
        "Remove the old certificate: its successor is in use and was verified, and nothing else uses it",
        (cmdlets.remove_certificate(seen.target, old.thumbprint),),
        (
            Change(target, "installed", old.subject or old.tls_certificate_name or "yes", None),
            Change(target, "valid until", str(old.not_after.date()), None),
        ),
        _UNDO,
    )


def _sentence(wanted: Wanted, chosen: ExchangeCertificate, retirement: Retirement) -> str:
    staying = len({finding.target for finding in retirement.staying})
    kept = f"; {staying} other(s) stay, each for its reason" if staying else ""
    return (
        f"{wanted.server.name} uses {chosen.thumbprint} for {wanted.server.fqdn}, and no old one is to be removed{kept}"
    )
