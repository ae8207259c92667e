"""What the CA made of the request: each defect is named by its rule, and what must not be installed is not sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from certificate_factory import with_sha1, world
from cryptography.hazmat.primitives import hashes
from desk import TODAY, Desk, pems, private_key, upward

from tlsrunbook.evidence.record import Status
from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.lab import Lab


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Lab(servers=1, keys=KeyRing()) as lab:
        yield Desk(lab, tmp_path)


def strangers(desk: Desk) -> bytes:
    return pems(desk.issue(signer=world().other_intermediate), world().other_intermediate, world().other_root)


def weak(desk: Desk) -> bytes:
    return pems(
        with_sha1(desk.issue(signer=world().rsa_intermediate), world().rsa_intermediate), world().rsa_intermediate
    )


#: What the CA made of it -> the rule that refuses it, and words of the finding.
REFUSED: dict[str, tuple[Callable[[Desk], bytes], str, str]] = {
    "a name is missing": (
        lambda desk: pems(desk.issue(names=["www.london.example.net"]), *upward()),
        "missing-names",
        "does not stand for mx1.london.example.net",
    ),
    "no serverAuth": (lambda desk: pems(desk.issue(ekus=["clientAuth"]), *upward()), "no-serverauth", "by a server"),
    "SHA-1": (weak, "weak-signature", "SHA1"),
    "expired": (
        lambda desk: pems(desk.issue(begin=TODAY - timedelta(days=90), days=30), *upward()),
        "expired",
        "expired on",
    ),
    "not yet valid": (
        lambda desk: pems(desk.issue(begin=TODAY + timedelta(days=9)), *upward()),
        "not-yet-valid",
        "not valid before",
    ),
    "an unknown root": (strangers, "untrusted", "Other Root"),
    "an unknown issuer": (
        lambda desk: pems(desk.issue(signer=world().other_intermediate), world().other_intermediate),
        "issuer-unknown",
        "CN=Other Root",
    ),
    "no intermediate": (lambda desk: desk.issue().pem, "chain-incomplete", "CN=Good CA 1"),
    "what only a strict verifier objects to": (
        lambda desk: pems(desk.issue(ca=True, names=["mx1.london.example.net"]), *upward()),
        "untrusted",
        "A strict verifier refuses the certificate or its chain",
    ),
    "an expired intermediate": (
        lambda desk: pems(desk.issue(signer=world().expired_intermediate), world().expired_intermediate),
        "untrusted",
        "in the chain is valid only",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_must_not_be_installed_is_blocked_by_name_and_nothing_is_sent(desk: Desk, case: str) -> None:
    content, rule, words = REFUSED[case]
    desk.put(content(desk))
    before = desk.change.snapshots()
    record = desk.install()
    assert record.status is Status.BLOCKED
    refusals = [finding for finding in record.findings if finding["severity"] == "refuse"]
    assert rule in [finding["rule"] for finding in refusals]
    assert words in next(finding["message"] for finding in refusals if finding["rule"] == rule)
    assert all(finding["todo"] for finding in refusals)
    assert not any(command.changes for command in record.commands)
    assert desk.change.snapshots() == before


#: What the CA made of it -> the finding that tells of it, with its severity; it is installed all the same.
TOLD: dict[str, tuple[dict[str, Any], str, str]] = {
    "further names": ({"names": ["mx1.london.example.net", "www.london.example.net"]}, "extra-names", "warning"),
    "no clientAuth": ({"ekus": ["serverAuth"]}, "no-clientauth", "info"),
    "no extended key usage": ({"ekus": []}, "no-eku", "warning"),
    "too long a life": ({"days": 300}, "too-long", "warning"),
    "an empty subject": ({"name": "", "names": ["mx1.london.example.net"]}, "empty-subject", "warning"),
    "a common name that is in no SAN": (
        {"name": "mail.london.example.net", "names": ["mx1.london.example.net"]},
        "cn-not-in-san",
        "warning",
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_an_operator_should_know_is_told_and_installed(desk: Desk, case: str) -> None:
    how, rule, severity = TOLD[case]
    desk.put(pems(desk.issue(**how), *upward()))
    record = desk.install()
    assert (rule, severity) in [(finding["rule"], finding["severity"]) for finding in record.findings]
    assert record.status is Status.CHANGED, record.summary


def test_of_several_candidates_the_newest_is_taken_and_all_are_named(desk: Desk) -> None:
    old, new = desk.issue(begin=TODAY - timedelta(hours=9)), desk.issue()
    desk.put(pems(old, *upward(), new))
    record = desk.install()
    assert record.status is Status.CHANGED
    message = next(finding["message"] for finding in record.findings if finding["rule"] == "several")
    for made in (old, new):
        assert made.certificate.fingerprint(hashes.SHA1()).hex().upper() in message
    assert record.facts["thumbprint"] == new.certificate.fingerprint(hashes.SHA1()).hex().upper()


def test_of_several_files_the_newest_is_taken_and_the_others_are_named(desk: Desk) -> None:
    desk.put(pems(desk.issue(begin=TODAY - timedelta(hours=9)), *upward()), "b-old.pem")
    desk.put(pems(desk.issue(), *upward()), "a-new.pem")
    record = desk.install()
    assert record.status is Status.CHANGED
    (finding,) = [finding for finding in record.findings if finding["rule"] == "passed-over"]
    assert finding["message"] == "b-old.pem: has a certificate for this key that was issued earlier"


def test_mutual_tls_is_named_with_the_connectors_that_use_it(desk: Desk) -> None:
    shell = desk.change.lab.server(desk.change.site, "EDGE1")
    parameters = [
        {"name": "Name", "type": "string", "value": "To the bank"},
        {"name": "AddressSpaces", "type": "strings", "value": ["bank.example.org"]},
        {"name": "DomainSecureEnabled", "type": "bool", "value": True},
    ]
    made = shell.execute([{"name": "New-SendConnector", "parameters": parameters}], ["Name"])
    assert made["ok"], made["errors"]
    desk.put(pems(desk.issue(ekus=["serverAuth"]), *upward()))
    (finding,) = [f for f in desk.install().findings if f["rule"] == "no-clientauth-mutual-tls"]
    assert "To the bank" in finding["message"]
    assert "prove" in finding["todo"]


def test_a_private_key_beside_the_certificate_is_told_and_kept_nowhere(desk: Desk) -> None:
    desk.put(pems(desk.issue(), *upward()) + private_key())
    record = desk.install()
    assert record.status is Status.CHANGED
    assert "private-key-beside" in [finding["rule"] for finding in record.findings]
    secret = private_key().splitlines()[1]
    kept = [path for path in desk.change.runs.rglob("*") if path.is_file()]
    assert "reply.pem" in [path.name for path in kept]
    assert "reply.bin" not in [path.name for path in kept]
    assert not [path for path in kept if secret in path.read_bytes() or b"PRIVATE KEY-" in path.read_bytes()]
