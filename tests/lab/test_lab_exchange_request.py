"""New-ExchangeCertificate: the CSR's shape, the names rules, the pending entry, and self-signed certificates."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from exchange_world import REQUEST, World, command, error, ok, one, run

from tlsrunbook.lab.exchange.names import dn_text

LISTED = ("Thumbprint", "Subject", "Status", "Services", "CertificateDomains", "CertificateRequest", "IsSelfSigned",
          "RootCAType", "HasPrivateKey", "FriendlyName", "PublicKeySize", "PrivateKeyExportable")  # fmt: skip


def csr_of(world: World, **parameters: object) -> x509.CertificateSigningRequest:
    text = one(world.edge, "New-ExchangeCertificate", **{**REQUEST, **parameters})["Value"]
    return x509.load_pem_x509_csr(text.encode("ascii"))


def names_of(csr: x509.CertificateSigningRequest) -> list[str]:
    try:
        san = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return san.get_values_for_type(x509.DNSName)


def test_request_is_pem_with_microsofts_header_and_a_real_key() -> None:
    world = World()
    text = one(world.edge, "New-ExchangeCertificate", **REQUEST)["Value"]
    assert text.startswith("-----BEGIN NEW CERTIFICATE REQUEST-----\r\n")
    assert text.endswith("-----END NEW CERTIFICATE REQUEST-----\r\n")
    csr = x509.load_pem_x509_csr(text.encode("ascii"))
    assert csr.is_signature_valid
    assert isinstance(key := csr.public_key(), rsa.RSAPublicKey)
    assert key.key_size == 2048


def test_request_has_the_observed_shape() -> None:
    csr = csr_of(World())
    assert [r.get_attributes_for_oid(r._attributes[0].oid)[0].value for r in csr.subject.rdns] == [
        "mail.example.com", "Example Corp", "GB",
    ]  # fmt: skip
    usage = csr.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.public_bytes().hex() == "030205a0"
    assert csr.extensions.get_extension_for_class(x509.BasicConstraints).critical
    assert csr.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert [a.oid.dotted_string for a in csr.attributes] == [
        "1.3.6.1.4.1.311.13.2.3", "1.3.6.1.4.1.311.21.20", "1.3.6.1.4.1.311.13.2.2", "1.2.840.113549.1.9.14",
    ]  # fmt: skip
    assert "Microsoft RSA SChannel Cryptographic Provider".encode("utf-16-be") in csr.public_bytes(Encoding.DER)


@pytest.mark.parametrize("size", [1024, 2048])
def test_key_size_is_as_asked(size: int) -> None:
    key = csr_of(World(), KeySize=size).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == size


def test_cn_is_in_the_san_too() -> None:
    assert names_of(csr_of(World(), DomainName=["mx.example.com"])) == ["mail.example.com", "mx.example.com"]


def test_one_name_needs_no_san() -> None:
    assert names_of(csr_of(World(), DomainName=["MAIL.example.com"])) == []


def test_without_names_the_servers_internal_names_slip_in() -> None:
    world = World()
    text = one(world.edge, "New-ExchangeCertificate", GenerateRequest=True, SubjectName="CN=mail.example.com")["Value"]
    csr = x509.load_pem_x509_csr(text.encode())
    assert names_of(csr) == ["mail.example.com", "EDGE1", "edge1.corp.example"]


def test_include_switches_replace_the_default_names() -> None:
    world = World()
    parameters = {"GenerateRequest": True, "SubjectName": "CN=mail.example.com", "IncludeAcceptedDomains": True}
    text = one(world.mailbox, "New-ExchangeCertificate", **parameters, IncludeAutoDiscover=True)["Value"]
    assert names_of(x509.load_pem_x509_csr(text.encode())) == [
        "mail.example.com", "example.com", "example.net", "autodiscover.example.com", "autodiscover.example.net",
    ]  # fmt: skip


def test_pending_entry_has_its_own_thumbprint_and_the_csr() -> None:
    world = World()
    csr = csr_of(world, FriendlyName="smtp 2026", PrivateKeyExportable=True)
    entry = ok(world.edge, "Get-ExchangeCertificate", LISTED)[1]
    assert base64.b64decode(entry["CertificateRequest"]) == csr.public_bytes(Encoding.DER)
    assert len(entry["Thumbprint"]) == 40
    assert {key: entry[key] for key in LISTED if key not in ("Thumbprint", "CertificateRequest")} == {
        "Subject": "C=GB, O=Example Corp, CN=mail.example.com",
        "Status": "PendingRequest",
        "Services": "None",
        "CertificateDomains": ["mail.example.com", "mx.example.com"],
        "IsSelfSigned": "False",
        "RootCAType": "Unknown",
        "HasPrivateKey": "True",
        "FriendlyName": "smtp 2026",
        "PublicKeySize": "2048",
        "PrivateKeyExportable": "True",
    }
    assert entry["Subject"] == dn_text(csr.subject)


def test_two_requests_are_two_entries_with_two_keys() -> None:
    world = World()
    first, second = csr_of(world), csr_of(world)
    assert first.public_key() != second.public_key()
    assert len(world.edge.stores.pending) == 2


def test_binary_encoded_gives_der_as_file_data() -> None:
    item = one(World().edge, "New-ExchangeCertificate", ("FileData",), **REQUEST, BinaryEncoded=True)
    assert x509.load_der_x509_csr(base64.b64decode(item["FileData"])).is_signature_valid


def test_binary_encoded_needs_a_request() -> None:
    found = error(World().edge, "New-ExchangeCertificate", BinaryEncoded=True)
    assert "can only be used with the GenerateRequest parameter" in found["message"]


def test_2013_writes_the_request_to_a_file() -> None:
    world = World("2013")
    assert ok(world.edge, "New-ExchangeCertificate", **REQUEST, RequestFile=r"\\fs\c$\Example.req") == []
    content = world.edge.read_file(r"\\FS\C$\example.req")
    assert content is not None
    assert x509.load_pem_x509_csr(content).is_signature_valid


def test_2007_writes_a_file_and_shows_the_pending_request() -> None:
    world = World("2007")
    shown = one(world.mailbox, "New-ExchangeCertificate", ("Thumbprint",), **REQUEST, Path="c:\\example.req")
    assert list(world.mailbox.stores.pending) == [shown["Thumbprint"]]
    again = error(world.mailbox, "New-ExchangeCertificate", **REQUEST, Path="c:\\example.req")
    assert again["message"] == "The file 'c:\\example.req' already exists."
    ok(world.mailbox, "New-ExchangeCertificate", **REQUEST, Path="c:\\example.req", Force=True)


def test_2007_needs_the_path() -> None:
    assert "Path parameter" in error(World("2007").mailbox, "New-ExchangeCertificate", **REQUEST)["message"]


@pytest.mark.parametrize("bad", ["under_score.example.com", "a b.example.com", "x" * 256, "mail.*.example.com", ""])
def test_domain_name_with_other_characters_is_refused(bad: str) -> None:
    found = error(World().edge, "New-ExchangeCertificate", GenerateRequest=True, DomainName=["mail.example.com", bad])
    assert "isn't valid" in found["message"]


def test_friendly_name_is_shorter_than_64() -> None:
    world = World()
    assert "64 characters" in error(world.edge, "New-ExchangeCertificate", **REQUEST, FriendlyName="x" * 64)["message"]
    ok(world.edge, "New-ExchangeCertificate", **REQUEST, FriendlyName="x" * 63)


def test_what_if_makes_nothing() -> None:
    world = World()
    before = world.edge.snapshot()
    assert ok(world.edge, "New-ExchangeCertificate", **REQUEST, WhatIf=True) == []
    assert world.edge.snapshot() == before


def test_renewal_by_pipeline_takes_subject_and_names() -> None:
    world = World()
    world.installed(world.edge)
    first = command("Get-ExchangeCertificate", {"DomainName": ["mx.example.com"]})
    second = command("New-ExchangeCertificate", {"GenerateRequest": True})
    answer = world.edge.execute([first, second], ["Value"])
    csr = x509.load_pem_x509_csr(answer["objects"][0]["Value"].encode())
    assert names_of(csr) == ["mail.example.com", "mx.example.com"]


def test_self_signed_with_smtp_asks_about_the_default_certificate() -> None:
    world = World()
    found = error(world.mailbox, "New-ExchangeCertificate", SubjectName="CN=other")
    assert "Overwrite the existing default SMTP certificate?" in found["message"]
    shown = one(world.mailbox, "New-ExchangeCertificate", ("Thumbprint", "Services", "IsSelfSigned", "Status"),
                SubjectName="CN=other", Force=True)  # fmt: skip
    assert (shown["Services"], shown["IsSelfSigned"], shown["Status"]) == ("IMAP, POP, SMTP", "True", "Valid")
    assert world.mailbox.internal_thumbprint == shown["Thumbprint"]


def test_self_signed_without_smtp_leaves_the_default_alone() -> None:
    world = World()
    before = world.mailbox.internal_thumbprint
    assert run(world.mailbox, "New-ExchangeCertificate", SubjectName="CN=other", Services="IMAP")["ok"]
    assert world.mailbox.internal_thumbprint == before
