"""Going back: what a recorded change altered is put back from its before-state, last step first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tlsrunbook.exchange.command import Pipeline
from tlsrunbook.exchange.decode import thumbprint_of
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.plan.goback import (
    Ground,
    Stays,
    connectors_back,
    default_back,
    requests_back,
    services_stay,
    unknown_commands,
)
from tlsrunbook.plan.history import History, Tried
from tlsrunbook.plan.journal import altered_since, journal
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem
from tlsrunbook.plan.removal import certificates_back, intermediates_back, outlook
from tlsrunbook.plan.things import CERTIFICATE, RECEIVE, SEND, things
from tlsrunbook.plan.touched import touches, visible
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.preflight import preflight, preflight_all
from tlsrunbook.policy.tls_names import certificates_named
from tlsrunbook.steps.base import Step, pipelines
from tlsrunbook.steps.model import Decision, Seen, StepContext, Wanted

_REMOVE = "Remove-ExchangeCertificate"


class Rollback(Step):
    """Undo a change on one server. Its desired state is on record, not in the site file."""

    id = "rollback"
    number = 8
    slug = "rollback"
    title = "Go back to the state before the change"
    needs_approval = False  # the way back stands in the plan that was approved, and waits for nobody at night

    @property
    def notebook(self) -> str:
        """File name of its notebook: it has no place in the order of the steps."""
        return "rollback.ipynb"

    def observe(self, context: StepContext) -> Seen:
        """Read the server, and what this change did on it."""
        return replace(super().observe(context), extra=context.workspace.history())

    def decide(self, wanted: Wanted, seen: Seen) -> Decision:
        """Compare the server with how the change left it and with how it was before."""
        history: History = seen.extra
        first = history.first
        if first is None:
            return _nothing_sent(wanted, history)
        now = things(seen.state)
        entries = journal(history, seen.state)
        altered = tuple(change for entry in entries for change in altered_since(entry, now))
        items, stays = _way_back(Ground(entries, seen.state, first, seen.target, _store(seen)))
        stays += _submissions(history)
        findings = (
            *(_changed_since(change) for change in altered),
            *_unanswered(history, seen.state.name),
            *(_irreversible(one) for one in stays),
            *_goes_with_key(items),
            *_expired(wanted, seen, items),
        )
        facts = {
            "change": history.change,
            **({"changed by somebody since": [_row(change) for change in altered]} if altered else {}),
            "not undone": _not_undone(stays),
            "what the change sent": [row for tried in history.tries for row in _sent(tried, seen.state)],
        }
        return Decision(Plan(tuple(items)), findings, facts, _sentence(wanted, history, stays))

    def preflight(self, decision: Decision, seen: Seen) -> tuple[Finding, ...]:
        """Judge the way back; what a connector was before is told and not refused, as Exchange had it so."""
        history: History = seen.extra
        found = preflight_all(pipelines(decision.plan), seen.state)
        return tuple(_tolerated(one, decision.plan, history.first) for one in found)


def _nothing_sent(wanted: Wanted, history: History) -> Decision:
    stays = _submissions(history)
    return Decision(
        findings=tuple(_irreversible(one) for one in stays),
        facts={"change": history.change, "not undone": _not_undone(stays)},
        summary=f"the change {history.change} altered nothing on {wanted.server.name}",
    )


def _not_undone(stays: Iterable[Stays]) -> list[dict[str, str]]:
    return [{"what": one.thing, "why": one.irreversible.reason} for one in stays]


def _way_back(ground: Ground) -> tuple[list[PlanItem], list[Stays]]:
    sending, sending_stays = connectors_back(ground, SEND)
    receiving, receiving_stays = connectors_back(ground, RECEIVE)
    default, default_stays = default_back(ground)
    becomes = str(default[0].changes[0].want) if default else ground.present.internal_transport_thumbprint
    certificates, certificate_stays = certificates_back(ground, outlook(ground, becomes))
    removed = frozenset(
        str(command.get("Thumbprint"))
        for item in certificates
        for command in _commands(item)
        if command.name == _REMOVE
    )
    intermediates, intermediate_stays = intermediates_back(ground, removed)
    requests, request_stays = requests_back(ground)
    items = [*sending, *receiving, *default, *certificates, *intermediates, *requests]
    stays = [*sending_stays, *receiving_stays, *default_stays, *certificate_stays]
    stays += [*services_stay(ground), *intermediate_stays, *request_stays, *unknown_commands(ground)]
    return items, stays


def _commands(item: PlanItem) -> Pipeline:
    return item.does if isinstance(item.does, tuple) else ()


def _store(seen: Seen) -> dict[str, bytes]:
    return {thumbprint_of(der): der for der in seen.store}


def _submissions(history: History) -> list[Stays]:
    why = "the authority has the CSR and may have issued a certificate: ask it to drop the order or to revoke"
    return [
        Stays("the CSR that was handed over", Irreversible(f"{why} ({receipt})"))
        for tried in history.tries
        for receipt in tried.submitted
    ]


def _changed_since(change: Change) -> Finding:
    return Finding(
        "changed-since",
        Severity.REFUSE,
        f"{change.target}: the change left {change.property} as {_text(change.have)}, and it is {_text(change.want)} "
        "now: somebody else has changed it since",
        "find out who and why; set it as the change left it and run the rollback again, or go back by hand with the "
        "commands of this plan",
        change.target,
    )


def _row(change: Change) -> dict[str, object]:
    return {
        "what": change.target,
        "property": change.property,
        "as the change left it": change.have,
        "as it is now": change.want,
    }


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "empty"
    return str(value) if value is not None else "empty"


def _unanswered(history: History, server: str) -> Iterable[Finding]:
    for tried in history.tries:
        for sent in tried.sent if tried.step != Rollback.id else ():
            if sent.answer == "unknown":
                name = " | ".join(command.name for command in sent.pipeline)
                text = (
                    f"{tried.step}, attempt {tried.number}: {name} was sent and not answered; the server was looked at "
                    "first, and only what is there of it is undone"
                )
                yield Finding("unanswered", Severity.INFO, text, "", f"server {server}")


def _irreversible(one: Stays) -> Finding:
    text = f"not undone: {one.thing}: {one.irreversible.reason}"
    return Finding("irreversible", Severity.WARNING, text, "", one.thing)


def _goes_with_key(items: Iterable[PlanItem]) -> Iterable[Finding]:
    for item in items:
        for command in _commands(item):
            if command.name == _REMOVE and item.changes[0].target.startswith(CERTIFICATE):
                text = f"{item.changes[0].target} goes for good, and its private key with it"
                todo = "nothing, if that is what you want: going forward again takes a new request to the CA"
                yield Finding("private-key-goes", Severity.WARNING, text, todo, item.changes[0].target)


def _expired(wanted: Wanted, seen: Seen, items: Iterable[PlanItem]) -> Iterable[Finding]:
    for item in items:
        for change in item.changes:
            if change.property != "TlsCertificateName" or not isinstance(change.want, str):
                continue
            found = certificates_named(seen.state, change.want)
            if found and all(one.not_after <= wanted.at for one in found):
                text = f"{change.target} goes back to {change.want}, which expired on {found[0].not_after:%Y-%m-%d}"
                todo = "going back brings an expired certificate back: consider going forward with a new one"
                yield Finding("back-to-expired", Severity.WARNING, text, todo, change.target)


def _tolerated(found: Finding, plan: Plan, first: ServerState | None) -> Finding:
    """Turn a refusal into a warning where the state before the change had the very same fault."""
    if found.severity is not Severity.REFUSE or first is None:
        return found
    former = {
        (one.rule, one.target)
        for pipeline in pipelines(plan)
        if all(command.name.startswith("Set-") for command in pipeline)
        for one in preflight(pipeline, first)
    }
    if (found.rule, found.target) not in former:
        return found
    return replace(found, severity=Severity.WARNING, message=f"as before the change: {found.message}")


def _sent(tried: Tried, now: ServerState) -> Iterable[dict[str, object]]:
    """Give what an attempt of the change sent, and for a command that was not answered what can be seen of it."""
    if tried.step == Rollback.id or tried.before is None:
        return
    for sent in tried.sent:
        found = touches(sent.pipeline, tried.before, tried.after or now)
        answer = sent.answer
        if answer == "unknown":
            seen = any(visible(touch, tried.before, now) for touch in found)
            answer = f"none; its effect is {'there' if seen else 'not there'}"
        yield {
            "step": tried.step,
            "attempt": tried.number,
            "sent": " | ".join(command.name for command in sent.pipeline),
            "about": ", ".join(touch.thing.name for touch in found),
            "answer": answer,
        }


def _sentence(wanted: Wanted, history: History, stays: list[Stays]) -> str:
    left = "" if not stays else f", but for {len(stays)} thing{'s' if len(stays) > 1 else ''} named under not undone"
    return f"{wanted.server.name} is as it was before the change {history.change}{left}"
