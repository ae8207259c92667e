"""Enable- and Remove-ExchangeCertificate: the prompt, services that add up, and what cannot be removed."""

from __future__ import annotations

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from exchange_world import World, command, error, ok, one

from tlsrunbook.lab.exchange.stores import thumbprint_of

PROMPT = "A command that prompts the user failed because the host program or the command type does not support user interaction."  # noqa: E501


def services(world: World, thumbprint: str) -> str:
    return str(one(world.mailbox, "Get-ExchangeCertificate", ("Services",), Thumbprint=thumbprint)["Services"])


def default(world: World) -> str:
    shown = one(world.mailbox, "Get-TransportService", ("InternalTransportCertificateThumbprint",), Identity="MBX1")
    return str(shown["InternalTransportCertificateThumbprint"])


@pytest.mark.parametrize("confirm", [{}, {"Confirm": False}])
def test_without_force_the_question_fails_and_nothing_changes(confirm: dict[str, bool]) -> None:
    world = World()
    thumbprint, old = world.installed(world.mailbox), default(world)
    found = error(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", **confirm)
    assert found["message"].startswith(PROMPT)
    assert "Overwrite the existing default SMTP certificate?" in found["message"]
    assert f"Current certificate: '{old}' (expires 11/23/2031 12:00:00 PM)" in found["message"]
    assert f"Replace it with certificate: '{thumbprint}' (expires 2/22/2027 12:00:00 PM)" in found["message"]
    assert found["kind"] == "System.Management.Automation.Host.HostException"


def test_force_gives_smtp_and_replaces_the_default() -> None:
    world = World()
    thumbprint, old = world.installed(world.mailbox), default(world)
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True)
    assert services(world, thumbprint) == "SMTP"
    assert services(world, old) == "IMAP, POP, IIS, SMTP"
    assert default(world) == thumbprint


def test_putting_the_old_one_back_leaves_smtp_on_both() -> None:
    world = World()
    thumbprint, old = world.installed(world.mailbox), default(world)
    for each in (thumbprint, old):
        ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=each, Services="SMTP", Force=True)
    assert default(world) == old
    assert services(world, thumbprint) == "SMTP"


def test_2007_knows_one_certificate_for_smtp() -> None:
    world = World("2007")
    old = world.mailbox.internal_thumbprint
    thumbprint = world.mailbox.install(world.ca.issue((key := world.keys(2048)).public_key()), key)
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True)
    assert services(world, old) == "IMAP, POP, IIS"
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=old, Services="SMTP", Force=True)
    assert services(world, thumbprint) == "None"


def test_services_add_up_and_iis_moves() -> None:
    world = World()
    thumbprint, old = world.installed(world.mailbox), default(world)
    for wanted in ("POP", ["IMAP", "IIS"], "POP"):
        ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services=wanted)
    assert services(world, thumbprint) == "IMAP, POP, IIS"
    assert services(world, old) == "IMAP, POP, SMTP"


def test_no_question_without_smtp_for_the_default_itself_or_without_a_default() -> None:
    world = World()
    thumbprint, old = world.installed(world.mailbox), default(world)
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="IIS")
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=old, Services="SMTP")
    world.mailbox.internal_thumbprint = ""
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP")
    assert default(world) == thumbprint


def test_what_if_enables_nothing() -> None:
    world = World()
    thumbprint = world.installed(world.mailbox)
    before = world.mailbox.snapshot()
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True, WhatIf=True)
    assert world.mailbox.snapshot() == before


@pytest.mark.parametrize("fqdn", ["mail_relay.example.com", None])
def test_an_underscore_in_any_receive_connectors_fqdn_stops_smtp(fqdn: str | None) -> None:
    world = World()
    thumbprint = world.installed(world.mailbox)
    ok(world.mailbox, "Set-ReceiveConnector", Identity="MBX1\\Client Frontend MBX1", Fqdn=fqdn)
    wanted = {"Thumbprint": thumbprint, "Services": "SMTP", "Force": True}
    if fqdn is None:
        ok(world.mailbox, "Enable-ExchangeCertificate", **wanted)
        return
    assert error(world.mailbox, "Enable-ExchangeCertificate", **wanted)["message"] == (
        "The Exchange Certificate operation has failed with an exception on server MBX1. The error message is: "
        "Unknown error (0xe0434352)"
    )
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="POP")


def test_a_locked_key_file_stops_smtp() -> None:
    world = World()
    thumbprint = world.installed(world.mailbox)
    world.mailbox.stores.my[thumbprint].acl_locked = True
    found = error(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True)
    assert (
        f"Insufficient rights to grant Network Service access to the certificate with thumbprint {thumbprint}."
        in found["message"]
    )


def test_a_certificate_without_server_authentication_is_refused() -> None:
    world = World()
    key = world.keys(2048)
    leaf = world.ca.issue(key.public_key(), usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    thumbprint = world.mailbox.install(leaf, key)
    found = error(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True)
    assert "(reason: PkixKpServerAuthNotFoundInEnhancedKeyUsage)" in found["message"]


@pytest.mark.parametrize("which", ["unknown", "pending"])
def test_only_what_is_in_the_store_can_be_enabled(which: str) -> None:
    world = World()
    world.issued_for_request(world.mailbox)
    thumbprint = "0" * 40 if which == "unknown" else next(iter(world.mailbox.stores.pending))
    found = error(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True)
    assert f"The certificate with thumbprint {thumbprint} was not found." in found["message"]


def test_import_and_enable_travel_as_one_pipeline() -> None:
    world = World()
    leaf = world.issued_for_request(world.mailbox)
    first = command("Import-ExchangeCertificate", {"FileData": world.ca.bundle(leaf)})
    answer = world.mailbox.execute(
        [first, command("Enable-ExchangeCertificate", {"Services": "SMTP", "Force": True})], []
    )
    assert answer == {"ok": True, "objects": [], "warnings": [], "errors": []}
    assert services(world, thumbprint_of(leaf)) == "SMTP"


def test_thumbprints_may_have_blanks_and_small_letters() -> None:
    world = World()
    thumbprint = world.installed(world.mailbox)
    spaced = " ".join(thumbprint[at : at + 2] for at in range(0, 40, 2)).lower()
    ok(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=spaced, Services="POP")


def test_removing_asks_unless_told_not_to() -> None:
    world = World()
    thumbprint = world.installed(world.mailbox)
    found = error(world.mailbox, "Remove-ExchangeCertificate", Thumbprint=thumbprint)
    assert f"Remove certificate with thumbprint {thumbprint} from the computer's certificate store?" in found["message"]
    ok(world.mailbox, "Remove-ExchangeCertificate", Thumbprint=thumbprint, Confirm=False, WhatIf=True)
    ok(world.mailbox, "Remove-ExchangeCertificate", Thumbprint=thumbprint, Confirm=False)
    assert thumbprint not in world.mailbox.stores.my


def test_the_internal_transport_certificate_stays() -> None:
    world = World()
    found = error(world.mailbox, "Remove-ExchangeCertificate", Thumbprint=default(world), Confirm=False)
    assert found["message"].startswith(
        "A special Rpc error occurs on server MBX1: The internal transport certificate cannot be removed because that "
        "would cause the Microsoft Exchange Transport service to stop."
    )
    assert found["category"] == "InvalidArgument"


def test_a_send_connectors_certificate_stays_old_and_new_alike() -> None:
    world = World()
    old, new = world.installed(world.mailbox), world.installed(world.mailbox)
    name = one(world.mailbox, "Get-ExchangeCertificate", ("TlsCertificateName",), Thumbprint=old)["TlsCertificateName"]
    ok(
        world.mailbox,
        "New-SendConnector",
        Name="To Internet",
        AddressSpaces=["*"],
        TlsCertificateName=name.replace("<I>", "<i>"),
    )
    for thumbprint in (old, new):
        found = error(world.mailbox, "Remove-ExchangeCertificate", Thumbprint=thumbprint, Confirm=False)
        assert "tagged with following Send Connectors : To Internet." in found["message"]
    ok(world.mailbox, "Set-SendConnector", Identity="To Internet", TlsCertificateName=None)
    ok(world.mailbox, "Remove-ExchangeCertificate", Thumbprint=old, Confirm=False)


def test_removing_a_pending_request_throws_its_key_away() -> None:
    world = World()
    leaf = world.issued_for_request(world.mailbox)
    (pending,) = world.mailbox.stores.pending
    ok(world.mailbox, "Remove-ExchangeCertificate", Thumbprint=pending, Confirm=False)
    shown = one(world.mailbox, "Import-ExchangeCertificate", ("HasPrivateKey",), FileData=world.ca.bundle(leaf))
    assert shown == {"HasPrivateKey": "False"}
