"""How a record tells of a certificate that was taken over from another server."""

from __future__ import annotations

from dataclasses import replace

from record_samples import a_record

from tlsrunbook.evidence.data import command_data, to_data
from tlsrunbook.evidence.display import html, planned_text, text
from tlsrunbook.evidence.record import SentCommand, plan_data, plan_digest, record_from_data
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem, Transfer
from tlsrunbook.secret import Secret, SecretBytes

EXPORT = Command.of("Export-ExchangeCertificate", Thumbprint="A" * 40, Password=Later("one-time password"))
BRING = (Command.of("Import-ExchangeCertificate", FileData=Later("the PFX"), Password=Later("one-time password")),)
ITEM = PlanItem(
    "take over", Transfer("EDGE1", EXPORT, BRING), (Change("c", "installed", None, "x"),), Irreversible("no")
)


def test_a_planned_transfer_shows_both_commands_and_where_the_first_is_for() -> None:
    record = replace(a_record(sent=False), plan=plan_data(Plan((ITEM,))))
    assert planned_text(record) == [
        f"Export-ExchangeCertificate -Thumbprint '{'A' * 40}' -Password <one-time password>  # on EDGE1",
        "Import-ExchangeCertificate -FileData <the PFX> -Password <one-time password>",
    ]


def test_the_digest_of_a_transfer_does_not_depend_on_the_password() -> None:
    assert plan_digest(Plan((ITEM,))) == plan_digest(Plan((ITEM,)))
    elsewhere = replace(ITEM, does=Transfer("EDGE2", EXPORT, BRING))
    assert plan_digest(Plan((ITEM,))) != plan_digest(Plan((elsewhere,)))


def test_a_command_that_went_to_another_server_says_so_in_every_form() -> None:
    sent = SentCommand("Export-X", ("Export-X",), True, "2026-11-24T12:00:00.000Z", 0.1, "ok", (), "EDGE1")
    record = replace(a_record(), commands=(sent,))
    assert "PS> Export-X  # on EDGE1" in text(record, "Install", "")
    assert "Export-X  # on EDGE1</pre>" in html(record, "Install", "")
    assert record_from_data(record.data()).commands == (sent,)


def test_a_record_from_before_there_was_another_server_is_still_read() -> None:
    data = a_record().data()
    for command in data["commands"]:
        del command["server"]
    assert {command.server for command in record_from_data(data).commands} == {""}


def test_secrets_in_a_command_are_marks_in_its_data() -> None:
    command = Command.of("Import-ExchangeCertificate", FileData=SecretBytes(b"PFX"), Password=Secret("Planted"))
    shown = str(command_data(command))
    assert "Planted" not in shown
    assert "UEZY" not in shown
    assert to_data(SecretBytes(b"PFX")) == {"secret": True}
