"""Whether what a step is about to do is what was approved. Plans are data here, as ``evidence.record.plan_data`` gives.

The rule:

1. *Resolve.* In the approved plan, every Later value that is known now is replaced by what it turned out to be; an item
   about each intermediate becomes one item per intermediate. Where a Later value turned out to be there already
   (``have`` equals ``want``), its change goes, with the parameter of that name in the item's commands and undo; an item
   without changes goes.
2. *Match.* Each item of the present plan equals one of the resolved ones: commands with all parameters, changes with
   ``have`` and ``want``, and undo; in the approved order, none twice. Items may be missing (the server is right there
   already), none may be added. Sentences for people do not count.

Where a Later value of the certificate to be issued stands for something, that certificate's key has to be one of this
change's own requests; so has a CSR's that is handed over.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.exchange.command import Later
from tlsrunbook.plan.later import CERTIFICATE, CSR, EACH, ISSUED, Known, placeholder

Item: TypeAlias = Mapping[str, Any]
_NOTHING = "nothing"


@dataclass(frozen=True)
class Difference:
    """One way in which the present plan is not the approved one.

    Args:
        target: What it is about.
        property: Which of its properties; ``command``, ``undo``, ``order`` or ``key`` where no property differs.
        approved: What was approved, for people.
        present: What would be done, for people.
    """

    target: str
    property: str
    approved: str
    present: str

    def __str__(self) -> str:
        return f"{self.target}: {self.property}: approved: {self.approved}; now: {self.present}"


def differences(
    approved: Mapping[str, Any], now: Mapping[str, Any], known: Known, keys: Collection[str]
) -> tuple[Difference, ...]:
    """Compare what a step is about to do with what was approved for it.

    Args:
        approved: The approved plan of this step on this server.
        now: The plan it has made just now.
        known: What the approved plan's Later values turned out to be.
        keys: SHA-256 of the public keys of this change's own requests on this server.

    Returns:
        Empty when it may be applied.
    """
    items = list(now["items"])
    if not items:
        return ()
    foreign = _foreign_keys(approved, items, known, keys)
    expected = resolved(approved["items"], known)
    pairs, place = [], 0
    for item in items:
        at = next((i for i in range(place, len(expected)) if _core(expected[i]) == _core(item)), None)
        pairs.append(at)
        place = place if at is None else at + 1
    unused = [one for i, one in enumerate(expected) if i not in pairs]
    return foreign + tuple(
        difference
        for item, at in zip(items, pairs, strict=True)
        if at is None
        for difference in _told(item, expected, unused)
    )


def resolved(items: Sequence[Item], known: Known) -> tuple[dict[str, Any], ...]:
    """Give the approved items with everything in them that is known by now."""
    values = _as_data(known.values)
    found = []
    for item in items:
        if _laters(item) & {later.what for later in EACH}:
            found += [_resolved(item, values | _as_data(one)) for one in known.intermediates]
        else:
            found.append(_resolved(item, values))
    return tuple(item for item in found if item["changes"])


def _resolved(item: Item, values: Mapping[str, Any]) -> dict[str, Any]:
    changes, right = [], set()
    for change in item["changes"]:
        new = {**_put(change, values), "target": _put_into(change["target"], values)}
        if _is_later(change["want"]) and new["have"] == new["want"]:
            right.add(new["property"])
        else:
            changes.append(new)
    undo = dict(item["undo"])
    if "pipelines" in undo:
        undo["pipelines"] = [_without(_put(pipeline, values), right) for pipeline in undo["pipelines"]]
    does = _put(item["does"], values)
    return {**item, "does": _without(does, right), "changes": changes, "undo": undo}


def _without(does: Any, parameters: Collection[str]) -> Any:
    if not isinstance(does, list):
        return does
    return [{**one, "parameters": [pair for pair in one["parameters"] if pair[0] not in parameters]} for one in does]


def _put(data: Any, values: Mapping[str, Any]) -> Any:
    if _is_later(data):
        return values.get(data["later"], data)
    if isinstance(data, Mapping):
        return {key: _put(value, values) for key, value in data.items()}
    return [_put(value, values) for value in data] if isinstance(data, list) else data


def _put_into(text: str, values: Mapping[str, Any]) -> str:
    for what, value in values.items():
        if isinstance(value, str):
            text = text.replace(placeholder(Later(what)), value)
    return text


def _is_later(data: Any) -> bool:
    return isinstance(data, Mapping) and data.keys() == {"later"}


def _as_data(values: Mapping[Later, str | bytes]) -> dict[str, Any]:
    return {
        later.what: value if isinstance(value, str) else {"base64": base64.b64encode(value).decode("ascii")}
        for later, value in values.items()
    }


def _laters(data: Any) -> set[str]:
    """Give what the Later values in some data are."""
    if _is_later(data):
        return {data["later"]}
    parts = data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ()
    return {what for part in parts for what in _laters(part)}


def _foreign_keys(
    approved: Mapping[str, Any], items: Sequence[Item], known: Known, keys: Collection[str]
) -> tuple[Difference, ...]:
    """Tell where a Later value stands for something that does not come from this change's own request."""
    planned = _laters(approved["items"])
    found = []
    if planned & {later.what for later in ISSUED} and _key_of(known.values.get(CERTIFICATE)) not in keys:
        found.append(("the certificate", "one for the key of this change's request", "one for another key"))
    submits = [item["does"]["csr"] for item in items if isinstance(item["does"], Mapping)]
    if CSR.what in planned and any(isinstance(csr, str) and _key_of(csr) not in keys for csr in submits):
        found.append(("the CSR", "the one this change makes", "one that was there before, or that others made"))
    return tuple(Difference(target, "key", *texts) for target, *texts in found)


def _key_of(value: str | bytes | None) -> str:
    try:
        if isinstance(value, bytes):
            return certificate_facts(value).spki_sha256
        return read_csr(value).spki_sha256 if value else ""
    except BadCertificateFile:
        return ""


def _core(item: Item) -> str:
    """Give what of an item counts, as JSON (where 1 is not true): no sentence, no PowerShell text (it follows)."""
    undo = item["undo"]
    pipelines = [_calls(pipeline) for pipeline in undo.get("pipelines", ())]
    return json.dumps([_calls(item["does"]), list(item["changes"]), undo["kind"], pipelines], sort_keys=True)


def _calls(does: Any) -> Any:
    return [[one["name"], one["parameters"]] for one in does] if isinstance(does, list) else does


def _told(item: Item, expected: Sequence[Item], unused: Sequence[Item]) -> list[Difference]:
    """Say in what an item differs from the approved ones."""
    target = item["changes"][0]["target"]
    if any(_core(one) == _core(item) for one in expected):
        return [Difference(target, "order", "at another place, or once", _text(item))]
    mine = {(change["target"], change["property"]): change for change in item["changes"]}
    wanted = {(change["target"], change["property"]): change for one in expected for change in one["changes"]}
    found = [
        Difference(*key, _line(wanted.get(key)), _line(change))
        for key, change in mine.items()
        if change != wanted.get(key)
    ]
    twin = next((one for one in unused if one["changes"][0]["target"] == target), None)
    if twin:
        lost = (change for change in twin["changes"] if (change["target"], change["property"]) not in mine)
        found += [Difference(c["target"], c["property"], _line(c), "not to be changed") for c in lost]
    if found:
        return found
    if twin is None:
        return [Difference(target, "command", "nothing", _text(item))]
    if _calls(twin["does"]) != _calls(item["does"]):
        return [Difference(target, "command", _text(twin), _text(item))]
    return [Difference(target, "undo", _undo(twin), _undo(item))]


def _line(change: Mapping[str, Any] | None) -> str:
    return f"{_shown(change['have'])} → {_shown(change['want'])}" if change else "not to be changed"


def _text(item: Item) -> str:
    does = item["does"]
    if not isinstance(does, list):
        return f"hand a CSR to {does['authority']}"
    return " | ".join(
        " ".join([str(one["name"]), *(f"-{name} {_shown(value)}" for name, value in one["parameters"])]) for one in does
    )


def _undo(item: Item) -> str:
    texts = [_text({"does": pipeline}) for pipeline in item["undo"].get("pipelines", ())]
    return ": ".join(filter(None, (str(item["undo"]["kind"]), "; ".join(texts))))


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"<{value['later']}>" if "later" in value else f"<{len(str(value.get('base64', ''))) * 3 // 4} bytes>"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_shown(one) for one in value) or _NOTHING
    return _NOTHING if value in (None, "") else str(value)
