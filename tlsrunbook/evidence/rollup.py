"""The roll-up of a site: every change ever started there, with its outcome, and the head of the chain of seals."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.chain import Flaw, Verdict
from tlsrunbook.evidence.data import readable_json
from tlsrunbook.evidence.dsse import PublicKey, envelope_from_bytes, public_key_from_pem
from tlsrunbook.evidence.record import Record, worst
from tlsrunbook.evidence.statement import KEY_FILE, SEAL_FILE, STATEMENT_TYPE, envelope_files, sums

PREDICATE_TYPE = "urn:tlsrunbook:site-rollup:v1"

ROLLUP = "rollup"
HEAD_FILE = "HEAD"
CHANGES_FILE = "changes.csv"
VERIFY_FILE = "VERIFY.md"

_COLUMNS = (
    *("change", "asked", "user", "host", "ticket", "reason", "mode", "servers"),
    *("outcome", "rolled_back", "attempts", "seals"),
)


def change_row(
    asked: Mapping[str, Any], records: Iterable[Record], attempts: int, seals: Sequence[int]
) -> dict[str, Any]:
    """Sum a change up.

    Args:
        asked: What ``change.json`` says.
        records: Of all attempts, oldest first.
        attempts: How many attempts there are, with or without a record.
        seals: Numbers of the seals that cover files of it.

    Returns:
        ``mode`` is ``apply`` once anything was applied, whatever was asked first. ``outcome`` is the worst status
        among the last attempts of each step on each server, ``interrupted`` when an attempt has no record, and
        ``nothing done`` when there is no attempt. ``rolled_back`` names the servers on which a rollback was applied to
        its end.
    """
    last: dict[tuple[str, str], Record] = {}
    counted: Counter[str] = Counter()
    modes = set()
    for record in records:
        modes.add(record.mode)
        counted[record.status.value] += 1
        last[record.server, record.step] = record
    unrecorded = attempts - counted.total()
    if unrecorded:
        counted["without a record"] = unrecorded
    outcome = worst(tuple(record.status for record in last.values())).value if last else "nothing done"
    who = asked.get("who", {})
    return {
        "change": str(asked.get("change", "")),
        "asked": str(asked.get("asked", "")),
        "user": str(who.get("user", "")),
        "host": str(who.get("host", "")),
        "ticket": str(asked.get("ticket", "")),
        "reason": str(asked.get("reason", "")),
        "mode": "apply" if "apply" in modes else str(asked.get("mode", "")),
        "servers": [str(server) for server in asked.get("servers", ())],
        "outcome": "interrupted" if unrecorded else outcome,
        "rolled_back": sorted(server for (server, step), record in last.items() if _rolled_back(step, record)),
        "attempts": dict(counted),
        "seals": list(seals),
    }


def _rolled_back(step: str, record: Record) -> bool:
    return step == "rollback" and record.mode == "apply" and record.status.done


def changes_csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Write the changes as CSV (UTF-8, comma, header line), for spreadsheets and for drawing samples."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in _COLUMNS])
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        value = "; ".join(f"{count} {name}" for name, count in value.items())
    text = " ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    # A spreadsheet must not take a ticket or a reason for a formula.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def seals_by_change(verdict: Verdict) -> dict[str, list[int]]:
    """Give the numbers of the seals that cover files of each change."""
    found: dict[str, list[int]] = {}
    for one in verdict.seals:
        for change in dict.fromkeys(name.split("/")[0] for name in one.seal.files):
            found.setdefault(change, []).append(one.number)
    return found


def rollup_statement(
    site: str,
    verdict: Verdict,
    rows: Sequence[Mapping[str, Any]],
    beside: Mapping[str, bytes],
    facts: Mapping[str, Any],
) -> tuple[bytes, dict[str, str]]:
    """Write the roll-up's statement; its subjects are all seals and the files beside it.

    Args:
        site: Site name, and the folder of its evidence.
        verdict: What the verification just saw.
        rows: See :func:`change_row`.
        beside: Other files of the export that it covers, by path.
        facts: Who made it, when, and with what.

    Returns:
        The statement, and SHA-256 by path of what it covers.
    """
    head = verdict.head
    covered = {name: hashlib.sha256(data).hexdigest() for name, data in beside.items()}
    covered |= {f"{site}/seals/{one.number:04d}/seal.dsse.json": one.digest for one in verdict.seals}
    predicate = {
        "site": site,
        "head": {"number": head.number, "sha256": head.sha256} if head else None,
        "whole": verdict.whole,
        "sums": hashlib.sha256(sums(covered)).hexdigest(),
        **facts,
        "changes": [dict(row) for row in rows],
    }
    subjects = [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in covered.items()]
    data = {"_type": STATEMENT_TYPE, "subject": subjects, "predicateType": PREDICATE_TYPE, "predicate": predicate}
    return readable_json(data), covered


def verify_rollup(files: Mapping[str, bytes], verdict: Verdict, keys: Collection[PublicKey] = ()) -> Iterator[Flaw]:
    """Compare an export's list of changes with its signature and with the chain.

    Args:
        files: What lies in the export besides the site's folder, by path.
        verdict: What the verification of the site's folder saw.
        keys: Public keys to trust; empty means the one beside it.
    """
    where = f"{ROLLUP}/{SEAL_FILE}"
    try:
        envelope = envelope_from_bytes(files.get(where, b""), where=where)
        statement = json.loads(envelope.payload)
        predicate, kind = statement["predicate"], statement["predicateType"]
        covered = {str(one["name"]): str(one["digest"]["sha256"]) for one in statement["subject"]}
        if kind != PREDICATE_TYPE:
            yield Flaw("rollup", where, f"the list's schema {kind!r} is not known to this version")
            return
        trusted = {key.keyid: key for key in keys} or {
            key.keyid: key for key in [public_key_from_pem(files.get(f"{ROLLUP}/{KEY_FILE}", b""), where=where)]
        }
        head = predicate["head"]["sha256"] if predicate["head"] else ""
        key = trusted.get(str(predicate["keyid"]))
    except (EvidenceError, ValueError, KeyError, TypeError, RecursionError) as error:
        yield Flaw("rollup", where, f"the list of changes cannot be read: {error}")
        return
    if key is None or not envelope.signed_by(key):
        yield Flaw("rollup", where, "the signature of the list of changes is wrong, or its key is not trusted")
    if head != (verdict.head.sha256 if verdict.head else ""):
        yield Flaw("rollup", where, "the list names another head than the chain has: seals were cut off or replaced")
    derived = {f"{ROLLUP}/{name}": data for name, data in envelope_files(envelope, covered).items()}
    expected = {name: sha256 for name, sha256 in covered.items() if name.count("/seals/") == 0}
    expected |= {name: hashlib.sha256(data).hexdigest() for name, data in derived.items()}
    for name in sorted(expected.keys() | files.keys()):
        if name not in files:
            yield Flaw("deleted", name, "it belongs to the export and is gone")
        elif name not in expected:
            yield Flaw("added", name, "the export's signed list does not name it")
        elif hashlib.sha256(files[name]).hexdigest() != expected[name]:
            yield Flaw("edited", name, "its content is not what was exported")
