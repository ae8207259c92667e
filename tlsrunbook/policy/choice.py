"""What Exchange takes by its own rules, beside what the wire shows: where they differ, that is the finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.plan.selection import Choice
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome

RULES = {
    "picks-none": "An Internet-facing receive connector finds a certificate for STARTTLS (event 12014)",
    "picks-another": "By Exchange's rules, an Internet-facing receive connector takes the activated certificate",
    "picks-expired": "The certificate that a receive connector takes is within its dates (event 12016)",
    "picks-self-signed": "The certificate that an Internet-facing receive connector takes is a CA's",
    "matching-without-smtp": "Every certificate that matches a receive connector has SMTP",
    "two-candidates": "One certificate alone matches a receive connector",
    "choice-untold": "Which certificate a receive connector takes can be told from what the server says",
    "wire-differs-from-choice": "The wire shows the certificate that Exchange takes by its rules",
}

#: What a dialogue says of TLS, when it says anything.
NOT_OFFERED, FAILED = "no STARTTLS", "the handshake fails"
_NO_TLS = frozenset({ProbeOutcome.STARTTLS_NOT_OFFERED, ProbeOutcome.STARTTLS_REFUSED})


def wire_shows(facts: ProbeFacts) -> str:
    """Give what a dialogue shows: a thumbprint, :data:`NOT_OFFERED`, :data:`FAILED`; empty when it tells nothing."""
    if facts.outcome in _NO_TLS:
        return NOT_OFFERED
    if facts.outcome is ProbeOutcome.HANDSHAKE_FAILED:
        return FAILED
    if facts.outcome is not ProbeOutcome.TLS or not facts.chain:
        return ""
    try:
        return certificate_facts(facts.chain[0]).thumbprint
    except BadCertificateFile:
        return ""


def should_show(choice: Choice) -> str:
    """Give what the wire should show by Exchange's rules, in the words of :func:`wire_shows`; empty when unknown."""
    if choice.offered is None or (choice.offered and choice.usable is None):
        return ""
    if not choice.offered:
        return NOT_OFFERED
    return choice.thumbprint if choice.usable else FAILED


def serving(facts: ProbeFacts, choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Give the choices of the connectors that may have answered: those of the EHLO name, else all."""
    named = tuple(choice for choice in choices if choice.answers == facts.ehlo_name)
    return named or tuple(choices)


def choice_rows(choices: Sequence[Choice], probes: Sequence[ProbeFacts]) -> list[dict[str, str]]:
    """Give one row per connector and endpoint: what it looks for, what it takes, and what the wire shows."""
    rows = []
    for choice in choices:
        seen = [facts for facts in probes if choice in serving(facts, choices)]
        for facts in seen or (None,):
            shows = wire_shows(facts) if facts else ""
            should = should_show(choice)
            agree = "unknown" if not shows or not should else "yes" if shows == should else "no"
            rows.append(
                {
                    "receive connector": choice.connector,
                    "looks for": choice.looked_for,
                    "should show": should or "unknown",
                    "endpoint": facts.endpoint if facts else "not probed",
                    "wire shows": shows or "nothing that tells",
                    "agree": agree,
                }
            )
    return rows


def judge_wire(choices: Sequence[Choice], probes: Iterable[ProbeFacts]) -> tuple[Finding, ...]:
    """Name the endpoints whose wire shows what none of the connectors there takes by Exchange's rules."""
    return tuple(finding for facts in probes for finding in _differs(facts, choices))


def _differs(facts: ProbeFacts, choices: Sequence[Choice]) -> Iterable[Finding]:
    shows, able = wire_shows(facts), serving(facts, choices)
    should = [should_show(choice) for choice in able]
    if not shows or not should or shows in should or "" in should:
        return
    wanted = "; ".join(
        f"{choice.connector} by {_looks_for(choice)}: {text}" for choice, text in zip(able, should, strict=True)
    )
    yield Finding(
        "wire-differs-from-choice",
        Severity.ERROR,
        f"{facts.endpoint} shows {shows}, and by Exchange's rules it should be: {wanted}",
        "restart MSExchangeTransport and MSExchangeFrontEndTransport, then look for another connector, server or "
        "TLS-terminating device behind this address",
        f"endpoint {facts.endpoint}",
    )


def _looks_for(choice: Choice) -> str:
    return choice.looked_for or "nothing"


def judge_choice(choice: Choice, activated: str) -> tuple[Finding, ...]:
    """Judge what one Internet-facing receive connector takes.

    Args:
        activated: Thumbprint of the certificate it should take; empty when there is none.
    """
    label = f"receive connector {choice.connector}"
    found = [*_pick(choice, activated, label), *_without_smtp(choice, label)]
    if len(choice.candidates) > 1:
        others = ", ".join(f"{c.thumbprint} (from {c.not_before:%Y-%m-%d})" for c in choice.candidates)
        text = f"{label}: {len(choice.candidates)} certificates match, in this order of preference: {others}"
        todo = "the step retire removes the old ones" if choice.thumbprint == activated else ""
        found.append(Finding("two-candidates", Severity.INFO, text, todo, label))
    return tuple(found)


def _pick(choice: Choice, activated: str, label: str) -> Iterable[Finding]:
    looked, picked = choice.looked_for, choice.picked
    if choice.offered is None:
        text = f"{label}: which certificate it takes for {looked} is unknown, as the server did not say enough"
        yield Finding("choice-untold", Severity.WARNING, text, "see the finding on that certificate", label)
    if picked is None:
        if "12014" in choice.events:
            text = f"{label} looks for {looked} and finds no certificate: event 12014, and STARTTLS is not offered"
            yield Finding("picks-none", Severity.ERROR, text, "run the step activate", label)
        return
    if choice.expired:
        text = (
            f"{label} takes {picked.thumbprint}, which is outside its dates: event 12016, senders that check refuse it"
        )
        yield Finding("picks-expired", Severity.ERROR, text, "run the steps request to activate", label)
    if choice.self_signed:
        text = f"{label} takes {picked.thumbprint}, which signed itself: there is no valid one of a CA for {looked}"
        yield Finding("picks-self-signed", Severity.ERROR, text, "run the steps request to activate", label)
    if activated and picked.thumbprint != activated:
        text = f"{label} looks for {looked} and takes {picked.thumbprint}, not the activated {activated}"
        todo = "run the step activate; if it has run, see the trace: a newer certificate of this name is there"
        yield Finding("picks-another", Severity.ERROR, text, todo, label)


def _without_smtp(choice: Choice, label: str) -> Iterable[Finding]:
    for one in choice.without_smtp:
        taken = one.thumbprint == choice.thumbprint
        harm = "it is taken all the same, and TLS fails" if taken else "it is passed over"
        severity = Severity.ERROR if taken or choice.picked is None else Severity.INFO
        yield Finding(
            "matching-without-smtp",
            severity,
            f"{label}: {one.thumbprint} matches {choice.looked_for} and has no SMTP; {harm}",
            "run the step activate, or remove it if nobody needs it" if severity is Severity.ERROR else "",
            label,
        )
