from __future__ import annotations

import base64
import hashlib
import textwrap
from collections.abc import Callable

import pytest
from certificate_factory import FQDN, csr_for, damage, key, make, with_sha1_request, world
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, pkcs7
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsrunbook.certificates.csr import MAX_BYTES, read_csr, tlsa_3_1_1
from tlsrunbook.certificates.kinds import KINDS
from tlsrunbook.errors import BadCertificateFile

NAMES = (FQDN, "smtp.example.com")
CSR = csr_for(key("csr"), names=NAMES, C="DE", O="Muster, GmbH")
DER = CSR.public_bytes(Encoding.DER)
PEM = CSR.public_bytes(Encoding.PEM).decode()
NEW = PEM.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
BARE = "\n".join(textwrap.wrap(base64.b64encode(DER).decode(), 64)) + "\n"

SHAPES: dict[str, bytes | str] = {
    "text as Exchange gives it": NEW.replace("\n", "\r\n"),
    "pem": PEM.encode(),
    "pem with NEW": NEW.encode(),
    "pem with CRLF": NEW.replace("\n", "\r\n").encode(),
    "UTF-16 with byte order mark": NEW.encode("utf-16"),
    "UTF-16 without byte order mark, as Microsoft's page writes it": NEW.encode("utf-16-le"),
    "UTF-16 big endian without byte order mark": NEW.encode("utf-16-be"),
    "UTF-8 with byte order mark": NEW.encode("utf-8-sig"),
    "der": DER,
    "der with line end": DER + b"\r\n",
    "bare base64": BARE,
    "bare base64 on one line": base64.b64encode(DER),
    "bare base64 in UTF-16": BARE.encode("utf-16-le"),
    "text around": f"Bitte signieren – danke\n{NEW}\nGrüße".encode(),
    "quoted in a mail": textwrap.indent(NEW, "> "),
    "twice the same": NEW + PEM,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_request(shape: str) -> None:
    csr = read_csr(SHAPES[shape])
    assert csr.der == DER
    assert csr.pem == PEM
    assert csr.pem.isascii()
    assert "\r" not in csr.pem


def test_request_says_what_it_asks_for() -> None:
    csr = read_csr(PEM)
    assert csr.attributes == (("C", "DE"), ("O", "Muster, GmbH"), ("CN", FQDN))
    assert csr.subject == r"CN=mail.example.com,O=Muster\, GmbH,C=DE"
    assert (csr.common_name, csr.names, csr.asked_names) == (FQDN, NAMES, NAMES)
    assert (csr.key_kind, csr.key_size, csr.signature_hash) == ("EC", 256, "sha256")
    assert csr.signature_valid


def test_common_name_alone_is_asked_for_too() -> None:
    assert read_csr(csr_for(key("csr"), "Mail.Example.com", ()).public_bytes(Encoding.DER)).asked_names == (FQDN,)
    assert read_csr(csr_for(key("csr"), "Exchange mail", ()).public_bytes(Encoding.DER)).asked_names == ()


def test_tlsa_record_is_that_of_the_certificate_to_come() -> None:
    spki = key("csr").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert tlsa_3_1_1(read_csr(DER)) == f"3 1 1 {hashlib.sha256(spki).hexdigest()}"


def test_old_sha1_signature_of_exchange_2007_is_valid() -> None:
    own_key = key("old", "rsa2048")
    request = csr_for(own_key)
    old = read_csr(with_sha1_request(request, own_key))
    assert old.signature_hash == "sha1"
    assert old.signature_valid
    wrong = with_sha1_request(request, key("older", "rsa2048"))
    assert not read_csr(wrong).signature_valid


def test_altered_request_is_not_signed() -> None:
    altered = DER.replace(b"smtp.example.com", b"evil.example.com")
    assert not read_csr(altered).signature_valid


LEAF = make(FQDN, own_key=key("csr"), signer=world().intermediate)
INSTEAD: dict[str, tuple[str, bytes | str]] = {
    "nothing": ("empty", ""),
    "white space in UTF-16": ("empty", "\r\n \r\n".encode("utf-16")),
    "certificate": ("certificate", LEAF.pem),
    "certificate in DER": ("certificate", LEAF.der),
    "chain": ("certificate", pkcs7.serialize_certificates([LEAF.certificate], Encoding.DER)),
    "private key": (
        "private-key",
        key("csr").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ),
    "web page": ("html", "<html>"),
    "prose": ("unknown", "There is no request."),
    "cut off": ("cut-off", NEW[:-40]),
    "cut off DER": ("cut-off", DER[:-1]),
    "cut off base64": ("cut-off", BARE[:150]),
    "damaged": ("damaged", PEM.replace("MI", "M*", 1)),
    "rubbish behind": ("damaged", DER + b"rubbish"),
    "rubbish in armour": (
        "damaged",
        "-----BEGIN NEW CERTIFICATE REQUEST-----\nMAMCAQU=\n-----END NEW CERTIFICATE REQUEST-----",
    ),
    "two requests": ("several", PEM + csr_for(key("another")).public_bytes(Encoding.PEM).decode()),
    "far too large": ("too-large", "x" * (MAX_BYTES + 1)),
}


@pytest.mark.parametrize("case", INSTEAD)
def test_anything_else_is_named(case: str) -> None:
    kind, content = INSTEAD[case]
    with pytest.raises(BadCertificateFile) as caught:
        read_csr(content, where="EDGE1")
    assert caught.value.kind == kind
    assert caught.value.where == "EDGE1"
    assert caught.value.todo


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(SHAPES)), damage())
def test_broken_requests_raise_nothing_but_the_one_error(shape: str, damaged: Callable[[bytes], bytes]) -> None:
    whole = SHAPES[shape]
    content = damaged(whole.encode() if isinstance(whole, str) else whole)
    kind = kind_of(content)
    assert kind in {*KINDS, "valid", "altered"}
    assert kind != "valid" or read_csr(content).der == DER


def kind_of(content: bytes) -> str:
    try:
        return "valid" if read_csr(content).signature_valid else "altered"
    except BadCertificateFile as error:
        return error.kind
