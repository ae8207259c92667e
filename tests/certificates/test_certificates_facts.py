from __future__ import annotations

import hashlib
import ssl
from datetime import UTC, datetime

import pytest
from certificate_factory import AT, FQDN, key, make, with_sha1, world
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsrunbook.certificates.facts import certificate_facts, names_cover, normal_name
from tlsrunbook.errors import BadCertificateFile


def test_facts_of_a_leaf() -> None:
    made = make(
        FQDN,
        own_key=key("facts"),
        signer=world().intermediate,
        names=("MAIL.example.com", "smtp.example.com"),
        ekus=("serverAuth", "1.2.3.4"),
        begin=datetime(2026, 11, 1, tzinfo=UTC),
        days=2,
        issuer_url="http://ca.example/1.cer",
        serial=0xABCDEF,
    )
    facts = certificate_facts(made.der)
    assert facts.thumbprint == hashlib.sha1(made.der).hexdigest().upper()
    assert facts.sha256 == hashlib.sha256(made.der).hexdigest()
    assert (facts.subject, facts.issuer, facts.common_name) == ("CN=mail.example.com", "CN=Good CA 1", FQDN)
    assert facts.serial == "abcdef"
    assert facts.not_before == datetime(2026, 11, 1, tzinfo=UTC)
    assert facts.not_after == datetime(2026, 11, 2, 23, 59, 59, tzinfo=UTC)
    assert facts.names == (FQDN, "smtp.example.com")
    assert (facts.key_kind, facts.key_size, facts.signature_hash) == ("EC", 256, "sha256")
    assert facts.ekus == ("serverAuth", "1.2.3.4")
    assert not facts.is_ca
    assert not facts.self_signed
    assert facts.has_ski
    assert facts.issuer_urls == ("http://ca.example/1.cer",)
    assert facts.title == FQDN


def test_facts_of_a_root() -> None:
    facts = certificate_facts(world().root.der)
    assert facts.is_ca
    assert facts.self_signed
    assert facts.names == facts.ekus == facts.issuer_urls == ()


def test_self_signed_needs_the_signature_and_not_the_name_alone() -> None:
    namesake = make("Good Root", own_key=key("namesake"), signer=world().root)
    assert not certificate_facts(namesake.der).self_signed


@pytest.mark.parametrize(("kind", "expected"), [("rsa1024", ("RSA", 1024)), ("ed25519", ("Ed25519", 256))])
def test_kinds_of_keys(kind: str, expected: tuple[str, int]) -> None:
    facts = certificate_facts(make(FQDN, own_key=key(f"facts-{kind}", kind), signer=world().intermediate).der)
    assert (facts.key_kind, facts.key_size) == expected


def test_sha1_is_told() -> None:
    signer = world().rsa_intermediate
    made = with_sha1(make(FQDN, own_key=key("facts"), signer=signer), signer)
    assert certificate_facts(made.der).signature_hash == "sha1"


def test_every_root_of_this_computer_can_be_read() -> None:
    for der in ssl.create_default_context().get_ca_certs(binary_form=True):
        assert certificate_facts(der).self_signed or certificate_facts(der).is_ca


@pytest.mark.parametrize("der", [b"", b"\x30\x00", world().root.der[:-1]])
def test_what_is_no_certificate_is_refused(der: bytes) -> None:
    with pytest.raises(BadCertificateFile, match="cannot be read"):
        certificate_facts(der)


@pytest.mark.parametrize(
    ("names", "fqdn", "covered"),
    [
        ((FQDN,), FQDN, True),
        ((FQDN,), "MAIL.Example.com.", True),
        (("MAIL.example.com",), FQDN, True),
        (("*.example.com",), FQDN, True),
        (("*.example.com",), "example.com", False),
        (("*.example.com",), "a.mail.example.com", False),
        (("*.com",), "example.com", False),
        (("m*.example.com",), FQDN, False),
        (("mail.*.com",), FQDN, False),
        (("*",), "mail", False),
        (("*.example.com",), "*.example.com", True),
        (("*.example.com",), "*.mail.example.com", False),
        (("example.com",), FQDN, False),
        (("xn--bcher-kva.example",), "bücher.example", True),
        ((), FQDN, False),
        ((FQDN,), "", False),
        ((FQDN,), "bad\u2024.example", False),
    ],
)
def test_names_cover_by_rfc_6125(names: tuple[str, ...], fqdn: str, covered: bool) -> None:
    assert names_cover(names, fqdn) is covered


LABEL = st.sampled_from(["mail", "a", "b", "example", "xn--bcher-kva", "0"])
NAME = st.lists(LABEL, min_size=3, max_size=5).map(".".join)
PATTERN = NAME | st.lists(LABEL, min_size=2, max_size=4).map(lambda labels: "*." + ".".join(labels))


@settings(max_examples=150, deadline=None)
@given(st.lists(PATTERN, min_size=1, max_size=3), NAME)
def test_names_cover_as_the_verifier_of_cryptography_does(patterns: list[str], fqdn: str) -> None:
    leaf = make("x", own_key=key("facts"), signer=world().root, names=patterns)
    verifier = PolicyBuilder().store(Store([world().root.certificate])).time(AT)
    try:
        verifier.build_server_verifier(x509.DNSName(fqdn)).verify(leaf.certificate, [])
        accepted = True
    except VerificationError:
        accepted = False
    assert names_cover(certificate_facts(leaf.der).names, fqdn) is accepted


@given(st.text(max_size=30))
def test_normal_name_is_stable(name: str) -> None:
    once = normal_name(name)
    assert once.isascii()
    assert normal_name(once) == once or once.endswith((".", " "))
