"""What differs between versions beside cmdlets: signatures, files, roles, and which connector takes the mail."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from exchange_world import REQUEST, World, error, ok, one, run

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.lab.exchange.builds import Build, parse_version
from tlsrunbook.lab.exchange.world import PUBLIC_SIDE
from tlsrunbook.lab.places import plan_world


@pytest.mark.parametrize(
    ("build", "hash_name"),
    [
        ("2007", "sha1"),
        ("2010", "sha1"),
        ("2013", "sha1"),
        ("15.1.2375.6", "sha1"),
        ("15.1.2375.7", "sha256"),
        ("15.2.986.4", "sha1"),
        ("15.2.986.5", "sha256"),
        ("SE", "sha256"),
    ],
)
def test_setup_signs_its_certificate_as_that_build_does(build: str, hash_name: str) -> None:
    entry = next(iter(World(build).mailbox.stores.my.values()))
    assert entry.certificate.signature_hash_algorithm is not None
    assert entry.certificate.signature_hash_algorithm.name == hash_name
    assert entry.self_signed


@pytest.mark.parametrize(("version", "hash_name"), [("2007", "sha1"), ("2010", "sha1"), ("2013", "sha256")])
def test_a_csr_is_signed_as_that_version_does(version: str, hash_name: str) -> None:
    world = World(version)
    if version == "2007":
        ok(world.edge, "New-ExchangeCertificate", **REQUEST, Path="c:\\a.req")
        text = (world.edge.read_file("c:\\a.req") or b"").decode()
    else:
        text = one(world.edge, "New-ExchangeCertificate", **REQUEST)["Value"]
    csr = read_csr(text)
    assert (csr.signature_hash, csr.signature_valid) == (hash_name, True)


def test_2007_keeps_the_csr_in_its_file_alone() -> None:
    world = World("2007")
    ok(world.edge, "New-ExchangeCertificate", **REQUEST, Path="c:\\a.req")
    (pending,) = (
        row
        for row in ok(world.edge, "Get-ExchangeCertificate", ("Status", "RawData", "CertificateRequest"))
        if row["Status"] == "PendingRequest"
    )
    assert "CertificateRequest" not in pending
    key = x509.load_der_x509_certificate(base64.b64decode(pending["RawData"])).public_key()
    csr = x509.load_pem_x509_csr(world.edge.read_file("c:\\a.req") or b"")
    assert csr.public_key() == key


def test_the_runbooks_files_are_listed_written_and_removed_and_no_others() -> None:
    server = World("2007").mailbox
    path = f"{server.folder}\\tlsrunbook-0123456789abcdef.cer"
    ok(server, "Set-ServerFile", Path=path, Data=b"x")
    server.write_file(f"{server.folder}\\other.cer", b"y")
    (row,) = ok(server, "Get-ServerFile", ("Path", "Data"), Folder=server.folder)
    assert (row["Path"], base64.b64decode(row["Data"])) == (path.lower(), b"x")
    for bad in (f"{server.folder}\\other.cer", "c:\\tlsrunbook-0123456789abcdef.cer", f"{server.folder}\\..\\x"):
        assert "not a file of the runbook" in error(server, "Set-ServerFile", Path=bad, Data=b"x")["message"]
        assert "not a file of the runbook" in error(server, "Remove-ServerFile", Path=bad)["message"]
    ok(server, "Remove-ServerFile", Path=path)
    ok(server, "Remove-ServerFile", Path=path)
    assert server.file_names() == [f"{server.folder}\\other.cer".lower()]
    assert not run(server, "Get-ServerFile", Folder="c:\\windows")["ok"]


@pytest.mark.parametrize(
    ("version", "end"), [("2007", "Exchange Server"), ("2010", "\\V14"), ("2013", "\\V15"), ("SE", "\\V15")]
)
def test_the_greeting_names_exchanges_folder(version: str, end: str) -> None:
    server = World(version).edge
    assert server.load("", "")["objects"][0]["Folder"].endswith(end)


def test_the_connector_on_the_very_address_goes_before_the_one_on_all() -> None:
    world = World("2010")
    assert world.mailbox.inbound(25).connector == "MBX1\\Default MBX1"
    ok(world.mailbox, "New-ReceiveConnector", Name="Elsewhere", Usage="Internet", Bindings=["192.0.2.99:25"])
    assert world.mailbox.inbound(25).connector == "MBX1\\Default MBX1"
    ok(world.mailbox, "New-ReceiveConnector", Name="Public", Usage="Internet", Bindings=[f"{PUBLIC_SIDE}:25"])
    assert world.mailbox.inbound(25).connector == "MBX1\\Public"


def test_2013_has_no_edge_before_its_first_service_pack() -> None:
    assert [Build.of(text).has_edge for text in ("15.0.516.32", "15.0.847.32")] == [False, True]
    assert all(parse_version(product).has_edge for product in ("2007", "2010", "2013", "SE"))
    (site,) = plan_world(1, 3, edges=False)
    assert [(server.name, server.is_edge) for server in site.servers] == [(f"MBX{n}", False) for n in (1, 2, 3)]
