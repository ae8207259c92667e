"""Exchange 2007: a certificate that travels in a file, and one certificate for SMTP."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.change import Change, statuses
from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.evidence.record import Record

MakeChange = Callable[..., Change]


@pytest.fixture
def change(change_on: MakeChange) -> Change:
    return change_on(version="2007")


def _rules(records: list[Record]) -> set[str]:
    return {str(finding["rule"]) for record in records for finding in record.findings}


def test_the_request_is_read_from_its_file_and_no_file_is_left_when_it_is_installed(change: Change) -> None:
    server = change.lab.server(change.site, "EDGE1")
    request = change.apply("EDGE1", "request")[0]
    (path,) = server.file_names()
    assert path.startswith(server.folder.lower() + "\\tlsrunbook-")
    (attempt,) = (a for a in change.store.attempts(request.change, "EDGE1") if a.step == "request")
    kept = read_csr((attempt.folder / "request.csr").read_bytes())
    assert kept.der == read_csr(server.read_file(path) or b"").der
    assert kept.signature_hash == "sha1"

    records = change.apply("EDGE1", "install")
    assert statuses(records) == ["install: changed"]
    assert server.file_names() == []
    called = [c.cmdlets[0] for c in records[0].commands if c.changes]
    assert called == [
        "Add-StoreCertificate",
        "Set-ServerFile",
        "Import-ExchangeCertificate",
        "Remove-ServerFile",
        "Remove-ServerFile",
    ]
    (attempt,) = (a for a in change.store.attempts(request.change, "EDGE1") if a.step == "install")
    assert (attempt.folder / "certificate.pem").is_file()


def test_a_request_waits_for_days_and_is_known_again_by_its_file(change_on: MakeChange, tmp_path: Path) -> None:
    change = change_on(version="2007", authority="folder")
    first = change.apply("MBX1")
    assert statuses(first) == ["confirm: unchanged", "request: waiting"]
    assert statuses(change.apply("MBX1", "request")) == ["request: waiting"]
    (out,) = (tmp_path / "outbox").glob("*.csr")
    leaf = change.lab.ca.issue(out.read_text(encoding="ascii"))
    (tmp_path / "inbox").mkdir(exist_ok=True)
    (tmp_path / "inbox" / "reply.p7b").write_bytes(change.lab.ca.reply(leaf))
    assert statuses(change.apply("MBX1"))[-1] == "verify: unchanged"
    assert change.lab.server(change.site, "MBX1").file_names() == []


def test_a_request_whose_file_is_gone_is_left_alone_and_another_is_made(change: Change) -> None:
    server = change.lab.server(change.site, "EDGE1")
    change.apply("EDGE1", "request")
    (path,) = server.file_names()
    server.remove_file(path)
    records = change.apply("EDGE1", "request")
    assert statuses(records) == ["request: changed"]
    assert "other-pending-request" in _rules(records)
    assert statuses(change.apply("EDGE1", "install")) == ["install: changed"]


def test_a_run_that_was_cut_off_is_tidied_up_by_the_next(change: Change) -> None:
    server = change.lab.server(change.site, "EDGE1")
    change.apply("EDGE1", "request")
    change.lab.faults.set("exchange-error:Import-ExchangeCertificate@EDGE1")
    assert statuses(change.apply("EDGE1", "install")) == ["install: failed"]
    assert [name.rpartition(".")[2] for name in server.file_names()] == ["cer", "req"]
    change.lab.faults.clear()
    assert statuses(change.apply("EDGE1", "install")) == ["install: changed"]
    assert server.file_names() == []


def test_a_file_that_nothing_needs_any_more_is_taken_away(change: Change) -> None:
    server = change.lab.server(change.site, "EDGE1")
    change.apply("EDGE1", "request", "install")
    left = f"{server.folder}\\tlsrunbook-0123456789abcdef.cer"
    server.write_file(left, b"what an earlier run put there")
    server.write_file(f"{server.folder}\\somebody-elses.cer", b"x")
    assert statuses(change.apply("EDGE1", "install")) == ["install: changed"]
    assert server.file_names() == [f"{server.folder}\\somebody-elses.cer".lower()]


@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_a_renewal_travels_as_one_pipeline_and_moves_smtp(change: Change, server: str) -> None:
    change.apply(server)
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    records = {record.step: record for record in change.apply(server)}
    (line,) = [c.text for c in records["install"].commands if "Import-ExchangeCertificate" in c.cmdlets]
    assert " -Path " in line
    assert "| Enable-ExchangeCertificate" in line
    undo = next(i["undo"] for i in records["install"].plan["items"] if "Import and enable" in str(i["why"]))
    assert "send connectors with its TLS certificate name let go of it" in str(undo)
    assert records["verify"].status.value == "unchanged"
    state = change.lab.server(change.site, server).snapshot()
    new = records["install"].facts["thumbprint"]
    assert state["internal_transport_thumbprint"] == new
    stored = change.lab.server(change.site, server).stores.my.items()
    assert [thumbprint for thumbprint, entry in stored if "SMTP" in entry.services] == [new]


def test_keeping_the_default_certificate_is_refused_at_the_first_step(change: Change) -> None:
    change.edit('default_smtp_certificate = "replace"', 'default_smtp_certificate = "keep"')
    state = change.snapshots()
    (record,) = change.apply("MBX1")
    assert statuses([record]) == ["confirm: blocked"]
    assert "keeps one certificate for SMTP" in record.summary
    assert 'default_smtp_certificate = "replace"' in record.todo
    assert change.snapshots() == state


def test_activate_refuses_to_keep_it_too(change: Change) -> None:
    change.apply("MBX1", "confirm", "request", "install")
    change.edit('default_smtp_certificate = "replace"', 'default_smtp_certificate = "keep"')
    (record,) = change.apply("MBX1", "activate")
    assert statuses([record]) == ["activate: blocked"]
    assert "one-smtp-certificate" in _rules([record])


def test_what_the_move_of_smtp_takes_from_other_connectors_is_said_before_and_true_after(change: Change) -> None:
    server = change.lab.server(change.site, "MBX1")
    assert server.inbound("MBX1\\Default MBX1").offered
    records = {record.step: record for record in change.apply("MBX1")}
    for step in ("confirm", "activate"):
        (moves,) = [f for f in records[step].findings if f["rule"] == "smtp-moves"]
        assert "Default MBX1, Client MBX1 will have no certificate" in str(moves["message"])
    assert server.inbound("MBX1\\Default MBX1").events == ("12014",)


def test_an_exportable_key_is_asked_for_with_the_request_and_not_at_the_import(change: Change) -> None:
    change.edit("exportable = false", "exportable = true")
    records = change.apply("EDGE1")
    assert statuses(records)[-1] == "verify: unchanged"
    server = change.lab.server(change.site, "EDGE1")
    assert server.stores.my[str(records[2].facts["thumbprint"])].exportable is True


def test_the_issued_certificate_is_the_one_in_the_record(change: Change) -> None:
    records = {record.step: record for record in change.apply("EDGE1")}
    (attempt,) = (a for a in change.store.attempts(records["install"].change, "EDGE1") if a.step == "install")
    pem = (attempt.folder / "certificate.pem").read_text(encoding="ascii")
    assert certificate_facts(ssl.PEM_cert_to_DER_cert(pem)).thumbprint == records["install"].facts["thumbprint"]
