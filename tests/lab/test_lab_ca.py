from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tlsrunbook.lab.ca import CLIENT_AUTH, SERVER_AUTH, CsrRefused, LabCA

FQDN = "mx1.london.example.net"
KEY = ec.generate_private_key(ec.SECP256R1())


def csr_for(*names: str, cn: str = FQDN, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = KEY) -> str:
    subject = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "GB"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example Corp"),
    ]
    if cn:
        subject.append(x509.NameAttribute(NameOID.COMMON_NAME, cn))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode("ascii")


def verify(ca: LabCA, leaf: x509.Certificate, name: str = FQDN) -> list[x509.Certificate]:
    verifier = PolicyBuilder().store(Store([ca.root])).build_server_verifier(x509.DNSName(name))
    return verifier.verify(leaf, list(ca.intermediates))


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_cryptographys_verifier_accepts_what_the_ca_issues(kind: str) -> None:
    ca = LabCA(keys=kind, aia="http://127.0.0.1:1/issuers")  # type: ignore[arg-type]
    chain = verify(ca, ca.issue(csr_for(FQDN, "mail.london.example.net")), "mail.london.example.net")
    assert [len(chain), chain[1], chain[2]] == [3, ca.intermediate, ca.root]


def test_a_leaf_certifies_the_key_of_the_csr() -> None:
    assert LabCA().issue(csr_for()).public_key() == KEY.public_key()


def test_a_leaf_has_the_cn_among_its_names_when_the_csr_lists_none() -> None:
    names = LabCA().issue(csr_for()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [FQDN]


def test_a_leaf_keeps_the_cn_and_drops_the_organization_unless_told_otherwise() -> None:
    ca = LabCA()
    assert ca.issue(csr_for()).subject.rfc4514_string() == f"CN={FQDN}"
    assert ca.issue(csr_for(), keep_organization=True).subject.rfc4514_string() == f"CN={FQDN},O=Example Corp,C=GB"


def test_a_leaf_lives_ninety_days_counted_with_both_ends() -> None:
    leaf = LabCA().issue(csr_for())
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc + timedelta(seconds=1) == timedelta(days=90)
    assert leaf.not_valid_before_utc < datetime.now(UTC) < leaf.not_valid_after_utc


def test_a_leaf_is_for_servers_only_unless_told_otherwise() -> None:
    ca = LabCA()

    def usages(leaf: x509.Certificate) -> list[x509.ObjectIdentifier]:
        return list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)

    assert usages(ca.issue(csr_for())) == [SERVER_AUTH]
    assert usages(ca.issue(csr_for(), usages=(CLIENT_AUTH,))) == [CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        usages(ca.issue(csr_for(), usages=()))


def test_a_leaf_says_where_its_issuer_can_be_fetched() -> None:
    ca = LabCA(aia="http://127.0.0.1:1/issuers/")
    access = ca.issue(csr_for()).extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [item.access_location.value for item in access] == ["http://127.0.0.1:1/issuers/1.cer"]


def test_a_rotated_intermediate_signs_from_then_on_and_older_leaves_stay_valid() -> None:
    ca = LabCA()
    old = ca.issue(csr_for())
    first = ca.intermediate
    second = ca.rotate_intermediate()
    new = ca.issue(csr_for())
    assert ca.issuer_of(old) == first
    assert ca.issuer_of(new) == second
    assert first.subject != second.subject
    assert verify(ca, old)[1] == first
    assert verify(ca, new)[1] == second


def test_a_wrong_key_an_early_date_and_other_names_are_defects_on_request() -> None:
    ca = LabCA()
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert ca.issue(csr_for(), public_key=other).public_key() == other
    expired = ca.issue(csr_for(), not_before=datetime.now(UTC) - timedelta(days=100))
    with pytest.raises(VerificationError):
        verify(ca, expired)
    with pytest.raises(VerificationError):
        verify(ca, ca.issue(csr_for(), names=["www.london.example.net"]))


def test_the_reply_is_leaf_and_intermediate_in_pem_or_pkcs7() -> None:
    ca = LabCA()
    leaf = ca.issue(csr_for())
    assert x509.load_pem_x509_certificates(ca.reply(leaf)) == [leaf, ca.intermediate]
    assert x509.load_pem_x509_certificates(ca.reply(leaf, with_intermediate=False)) == [leaf]
    bundle = pkcs7.load_der_pkcs7_certificates(ca.reply(leaf, shape="p7b"))
    assert set(bundle) == {leaf, ca.intermediate}


def test_nobodys_leaf_has_no_issuer_here() -> None:
    with pytest.raises(LookupError, match="mx1"):
        LabCA("one").issuer_of(LabCA("two").issue(csr_for()))


@pytest.mark.parametrize("name", ["mbx1", "mbx1.corp.local", "mx.london.test", "under_score.example.net", "a..net"])
def test_names_that_no_public_ca_signs_are_refused(name: str) -> None:
    with pytest.raises(CsrRefused, match=name):
        LabCA().issue(csr_for(FQDN, name))


def test_a_csr_without_any_name_is_refused() -> None:
    with pytest.raises(CsrRefused, match="names no domain"):
        LabCA().issue(csr_for(cn=""))


def test_a_short_key_is_refused_with_its_size() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    with pytest.raises(CsrRefused, match="1024 bits"):
        LabCA().issue(csr_for(key=weak))


def test_a_csr_whose_signature_is_bad_is_refused() -> None:
    good = x509.load_pem_x509_csr(csr_for().encode()).public_bytes(Encoding.DER)
    bad = good.replace(b"Example Corp", b"Exemple Corp")
    pem = x509.load_der_x509_csr(bad).public_bytes(Encoding.PEM).decode()
    with pytest.raises(CsrRefused, match="signature"):
        LabCA().issue(pem)


def test_what_is_no_csr_is_refused() -> None:
    with pytest.raises(CsrRefused, match="not a certificate request"):
        LabCA().issue(LabCA().root_pem)
