"""TLSA records: their owners, the lines to publish, and whether a published one matches what is shown."""

from __future__ import annotations

import hashlib

import pytest
from certificate_factory import csr_for, key, make, world
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.certificates.tlsa import tlsa_lines, tlsa_matches, tlsa_owner, tlsa_owners

LEAF = make("mx1.example.com", own_key=key("tlsa"), signer=world().intermediate)
CHAIN = (LEAF.der, world().intermediate.der)


def spki(der_of: object) -> bytes:
    public = der_of.key.public_key()  # type: ignore[attr-defined]
    return bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


@pytest.mark.parametrize(
    ("endpoint", "owner"),
    [
        ("MX1.Example.com:25", "_25._tcp.mx1.example.com"),
        ("mx1.example.com:587", "_587._tcp.mx1.example.com"),
        ("mx1.example.com", "_25._tcp.mx1.example.com"),
        ("mx1.example.com.:25", "_25._tcp.mx1.example.com"),
        ("192.0.2.1:2525", "_25._tcp.own.example.com"),
        ("[2001:db8::1]:25", "_25._tcp.own.example.com"),
    ],
)
def test_owner(endpoint: str, owner: str) -> None:
    assert tlsa_owner(endpoint, "own.example.com") == owner


def test_every_name_and_every_endpoint_once() -> None:
    owners = tlsa_owners(("mx1.example.com", "smtp.example.com"), ("mx1.example.com:25", "mx1.example.com:587"))
    assert owners == ("_25._tcp.mx1.example.com", "_25._tcp.smtp.example.com", "_587._tcp.mx1.example.com")


def test_the_record_of_a_csr_matches_the_certificate_that_is_issued_for_it() -> None:
    csr = read_csr(csr_for(key("tlsa")).public_bytes(Encoding.DER))
    (line,) = tlsa_lines(("_25._tcp.mx1.example.com",), csr.spki_sha256)
    owner, kind, content = line.split(" ", 2)
    assert (owner, kind) == ("_25._tcp.mx1.example.com.", "IN")
    assert tlsa_matches(content.removeprefix("TLSA "), CHAIN) is True


_LEAF, _INTERMEDIATE = spki(LEAF), spki(world().intermediate)
_SHA512 = hashlib.sha512(_LEAF).hexdigest()
_OF_LEAF, _OF_INTERMEDIATE = hashlib.sha256(_LEAF).hexdigest(), hashlib.sha256(_INTERMEDIATE).hexdigest()
#: Name of the case (keys are new each time) -> record, and what comes of it.
RECORDS: dict[str, tuple[str, bool | None]] = {
    "key of the leaf": (f"3 1 1 {_OF_LEAF}", True),
    "upper case": (f"3 1 1 {_OF_LEAF.upper()}", True),
    "SHA-512 in two parts": (f"3 1 2 {_SHA512[:60]} {_SHA512[60:]}", True),
    "whole certificate": (f"3 0 1 {hashlib.sha256(LEAF.der).hexdigest()}", True),
    "the key itself": (f"3 1 0 {_LEAF.hex()}", True),
    "key of the issuer as trust anchor": (f"2 1 1 {_OF_INTERMEDIATE}", True),
    "key of the leaf as trust anchor": (f"2 1 1 {_OF_LEAF}", False),
    "key of the issuer as end entity": (f"3 1 1 {_OF_INTERMEDIATE}", False),
    "key where the certificate should be": (f"3 0 1 {_OF_LEAF}", False),
    "usage for web browsers": (f"1 1 1 {_OF_LEAF}", None),
    "unknown matching type": (f"3 1 9 {_OF_LEAF}", None),
    "cut off": ("3 1", None),
    "empty": ("", None),
}


@pytest.mark.parametrize("name", RECORDS)
def test_matching(name: str) -> None:
    record, matches = RECORDS[name]
    assert tlsa_matches(record, CHAIN) is matches


@given(st.text(max_size=60), st.lists(st.binary(max_size=20), max_size=2))
def test_foreign_records_and_certificates_never_break_it(record: str, chain: list[bytes]) -> None:
    assert tlsa_matches(record, chain) in (True, False, None)
