"""Loading, faults, projection, the server cmdlets, the certificate stores, and several threads at once."""

from __future__ import annotations

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from exchange_world import REQUEST, World, command, error, ok, one, run

from tlsrunbook.lab.exchange.builds import PRODUCTS
from tlsrunbook.lab.exchange.given import Flags
from tlsrunbook.lab.exchange.psobject import PSObject, project
from tlsrunbook.lab.exchange.stores import der_of, thumbprint_of


@pytest.mark.parametrize("version", PRODUCTS)
def test_greeting_says_what_the_server_is_and_can(version: str) -> None:
    world = World(version)
    for server, edge in ((world.mailbox, "False"), (world.edge, "True")):
        answer = server.load("CORP\\admin", "right")
        (greeting,) = answer["objects"]
        assert (answer["ok"], answer["errors"], answer["warnings"]) == (True, [], [])
        assert (greeting["Computer"], greeting["IsEdge"]) == (server.name, edge)
        assert re.fullmatch(r"\d\d\.\d\d\.\d{4}\.\d{3}", greeting["Exchange"])
        known = dict(entry.split("=") for entry in greeting["Parameters"])
        assert ("Server" in known["Get-ExchangeCertificate"].split(",")) is (version != "2007")


@pytest.mark.parametrize("credential", [("CORP\\admin", "wrong"), ("CORP\\other", "right")])
def test_a_mailbox_server_refuses_a_wrong_inner_credential(credential: tuple[str, str]) -> None:
    world = World()
    answer = world.mailbox.load(*credential)
    assert (answer["ok"], answer["objects"]) == (False, [])
    assert "Connecting to remote server mbx1.corp.example failed" in answer["errors"][0]["message"]
    assert "Access is denied." in answer["errors"][0]["message"]
    assert answer["errors"][0]["error_id"] == "AccessDenied,PSSessionOpenFailed"
    assert "wrong" not in json.dumps(answer)
    assert world.edge.load(*credential)["ok"] is True


def test_the_fault_hop_refused_hits_mailbox_servers_alone() -> None:
    world = World("SE", "hop-refused")
    assert world.mailbox.load("CORP\\admin", "right")["ok"] is False
    assert world.edge.load("CORP\\admin", "right")["ok"] is True


def test_the_fault_exchange_error_changes_nothing_and_hits_its_cmdlet() -> None:
    world = World("SE", "exchange-error:New-ExchangeCertificate@edge1")
    assert "exchange-error" in error(world.edge, "New-ExchangeCertificate", **REQUEST)["message"]
    ok(world.mailbox, "New-ExchangeCertificate", **REQUEST)
    ok(world.edge, "Get-ExchangeCertificate")


def test_an_error_in_the_second_command_leaves_what_the_first_did() -> None:
    world = World("SE", "exchange-error:Enable-ExchangeCertificate")
    leaf = world.issued_for_request(world.edge)
    first = command("Import-ExchangeCertificate", {"FileData": world.ca.bundle(leaf)})
    answer = world.edge.execute([first, command("Enable-ExchangeCertificate", {"Services": "SMTP", "Force": True})], [])
    assert answer["ok"] is False
    assert thumbprint_of(leaf) in world.edge.stores.my


@pytest.mark.parametrize("count", [0, 3])
def test_a_pipeline_has_one_or_two_commands(count: int) -> None:
    answer = World().edge.execute([command("Get-Queue", {})] * count, [])
    assert answer["errors"][0]["message"] == f"not simulated by the lab: a pipeline of {count} commands"


def test_projection_turns_everything_into_text() -> None:
    world = World()
    properties = {
        "Flags": Flags(("Tls", "Integrated")), "Nothing": None, "None": Flags(), "Yes": True, "Number": 25,
        "Bytes": b"\x00\xff", "List": ("a", 1), "Empty": (), "When": world.now,
    }  # fmt: skip
    assert project(PSObject("x", properties, {}), ["flags", *list(properties)[1:], "Missing"]) == {
        "flags": "Tls, Integrated", "Nothing": None, "None": "None", "Yes": "True", "Number": "25",
        "Bytes": "AP8=", "List": ["a", "1"], "Empty": [], "When": "2026-11-24T12:00:00Z",
    }  # fmt: skip
    assert project(PSObject.text("a"), ["Thumbprint"]) == {"Value": "a"}


def test_the_certificate_name_is_spelled_by_the_server() -> None:
    world = World()
    ok(world.edge, "New-ExchangeCertificate", SubjectName='C=GB, O="Example, Corp", CN=mail.example.com', Force=True)
    shown = ok(world.edge, "Get-ExchangeCertificate", ("TlsCertificateName", "Subject"))[1]
    text = 'C=GB, O="Example, Corp", CN=mail.example.com'
    assert shown == {"TlsCertificateName": f"<I>{text}<S>{text}", "Subject": text}


def test_servers_show_version_role_and_default_certificate() -> None:
    for version, role in (
        ("SE", "Mailbox"),
        ("2013", "Mailbox, ClientAccess"),
        ("2010", "Mailbox, ClientAccess, HubTransport"),
    ):
        world = World(version)
        shown = one(world.mailbox, "Get-ExchangeServer", ("ServerRole", "Fqdn", "IsEdgeServer"), Identity="mbx1")
        assert shown == {"ServerRole": role, "Fqdn": "mbx1.corp.example", "IsEdgeServer": "False"}
        assert one(world.edge, "Get-ExchangeServer", ("ServerRole",), Identity="EDGE1") == {"ServerRole": "Edge"}
    for server in (world.mailbox, world.edge):
        shown = one(server, "Get-TransportServer", ("Name", "InternalTransportCertificateThumbprint"))
        assert shown == {"Name": server.name, "InternalTransportCertificateThumbprint": server.internal_thumbprint}


def test_smtp_connectivity_sees_bindings_and_nothing_of_tls() -> None:
    world = World()
    codes = {item["StatusCode"] for item in ok(world.mailbox, "Test-SmtpConnectivity", ("StatusCode",))}
    assert codes == {"Success"}
    world.faults.set("smtp-closed@mbx1")
    codes = {item["StatusCode"] for item in ok(world.mailbox, "Test-SmtpConnectivity", ("StatusCode",))}
    assert codes == {"UnableToConnect"}
    assert ok(world.mailbox, "Get-Queue") == []


def test_store_commands_add_list_and_remove_intermediates() -> None:
    world = World()
    der, thumbprint = der_of(world.ca.intermediate), thumbprint_of(world.ca.intermediate)
    for _ in range(2):
        ok(world.edge, "Add-StoreCertificate", StoreName="CA", RawData=der)
    shown = one(world.edge, "Get-StoreCertificate", ("Thumbprint", "RawData"), StoreName="ca")
    assert shown == {"Thumbprint": thumbprint, "RawData": base64.b64encode(der).decode()}
    for _ in range(2):
        ok(world.edge, "Remove-StoreCertificate", StoreName="CA", Thumbprint=thumbprint.lower())
    assert ok(world.edge, "Get-StoreCertificate", StoreName="CA") == []


def test_store_commands_know_my_and_root_and_refuse_others() -> None:
    world = World()
    assert (
        one(world.edge, "Get-StoreCertificate", ("Thumbprint",), StoreName="My")["Thumbprint"]
        == world.edge.internal_thumbprint
    )
    assert one(world.edge, "Get-StoreCertificate", ("Thumbprint",), StoreName="Root") == {
        "Thumbprint": thumbprint_of(world.ca.root)
    }
    assert "cannot find the file" in error(world.edge, "Get-StoreCertificate", StoreName="Nope")["message"]
    assert "requested object" in error(world.edge, "Add-StoreCertificate", StoreName="CA", RawData=b"x")["message"]
    assert "StoreName" in error(world.edge, "Get-StoreCertificate")["message"]


def test_a_chain_added_by_hand_makes_a_certificate_valid() -> None:
    world = World()
    leaf = world.issued_for_request(world.edge)
    ok(world.edge, "Import-ExchangeCertificate", FileData=der_of(leaf))
    status = {"Thumbprint": thumbprint_of(leaf)}
    assert one(world.edge, "Get-ExchangeCertificate", ("Status",), **status) == {"Status": "Untrusted"}
    ok(world.edge, "Add-StoreCertificate", StoreName="CA", RawData=der_of(world.ca.intermediate))
    assert one(world.edge, "Get-ExchangeCertificate", ("Status",), **status) == {"Status": "Valid"}
    world.now = world.now.replace(year=2028)
    assert one(world.edge, "Get-ExchangeCertificate", ("Status",), **status) == {"Status": "DateInvalid"}


def test_snapshot_is_plain_json_without_keys_and_shows_every_change() -> None:
    world = World()
    before = json.dumps(world.edge.snapshot())
    ok(world.edge, "New-ExchangeCertificate", **REQUEST)
    after = json.dumps(world.edge.snapshot())
    assert before != after
    assert "PRIVATE" not in after
    assert "send_connectors" in after


def test_threads_on_all_servers_of_an_organisation_do_not_disturb_each_other() -> None:
    world = World()
    servers = [world.mailbox, world._server("mbx2", "SE")]

    def work(number: int) -> bool:
        server = servers[number % 2]
        made = run(server, "New-SendConnector", Name=f"c{number}", AddressSpaces=[f"d{number}.example"])
        changed = run(server, "Set-SendConnector", Identity=f"c{number}", RequireTLS=True)
        seen = run(servers[1 - number % 2], "Get-ReceiveConnector", ("Identity",))
        return bool(made["ok"] and changed["ok"] and len(seen["objects"]) == 10 and server.inbound(25).offered)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))
    required = ok(world.mailbox, "Get-SendConnector", ("RequireTLS",))
    assert [item["RequireTLS"] for item in required] == ["True"] * 40
