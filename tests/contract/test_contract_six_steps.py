"""The main job on the lab, through the shipped adapters: from nothing to proof, and a second time without a change."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.change import Change, statuses
from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.evidence.record import Status

MakeChange = Callable[..., Change]
ALL = ["confirm: unchanged", "request: changed", "install: changed", "activate: changed", "connectors: changed"]


@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_six_steps_then_nothing_left_to_do(change_on: MakeChange, server: str) -> None:
    change = change_on()
    first = change.apply(server)
    assert statuses(first) == [*ALL, "verify: unchanged"]
    state = change.snapshots()

    second = change.apply(server)
    assert [record.status for record in second] == [Status.UNCHANGED] * 6
    assert change.snapshots() == state
    assert not any(command.changes for record in second for command in record.commands)
    assert second[0].change != first[0].change, "a finished change is not gone on with"


@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_plan_mode_shows_everything_and_changes_nothing(change_on: MakeChange, server: str) -> None:
    change = change_on()
    state = change.snapshots()
    records = change.plan(server)
    assert [record.status.value for record in records] == ["unchanged", *["planned"] * 5]
    assert change.snapshots() == state
    assert not any(command.changes for record in records for command in record.commands)
    texts = [step for record in records for step in record.plan["items"]]
    assert len(texts) >= 6, "request, submit, import, enable, connectors"


def test_the_default_smtp_certificate_is_kept_by_both_readings(change_on: MakeChange) -> None:
    change = change_on()
    before = change.lab.server(change.site, "MBX1").snapshot()["internal_transport_thumbprint"]
    records = {record.step: record for record in change.apply("MBX1")}
    assert change.lab.server(change.site, "MBX1").snapshot()["internal_transport_thumbprint"] == before
    enabled = [c.text for c in records["activate"].commands if "Enable-ExchangeCertificate" in c.text]
    assert len(enabled) == 2
    assert before in enabled[1]
    folder = next(a.folder for a in change.store.attempts(records["activate"].change, "MBX1") if a.step == "activate")
    for name in ("before.json", "after.json"):
        assert json.loads((folder / name).read_bytes())["state"]["internal_transport_thumbprint"] == before


def test_replace_makes_the_new_certificate_the_default(change_on: MakeChange) -> None:
    change = change_on()
    change.edit('default_smtp_certificate = "keep"', 'default_smtp_certificate = "replace"')
    records = {record.step: record for record in change.apply("EDGE1")}
    thumbprint = records["install"].facts["thumbprint"]
    assert change.lab.server(change.site, "EDGE1").snapshot()["internal_transport_thumbprint"] == thumbprint


def test_the_wire_shows_the_activated_certificate_and_its_intermediate(change_on: MakeChange) -> None:
    change = change_on()
    verify = change.apply("EDGE1")[-1]
    (row,) = verify.facts["endpoints"]
    assert row["thumbprint"] == verify.facts["activated"]
    assert row["sent"] == 2
    folder = next(a.folder for a in change.store.attempts(verify.change, "EDGE1") if a.step == "verify")
    pem = (folder / "presented-1.pem").read_text(encoding="ascii").split("-----END CERTIFICATE-----")[0]
    der = ssl.PEM_cert_to_DER_cert(pem + "-----END CERTIFICATE-----\n")
    assert certificate_facts(der).thumbprint == verify.facts["activated"]


def test_a_folder_authority_waits_and_finds_the_answer_under_any_name(change_on: MakeChange, tmp_path: Path) -> None:
    change = change_on(authority="folder")
    records = change.apply("EDGE1")
    assert statuses(records) == ["confirm: unchanged", "request: waiting"]
    (csr,) = (tmp_path / "outbox").glob("*.csr")
    text = csr.read_bytes()
    assert text.startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
    assert text.decode("ascii").isascii()

    (tmp_path / "inbox" / "notes.txt").write_text("ask the CA again on Monday", encoding="utf-8")
    leaf = change.lab.ca.issue(text.decode("ascii"))
    (tmp_path / "inbox" / "Re_ your order (2).dat").write_bytes(change.lab.ca.reply(leaf))
    again = change.apply("EDGE1")
    assert statuses(again) == ["confirm: unchanged", "request: unchanged", *ALL[2:], "verify: unchanged"]
    assert again[0].change == records[0].change


def test_a_renewal_of_the_same_issuer_and_subject_is_one_pipeline(change_on: MakeChange) -> None:
    change = change_on()
    change.apply("EDGE1")
    old = change.lab.server(change.site, "EDGE1").snapshot()["internal_transport_thumbprint"]
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    records = {record.step: record for record in change.apply("EDGE1")}
    assert records["request"].status is Status.CHANGED
    assert records["install"].status is Status.CHANGED
    (line,) = [c.text for c in records["install"].commands if "Import-ExchangeCertificate" in c.text]
    assert "| Enable-ExchangeCertificate" in line
    assert change.lab.server(change.site, "EDGE1").snapshot()["internal_transport_thumbprint"] == old
    assert records["verify"].facts["activated"] == records["install"].facts["thumbprint"]


def test_the_three_send_connectors_are_as_the_site_file_says(change_on: MakeChange) -> None:
    change = change_on()
    change.apply("MBX1")
    connectors = change.lab.server(change.site, "MBX1").snapshot()["send_connectors"]
    required, never, default = (connectors[f"{name} MBX1"] for name in ("TLS required", "TLS never", "Internet"))
    assert (required["RequireTLS"], required["IgnoreSTARTTLS"]) == ("True", "False")
    assert (never["RequireTLS"], never["IgnoreSTARTTLS"]) == ("False", "True")
    assert (default["RequireTLS"], default["IgnoreSTARTTLS"]) == ("False", "False")
    assert required["TlsCertificateName"] == default["TlsCertificateName"]
    assert required["TlsCertificateName"].startswith("<I>")


def test_a_connector_altered_behind_our_back_is_found_and_put_right(change_on: MakeChange) -> None:
    change = change_on()
    change.apply("EDGE1")
    server = change.lab.server(change.site, "EDGE1")
    parameters = [
        {"name": "Identity", "type": "string", "value": "TLS required EDGE1"},
        {"name": "RequireTLS", "type": "bool", "value": False},
    ]
    answer = server.execute([{"name": "Set-SendConnector", "parameters": parameters}], [])
    assert not answer["errors"]
    verify = change.apply("EDGE1", "verify")[-1]
    assert verify.status is Status.FAILED
    assert "RequireTLS" in verify.summary
    fixed = change.apply("EDGE1", "connectors", "verify")
    assert statuses(fixed) == ["connectors: changed", "verify: unchanged"]
    (item,) = fixed[0].plan["items"]
    assert [(c["property"], c["have"], c["want"]) for c in item["changes"]] == [("RequireTLS", False, True)]
