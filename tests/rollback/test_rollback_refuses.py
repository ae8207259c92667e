"""Where somebody else has changed the server since, nothing is sent and the difference is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.rollback import Breaking, breaking_lab
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.exchange.command import Value
from tlsrunbook.lab.exchange.keys import new_key
from tlsrunbook.lab.exchange.names import tls_certificate_name

EDGE = "EDGE1"
NEVER = f"TLS never {EDGE}"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Breaking]:
    with breaking_lab(tmp_path) as world:
        yield world


def rows(record: Record) -> list[tuple[str, ...]]:
    return [tuple(str(value) for value in row.values()) for row in record.facts["changed by somebody since"]]


def receive_connector(world: Breaking) -> str:
    return next(name for name in world.snapshot(EDGE)["receive_connectors"] if "Default" in name)


def new_certificate(world: Breaking) -> str:
    certificates = world.snapshot(EDGE)["certificates"]
    return next(thumbprint for thumbprint, one in certificates.items() if "lab issuing" in one["issuer"])


ALTERED: dict[str, tuple[str, dict[str, Value], tuple[str, ...]]] = {
    "a property the change set": (
        "Set-SendConnector", {"Identity": NEVER, "IgnoreSTARTTLS": False},
        (f"send connector {NEVER}", "IgnoreSTARTTLS", "True", "False")),
    "another property of a connector the change made": (
        "Set-SendConnector", {"Identity": NEVER, "MaxMessageSize": "20 MB"},
        (f"send connector {NEVER}", "MaxMessageSize", "35 MB (36,700,160 bytes)", "20 MB (20,971,520 bytes)")),
    "a receive connector": (
        "Set-ReceiveConnector", {"Identity": "<receive>", "RequireTLS": True},
        ("receive connector <receive>", "RequireTLS", "False", "True")),
    "services of the new certificate": (
        "Enable-ExchangeCertificate", {"Thumbprint": "<new>", "Services": "POP"},
        ("certificate <new>", "Services", "['SMTP']", "['POP', 'SMTP']")),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_it_is_blocked_and_shows_target_property_left_and_now(world: Breaking, name: str) -> None:
    change = world.change.apply(EDGE)[0].change
    cmdlet, parameters, row = ALTERED[name]
    known = {"<receive>": receive_connector(world), "<new>": new_certificate(world)}
    given = {key: known.get(str(value), value) for key, value in parameters.items()}
    world.send(EDGE, cmdlet, **given)
    state = world.snapshot(EDGE)
    record = world.rollback(EDGE, change)
    assert record.status is Status.BLOCKED
    expected = tuple(text.replace("<receive>", known["<receive>"]).replace("<new>", known["<new>"]) for text in row)
    assert rows(record) == [expected]
    assert "somebody else has changed it since" in record.summary
    assert record.todo
    assert record.plan["items"], "the way back is shown, for going it by hand"
    assert not any(command.changes for command in record.commands)
    assert world.snapshot(EDGE) == state


def test_the_default_smtp_certificate_made_another_one_since_is_refused(world: Breaking) -> None:
    change = world.change.apply(EDGE)[0].change
    world.send(EDGE, "New-ExchangeCertificate", SubjectName="CN=edge1", DomainName=("edge1",), Force=True)
    record = world.rollback(EDGE, change)
    assert record.status is Status.BLOCKED
    assert [row[:2] for row in rows(record)] == [("server EDGE1", "default SMTP certificate")]


def test_a_removed_connector_is_gone_already_and_in_nobodys_way(world: Breaking) -> None:
    change = world.change.apply(EDGE)[0].change
    world.send(EDGE, "Remove-SendConnector", Identity=NEVER, Confirm=False)
    record = world.rollback(EDGE, change)
    assert record.status is Status.CHANGED
    assert world.snapshot(EDGE)["send_connectors"] == {}


def test_a_value_put_back_by_hand_is_in_nobodys_way(world: Breaking) -> None:
    before = world.snapshot(EDGE)
    change = world.change.apply(EDGE)[0].change
    world.send(EDGE, "Set-ReceiveConnector", Identity=receive_connector(world), TlsCertificateName=None)
    assert world.rollback(EDGE, change).status is Status.CHANGED
    assert world.snapshot(EDGE) == before


def test_what_the_change_did_not_touch_may_differ_freely(world: Breaking) -> None:
    world.send(EDGE, "New-SendConnector", Name="Fax", AddressSpaces=("SMTP:fax.example;1",))
    change = world.change.apply(EDGE)[0].change
    world.send(EDGE, "Set-SendConnector", Identity="Fax", MaxMessageSize="20 MB")
    world.send(EDGE, "New-SendConnector", Name="New one", AddressSpaces=("SMTP:new.example;1",))
    state = world.snapshot(EDGE)["send_connectors"]
    assert world.rollback(EDGE, change).status is Status.CHANGED
    assert world.snapshot(EDGE)["send_connectors"] == {name: state[name] for name in ("Fax", "New one")}


def test_a_later_change_stands_in_the_way_of_an_earlier_one(world: Breaking) -> None:
    first = world.change.apply(EDGE)[0].change
    world.change.edit('domain = "broken.example.org"', 'domain = "other.example.org"')
    second = world.change.apply(EDGE)[0].change
    assert first != second
    record = world.rollback(EDGE, first)
    assert record.status is Status.BLOCKED
    assert [row[1] for row in rows(record)] == ["AddressSpaces"]
    assert world.rollback(EDGE, second).status is Status.CHANGED
    assert world.rollback(EDGE, first).status is Status.CHANGED, "last change first"


def test_a_refused_way_back_leaves_the_change_open(world: Breaking) -> None:
    change = world.change.apply(EDGE, "request", "install", "activate", "connectors")[0].change
    world.send(EDGE, "Set-SendConnector", Identity=NEVER, IgnoreSTARTTLS=False)
    assert world.rollback(EDGE, change).status is Status.BLOCKED
    assert world.change.store.open_change(EDGE) == change


def test_a_certificate_that_a_connector_would_go_back_to_and_that_was_removed_since_is_refused(world: Breaking) -> None:
    key = new_key(2048)
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name.from_rfc4514_string("CN=old.example.net"))
    pem = csr.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode("ascii")
    leaf = world.lab.ca.issue(pem)
    old = world.lab.server(world.change.site, EDGE).install(leaf, key, ["SMTP"])
    connector = {
        "Name": f"Internet {EDGE}",
        "AddressSpaces": ("SMTP:*;1",),
        "TlsCertificateName": tls_certificate_name(leaf),
    }
    world.send(EDGE, "New-SendConnector", **connector)
    change = world.change.apply(EDGE)[0].change
    world.send(EDGE, "Remove-ExchangeCertificate", Thumbprint=old, Confirm=False)
    state = world.snapshot(EDGE)
    record = world.rollback(EDGE, change)
    assert record.status is Status.BLOCKED
    assert "no certificate named" in record.summary
    assert world.snapshot(EDGE) == state


def test_a_recorded_state_that_was_altered_is_not_gone_back_to(world: Breaking) -> None:
    records = world.change.apply(EDGE)
    state = world.snapshot(EDGE)
    folder = next(a.folder for a in world.change.store.attempts(records[0].change, EDGE) if a.step == "connectors")
    path = folder / "before.json"
    data = json.loads(path.read_bytes())
    data["state"]["send_connectors"] = []
    data["state"]["internal_transport_thumbprint"] = "A" * 40
    path.write_text(json.dumps(data), encoding="utf-8")
    record = world.rollback(EDGE, records[0].change)
    assert record.status is Status.FAILED
    assert record.error
    assert record.error["code"] == "evidence"
    assert "digest differs" in record.summary
    assert world.snapshot(EDGE) == state
