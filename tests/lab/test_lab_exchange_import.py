"""Import-, Get- and Export-ExchangeCertificate, with their traps."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from exchange_world import REQUEST, Secure, World, error, ok, one, run

from tlsrunbook.lab.exchange.stores import thumbprint_of


def pfx(world: World, password: str, *, chain: bool = True, key: object = None) -> tuple[x509.Certificate, bytes]:
    own = key or world.keys(2048)
    leaf = world.ca.issue(own.public_key())  # type: ignore[attr-defined]
    others = [world.ca.intermediate, world.ca.root] if chain else None
    data = pkcs12.serialize_key_and_certificates(b"x", own, leaf, others, BestAvailableEncryption(password.encode()))  # type: ignore[arg-type]
    return leaf, data


def test_import_completes_the_pending_request() -> None:
    world = World()
    leaf = world.issued_for_request(world.edge)
    shown = one(world.edge, "Import-ExchangeCertificate", ("Thumbprint", "HasPrivateKey", "FriendlyName"),
                FileData=world.ca.bundle(leaf))  # fmt: skip
    assert shown == {
        "Thumbprint": thumbprint_of(leaf), "HasPrivateKey": "True", "FriendlyName": "Microsoft Exchange",
    }  # fmt: skip
    assert world.edge.stores.pending == {}
    listed = ok(world.edge, "Get-ExchangeCertificate", ("Thumbprint", "Services", "Status", "RootCAType", "Issuer"))
    assert listed[1] == {
        "Thumbprint": thumbprint_of(leaf), "Services": "None", "Status": "Valid", "RootCAType": "ThirdParty",
        "Issuer": "CN=Test Intermediate, O=Test, C=GB",
    }  # fmt: skip


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_a_leaf_alone_is_taken_without_its_chain(encoding: Encoding) -> None:
    world = World()
    leaf = world.issued_for_request(world.edge)
    ok(world.edge, "Import-ExchangeCertificate", FileData=leaf.public_bytes(encoding))
    assert world.edge.stores.ca == {}
    shown = one(world.edge, "Get-ExchangeCertificate", ("Status",), Thumbprint=thumbprint_of(leaf))
    assert shown == {"Status": "Untrusted"}


def test_of_several_pem_blocks_the_first_counts() -> None:
    world = World()
    leaf = world.issued_for_request(world.edge)
    pem = [one_.public_bytes(Encoding.PEM) for one_ in (world.ca.intermediate, leaf)]
    ok(world.edge, "Import-ExchangeCertificate", FileData=b"".join(pem))
    assert thumbprint_of(leaf) not in world.edge.stores.my
    assert len(world.edge.stores.pending) == 1


@pytest.mark.parametrize("armour", [b"PKCS7", b"CERTIFICATE", b""])
def test_a_bundle_in_base64_brings_its_intermediates_and_trusts_no_root(armour: bytes) -> None:
    world = World()
    leaf = world.issued_for_request(world.edge)
    body = base64.encodebytes(world.ca.bundle(leaf))
    data = b"-----BEGIN %s-----\n%s-----END %s-----\n" % (armour, body, armour) if armour else body
    ok(world.edge, "Import-ExchangeCertificate", FileData=data)
    assert thumbprint_of(leaf) in world.edge.stores.my
    assert list(world.edge.stores.ca) == [thumbprint_of(world.ca.intermediate)]


def test_a_certificate_without_its_key_imports_silently_and_is_useless() -> None:
    world = World()
    leaf = world.issued_for_request(world.edge)
    thumbprint = thumbprint_of(leaf)
    shown = one(world.mailbox, "Import-ExchangeCertificate", ("HasPrivateKey",), FileData=world.ca.bundle(leaf))
    assert shown == {"HasPrivateKey": "False"}
    assert thumbprint not in str(ok(world.mailbox, "Get-ExchangeCertificate", ("Thumbprint",)))
    assert "was not found" in error(world.mailbox, "Get-ExchangeCertificate", Thumbprint=thumbprint)["message"]
    found = error(world.mailbox, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True)
    assert found["message"] == (
        f"A special Rpc error occurs on server MBX1: The certificate with thumbprint {thumbprint} was found but is not "
        "valid for use with Exchange Server (reason: PrivateKeyMissing)."
    )
    assert found["category"] == "NotSpecified"
    assert found["kind"] == "System.InvalidOperationException"


def test_the_same_certificate_cannot_come_twice() -> None:
    world = World()
    leaf = world.issued_for_request(world.edge)
    ok(world.edge, "Import-ExchangeCertificate", FileData=world.ca.bundle(leaf))
    found = error(world.edge, "Import-ExchangeCertificate", FileData=leaf.public_bytes(Encoding.DER))
    assert f"A certificate with the thumbprint {thumbprint_of(leaf)} already exists." in found["message"]


def test_pfx_brings_key_and_chain() -> None:
    world = World()
    leaf, data = pfx(world, "geheim")
    ok(world.edge, "Import-ExchangeCertificate", FileData=data, Password=Secure("geheim"), PrivateKeyExportable=True)
    entry = world.edge.stores.my[thumbprint_of(leaf)]
    assert entry.key is not None
    assert entry.exportable
    assert list(world.edge.stores.ca) == [thumbprint_of(world.ca.intermediate)]


@pytest.mark.parametrize("password", [{}, {"Password": Secure("wrong")}])
def test_pfx_with_a_wrong_password_is_refused(password: dict[str, Secure]) -> None:
    world = World()
    found = error(world.edge, "Import-ExchangeCertificate", FileData=pfx(world, "right")[1], **password)
    assert found["message"] == "The specified network password is not correct."
    assert "wrong" not in str(found)


def test_an_ecc_key_imports_and_cannot_be_enabled_until_it_is_switched_on() -> None:
    world = World()
    leaf, data = pfx(world, "x", key=ec.generate_private_key(ec.SECP256R1()))
    ok(world.edge, "Import-ExchangeCertificate", FileData=data, Password=Secure("x"))
    enable = {"Thumbprint": thumbprint_of(leaf), "Services": "SMTP", "Force": True}
    assert "PrivateKeyUnsupportedAlgorithm" in error(world.edge, "Enable-ExchangeCertificate", **enable)["message"]
    world.edge.ecc_enabled = True
    ok(world.edge, "Enable-ExchangeCertificate", **enable)


@pytest.mark.parametrize(
    "data",
    [b"", b"<html></html>", b"0\x82\x01", "CERT".encode("utf-16"), b"-----BEGIN X-----\nMA==\n-----END X-----"],
)
def test_what_holds_no_certificate_is_refused(data: bytes) -> None:
    found = error(World().edge, "Import-ExchangeCertificate", FileData=data)
    assert found["message"].endswith("The source data is corrupted or not properly Base64 encoded.")


def test_a_csr_is_no_certificate() -> None:
    world = World()
    text = one(world.edge, "New-ExchangeCertificate", **REQUEST)["Value"]
    assert "corrupted" in error(world.edge, "Import-ExchangeCertificate", FileData=text.encode())["message"]


def test_2007_reads_a_file_on_the_server() -> None:
    world = World("2007")
    ok(world.mailbox, "New-ExchangeCertificate", **REQUEST, Path="c:\\r.req")
    csr = x509.load_pem_x509_csr(world.mailbox.read_file("c:\\r.req") or b"")
    leaf = world.ca.issue(csr.public_key())
    missing = error(world.mailbox, "Import-ExchangeCertificate", Path="c:\\example.cer")
    assert missing["message"] == "Could not find file 'c:\\example.cer'."
    world.mailbox.write_file("C:\\Example.cer", world.ca.bundle(leaf))
    shown = one(world.mailbox, "Import-ExchangeCertificate", ("Thumbprint",), Path="c:\\example.cer")
    assert shown == {"Thumbprint": thumbprint_of(leaf)}


def test_what_if_imports_nothing() -> None:
    world = World()
    leaf = world.issued_for_request(world.edge)
    before = world.edge.snapshot()
    assert ok(world.edge, "Import-ExchangeCertificate", FileData=world.ca.bundle(leaf), WhatIf=True) == []
    assert world.edge.snapshot() == before


@pytest.mark.parametrize(
    "identity", [{"Thumbprint": None}, {"Thumbprint": ""}, {"Identity": None}, {"Identity": "0" * 40}]
)
def test_an_empty_or_unknown_identity_lists_everything(identity: dict[str, str | None]) -> None:
    world = World()
    world.installed(world.mailbox)
    assert len(ok(world.mailbox, "Get-ExchangeCertificate", ("Thumbprint",), **identity)) == 2


def test_identity_names_server_and_thumbprint() -> None:
    world = World()
    thumbprint = world.installed(world.mailbox)
    for server in ("MBX1", "mbx1.corp.example"):
        shown = one(world.mailbox, "Get-ExchangeCertificate", ("Thumbprint",), Identity=f"{server}\\{thumbprint}")
        assert shown == {"Thumbprint": thumbprint}
    assert "couldn't be found" in error(world.mailbox, "Get-ExchangeCertificate", Server="MBX9")["message"]


def test_domain_name_lists_the_preferred_certificate_first() -> None:
    world = World()
    old = world.installed(world.edge)
    new = world.installed(world.edge, start=world.now)
    self_signed = one(world.edge, "New-ExchangeCertificate", ("Thumbprint",), SubjectName="CN=mail.example.com",
                      Force=True)["Thumbprint"]  # fmt: skip
    listed = ok(world.edge, "Get-ExchangeCertificate", ("Thumbprint",), DomainName=["mail.example.com"])
    assert [item["Thumbprint"] for item in listed] == [new, old, self_signed]


def test_export_gives_a_pfx_only_of_an_exportable_key() -> None:
    world = World()
    leaf, data = pfx(world, "x")
    ok(world.edge, "Import-ExchangeCertificate", FileData=data, Password=Secure("x"), PrivateKeyExportable=True)
    thumbprint = thumbprint_of(leaf)
    shown = one(world.edge, "Export-ExchangeCertificate", ("FileData",), Thumbprint=thumbprint, BinaryEncoded=True,
                Password=Secure("once"))  # fmt: skip
    key, certificate, chain = pkcs12.load_key_and_certificates(base64.b64decode(shown["FileData"]), b"once")
    assert (certificate, chain) == (leaf, [world.ca.intermediate])
    assert key is not None
    assert "password" in error(world.edge, "Export-ExchangeCertificate", Thumbprint=thumbprint)["message"]
    fixed = world.edge.internal_thumbprint
    found = error(world.edge, "Export-ExchangeCertificate", Thumbprint=fixed, Password=Secure("once"))
    assert "can't be exported" in found["message"]


def test_an_exported_request_is_the_csr() -> None:
    world = World()
    text = one(world.edge, "New-ExchangeCertificate", **REQUEST)["Value"]
    (thumbprint,) = world.edge.stores.pending
    assert one(world.edge, "Export-ExchangeCertificate", Thumbprint=thumbprint) == {"Value": text}
    assert run(world.edge, "Export-ExchangeCertificate", Thumbprint="0" * 40)["ok"] is False
