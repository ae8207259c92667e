"""The sections of a report; see :mod:`tlsrunbook.evidence.report`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from tlsrunbook.evidence.display import planned_text, shown
from tlsrunbook.evidence.page import table
from tlsrunbook.evidence.record import Record, SentCommand
from tlsrunbook.evidence.report_facts import (
    ChangeReport,
    Executed,
    anchor,
    applied,
    code,
    place,
    second,
    tile,
    tried,
    what_to_do,
)

Last = Mapping[tuple[str, str], Record]

_SEVERITIES = {"refuse": ("⊘", "wait"), "error": ("✗", "bad"), "warning": ("!", "wait"), "info": ("i", "quiet")}
#: The step that goes back.
ROLLBACK = "rollback"


def seen_outside(last: Last) -> str:
    """Say in one sentence how many endpoints show what they shall; empty before a change, and after a rollback."""
    looked = [
        (record, row)
        for (_, step), record in last.items()
        if step == "verify" and record.mode == "apply"
        for row in _endpoints(record)
    ]
    if not looked or any(step == ROLLBACK for _, step in last):
        return ""
    good = sum(1 for record, row in looked if row.get("thumbprint") and row["thumbprint"] == _activated(record))
    return f"From outside, {good} of {len(looked)} endpoints show the activated certificate. "


def _endpoints(record: Record) -> Sequence[Mapping[str, Any]]:
    return list(record.facts.get("endpoints", ()))


def _activated(record: Record) -> str:
    return str(record.facts.get("activated", ""))


def handshakes(last: Last) -> str:
    """Give what each endpoint showed when it was last looked at from outside."""
    rows = []
    for (server, step), record in last.items():
        if step != "verify":
            continue
        back = last.get((server, ROLLBACK))
        old = "<br>before the rollback" if back and applied(back) and back.started > record.started else ""
        rows += [_handshake(record, row, old) for row in _endpoints(record)]
    heads = ("server", "endpoint", "handshake", "certificate shown", "valid until", "when")
    return table(heads, rows, tight=(0, 4), empty="no handshake was recorded yet")


def _handshake(record: Record, row: Mapping[str, Any], old: str) -> tuple[str, ...]:
    endpoint, address = str(row.get("endpoint", "")), str(row.get("address", ""))
    where = f"{endpoint} ({address})" if address and address != endpoint else endpoint
    seen, right = str(row.get("thumbprint", "")), _activated(record)
    if not seen:
        certificate = escape(str(row.get("detail") or "none"))
    else:
        words, kind = ("✓ the one that was activated", "ok") if seen == right else ("✗ another one", "bad")
        if record.mode == "plan":
            words, kind = "seen when it was planned", "quiet"
        issuer = f"<br>{escape(str(row.get('issuer', '')))}"
        certificate = f'{code(seen)}<br><span class="status {kind}">{words}</span>{issuer}'
    result = f"{row.get('result', '')} {row.get('protocol', '')}"
    until = escape(str(row.get("valid until", "-"))[:10])
    when = escape(second(record.finished)) + old
    return (f"<strong>{escape(record.server)}</strong>", escape(where), escape(result), certificate, until, when)


def changes(report: ChangeReport) -> str:
    """Give everything that was or would be changed, before and after."""
    counted = tried(report.records)
    verb = "What was changed" if any(applied(record) for record in counted) else "What would be changed"
    parts, named = [], set[str]()
    for record in sorted(counted, key=lambda one: (one.server, one.started)):
        title = f"{record.server}: {report.titles.get(record.step, record.step)}"
        own = anchor(record.server, record.step)
        mark = "" if own in named else f' id="{own}"'
        named.add(own)
        more = f", attempt {record.attempt}" if record.attempt > 1 else ""
        parts.append(f"<h3{mark}>{escape(title + more)} {tile(record.status)}</h3>")
        parts.append(table(("what", "property", "before", "after"), _changed(record), tight=(1,)))
    return f"<h2>{verb}</h2>" + ("".join(parts) or '<p class="quiet">nothing</p>')


def _changed(record: Record) -> Iterator[tuple[str, ...]]:
    """Give a row per property; what it belongs to is named once."""
    above = None
    for item in record.plan["items"]:
        for one in item["changes"]:
            target = "" if one["target"] == above else escape(one["target"])
            above = one["target"]
            yield target, escape(one["property"]), escape(shown(one["have"])), escape(shown(one["want"]))


def findings(last: Last) -> str:
    """Give each finding of the last attempts, the grave ones first."""
    order = list(_SEVERITIES)
    found = [(record, one) for record in last.values() for one in record.findings]
    rows = []
    for record, one in sorted(found, key=lambda pair: order.index(pair[1]["severity"])):
        sign, kind = _SEVERITIES[one["severity"]]
        word = f'<span class="status {kind}">{sign} {escape(one["severity"])}</span>'
        target = f"{escape(one['target'])}: " if one.get("target") else ""
        rows.append(
            (word, place(record), escape(one["rule"]), target + escape(one["message"]) + what_to_do(one["todo"]))
        )
    return table(("", "where", "rule", "what was seen"), rows, tight=(0, 1))


def commands(report: ChangeReport) -> str:
    """Give the PowerShell text of everything that was sent and changes anything; else of what would be sent."""
    rows = [
        (place(record), f"<pre>{escape(one.text)}</pre>{_messages(one.messages)}", _answer(one))
        for record in report.records
        for one in record.commands
        if one.changes
    ]
    if rows:
        return "<h2>PowerShell that was sent</h2>" + table(
            ("where", "sent", "when, and the answer"), rows, tight=(0, 2)
        )
    planned = [
        (place(record), f"<pre>{escape(text)}</pre>")
        for record in tried(report.records)
        for text in planned_text(record)
    ]
    title = "<h2>PowerShell that would be sent</h2>" if planned else "<h2>PowerShell that was sent</h2>"
    return title + table(
        ("where", "would be sent"), planned, tight=(0,), empty="nothing was sent that changes anything"
    )


def _messages(messages: Sequence[str]) -> str:
    return f"<p>{escape('; '.join(messages))}</p>" if messages else ""


def _answer(command: SentCommand) -> str:
    words = {"ok": ("✓ done", "ok"), "error": ("✗ error", "bad"), "unknown": ("? no answer", "odd")}
    word, kind = words.get(command.outcome, (command.outcome, "quiet"))
    mark = f'<span class="status {kind}">{escape(word)}</span>'
    return f"{escape(second(command.started))}<br>{mark} after {command.seconds:.1f} s"


def undo(report: ChangeReport) -> str:
    """Give how each change is undone, and whether that was done."""
    rows = []
    for record in tried(one for one in report.records if one.step != ROLLBACK):
        for item in record.plan["items"]:
            own = item["undo"]
            text = escape(str(own.get("reason") or own.get("note") or ""))
            lines = (" | ".join(one["text"] for one in pipeline) for pipeline in own.get("pipelines", ()))
            how = (f"<p>{text}</p>" if text else "") + "".join(f"<pre>{escape(line)}</pre>" for line in lines)
            rows.append((place(record), escape(item["why"]), escape(_KINDS.get(own["kind"], own["kind"])), how))
    servers = ", ".join(went_back(report.records))
    used = f"<strong>It was used on {escape(servers)}.</strong>" if servers else "It was not used."
    how = f"tlsrunbook rollback SITE --change {report.change}"
    told = f'<p class="note">{used} The way back: {code(how)}</p>' if rows else ""
    return told + table(("where", "what", "undo", "how"), rows, tight=(0,), empty="nothing to undo")


_KINDS = {"reverse": "put back", "compensate": "put back in effect", "irreversible": "not possible"}


def went_back(records: Iterable[Record]) -> list[str]:
    """Give the servers on which the back-out plan was used."""
    back = (record for record in records if record.step == ROLLBACK and applied(record) and record.plan.get("items"))
    return list(dict.fromkeys(record.server for record in back))


def way_back(report: ChangeReport) -> str:
    """Say in one sentence what of the change can be taken back."""
    kinds = {
        item["undo"]["kind"]
        for record in tried(one for one in report.records if one.step != ROLLBACK)
        for item in record.plan["items"]
    }
    if not kinds:
        return "there is nothing to take back"
    if "irreversible" in kinds:
        return "yes, but for what the back-out plan names as not possible"
    return "yes, in effect; see the back-out plan" if "compensate" in kinds else "yes, all of it"


def approvals(report: ChangeReport) -> str:
    """Give what was planned, who approved it, and which steps were applied under that."""
    plans = [
        (
            f"plan {escape(str(one['number']))}",
            escape(second(str(one.get("made", "-")))),
            escape(str(one.get("by", "-"))),
            _or_wrong(one),
        )
        for one in report.plans
    ]
    rows = []
    for one in report.approvals:
        used = dict.fromkeys(
            f"{record.server} / {record.step}"
            for record in report.records
            if applied(record) and record.approval and _same(record.approval, one)
        )
        times = f"{escape(second(one.get('at', '-')))}<br>until {escape(second(one.get('expires', '-')))}"
        under = escape(", ".join(used) or "nothing")
        by = f"<strong>{escape(one.get('by', '-'))}</strong><br>{code(one.get('keyid', ''))}"
        rows.append((by, times, f"plan {escape(one.get('plan', '-'))}<br>{_or_wrong(one)}", under))
    first = table(("plan", "made", "by", "digest"), plans, tight=(0,), empty="no plan was left; see the records")
    heads = ("approved by, with the key", "when", "what", "applied under it")
    note = (
        '<p class="quiet">A signature is checked, against the keys that the site file lists, whenever a step '
        "is about to be applied under it.</p>"
    )
    return first + table(heads, rows, empty="no approval was given") + (note if rows else "")


def _same(counted: Mapping[str, str], filed: Mapping[str, str]) -> bool:
    return all(counted.get(key) == filed.get(key) for key in ("by", "at", "digest"))


def _or_wrong(one: Mapping[str, Any]) -> str:
    wrong = one.get("wrong", "")
    return f'<span class="status bad">✗ {escape(str(wrong))}</span>' if wrong else code(one.get("digest", "-"))


def seals(report: ChangeReport) -> str:
    """Give the seals over this change so far."""
    rows = [
        (
            escape(str(one.get("number", ""))),
            escape(str(one.get("what", ""))),
            escape(str(one.get("outcome", ""))),
            escape(second(str(one.get("sealed", "")))),
            f"{code(one.get('digest', ''))}<br>key {code(one.get('keyid', ''))}",
        )
        for one in report.seals
    ]
    note = (
        '<p class="quiet">The seal that covers this report is made right after it, and so is not in this list. '
        "The file VERIFY.md in an export says how to check all of them without this program.</p>"
    )
    return table(("seal", "of", "outcome", "when", "digest"), rows, empty="none before this report") + note


def attempts(report: ChangeReport) -> str:
    """Give every attempt, those that only planned and those that failed too."""
    rows = list(_attempts(report))
    for server, step, number in report.unrecorded:
        name = f"<strong>{escape(server)}</strong> / {escape(step)}"
        word, how = (
            '<span class="status tile odd">? no record</span>',
            "it was ended before it could write one, or is at work",
        )
        if report.at_work:
            word, how = '<span class="status tile plan">▸ at work</span>', "it has not ended yet"
        rows.append((name, str(number), "-", "-", word, how, "-"))
    heads = ("where", "try", "mode", "started, by", "", "how it ended", "notebook")
    return table(heads, rows, tight=(0, 4, 6))


def _attempts(report: ChangeReport) -> Iterator[tuple[str, ...]]:
    for record in report.records:
        executed = report.notebooks.get((record.server, record.step, record.attempt), Executed())
        link = f'<a href="{escape(executed.page)}">as a page</a>' if executed.page else "-"
        who = f"{record.who.get('user', '-')} on {record.who.get('host', '-')}"
        who += f", asked by {record.who['asked_by']}" if record.who.get("asked_by") else ""
        told = not executed.ended_by or record.summary in executed.ended_by  # the step's own stop is no news
        early = "" if told else f"; its notebook ended early: {executed.ended_by}"
        started = f"{escape(second(record.started))}<br>{escape(who)}"
        ended = escape(record.summary + early)
        yield place(record), str(record.attempt), escape(record.mode), started, tile(record.status), ended, link


_TOOLS = {"package": "tlsrunbook", "python": "Python"}


def made_with(report: ChangeReport) -> str:
    """Give the program's versions, and the digests of the notebooks that were executed."""
    tools = dict.fromkeys(
        ", ".join(f"{_TOOLS.get(name, name)} {version}" for name, version in one.tool.items()) for one in report.records
    )
    sources = dict.fromkeys((one.source, one.sha256) for one in report.notebooks.values() if one.sha256)
    rows = [(escape(name), code(sha256)) for name, sha256 in sorted(sources)]
    told = "".join(f"<p>{escape(tool)}</p>" for tool in tools)
    return told + table(
        ("notebook", "SHA-256 of its source, as it was executed"), rows, empty="no notebook was executed"
    )
