from __future__ import annotations

import base64
import io
import textwrap
import zipfile
from collections.abc import Callable

import pytest
from certificate_factory import FQDN, csr_for, damage, key, make, world
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.certificates.kinds import KINDS
from tlsrunbook.certificates.reply import MAX_BYTES, MAX_ZIP_ENTRIES, holds_private_key, read_reply
from tlsrunbook.errors import BadCertificateFile

LEAF = make(FQDN, own_key=key("reply"), signer=world().intermediate, serial=4711)
SENT = [world().upper, LEAF, world().intermediate]
DERS = tuple(made.der for made in SENT)
PEM = b"".join(made.pem for made in SENT)
P7B_DER = pkcs7.serialize_certificates([made.certificate for made in SENT], Encoding.DER)
P7B_PEM = pkcs7.serialize_certificates([made.certificate for made in SENT], Encoding.PEM)
BASE64 = base64.b64encode(LEAF.der).decode()


def lines(data: bytes, end: str = "\n") -> str:
    return end.join(textwrap.wrap(base64.b64encode(data).decode(), 64)) + end


def armour(label: str, data: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{lines(data)}-----END {label}-----\n".encode()


def zipped(*files: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()


def in_ber() -> bytes:
    """PKCS #7 as some Windows CAs write it: the outer lengths are left open."""
    signed_data = P7B_DER[P7B_DER.index(bytes.fromhex("06092a864886f70d010702")) + 11 :]
    content = signed_data[4:] if signed_data[1] == 0x82 else signed_data[3:]
    return b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80" + content + b"\x00\x00\x00\x00"


WHOLE: dict[str, bytes] = {
    "pem": PEM,
    "pem-crlf": PEM.replace(b"\n", b"\r\n"),
    "pem-cr": PEM.replace(b"\n", b"\r"),
    "pem-without-last-line-end": PEM.rstrip(),
    "pem-utf-8-bom": b"\xef\xbb\xbf" + PEM,
    "pem-utf-16-with-bom": PEM.decode().encode("utf-16"),
    "pem-utf-16-le-without-bom": PEM.decode().encode("utf-16-le"),
    "pem-utf-16-be-without-bom": PEM.decode().encode("utf-16-be"),
    "pem-in-a-mail": "Sehr geehrte Damen und Herren,\r\nanbei – wie gewünscht:\r\n\r\n".encode()
    + PEM
    + b"\r\nRegards\r\n-- \r\nCA",
    "pem-quoted-in-a-mail": b"".join(b"> " + line for line in PEM.splitlines(keepends=True)),
    "pem-indented": textwrap.indent(PEM.decode(), "    ").encode(),
    "pem-with-dashes-of-a-word-processor": PEM.replace(b"-----", "\u2013----".encode()),
    "pem-with-openssl-text": b"subject=CN=x\nissuer=CN=y\n" + PEM,
    "pem-in-json": b'{"certificate": "' + PEM.replace(b"\n", b"\\n") + b'"}',
    "pem-in-a-web-page": b"<html><body><pre>\n" + PEM + b"</pre></body></html>",
    "pem-one-line": b"".join(armour("CERTIFICATE", der).replace(b"\n", b" ") for der in DERS),
    "pem-x509-label": b"".join(armour("X509 CERTIFICATE", der) for der in DERS),
    "pem-twice": PEM + PEM,
    "pem-with-csr-beside": csr_for(key("reply")).public_bytes(Encoding.PEM) + PEM,
    "der-side-by-side": b"".join(DERS),
    "p7b-der": P7B_DER,
    "p7b-ber": in_ber(),
    "p7b-pem": P7B_PEM,
    "p7b-bare-base64": lines(P7B_DER).encode(),
    "p7b-bare-base64-utf-16": lines(P7B_DER, "\r\n").encode("utf-16"),
    "p7b-in-certificate-armour": armour("CERTIFICATE", P7B_DER),
    "p7b-windows-label": armour("PKCS #7 SIGNED DATA", P7B_DER),
    "p7b-windows-label-crlf": armour("PKCS7", P7B_DER).replace(b"\n", b"\r\n"),
    "zip-of-pem": zipped(("bundle.pem", PEM)),
    "zip-of-three": zipped(("a/upper.cer", DERS[0]), ("a/mail.crt", SENT[1].pem), ("a/ca.der", DERS[2])),
    "zip-of-p7b-and-clutter": zipped(
        ("__MACOSX/._m.p7b", b"\x00\x05\x16"), ("read me.txt", b"Install it."), ("m.p7b", P7B_DER)
    ),
    "zip-of-utf-16": zipped(("m.txt", PEM.decode().encode("utf-16"))),
}

ALONE: dict[str, bytes] = {
    "der": LEAF.der,
    "der-with-line-end": LEAF.der + b"\r\n",
    "bare-base64": BASE64.encode(),
    "bare-base64-lines": lines(LEAF.der).encode(),
    "bare-base64-lines-crlf-utf-16": lines(LEAF.der, "\r\n").encode("utf-16-le"),
    "bare-base64-with-text-around": b"Here it is:\n\n" + lines(LEAF.der).encode() + b"\nKind regards, the CA.\n",
    "trusted-certificate": armour("TRUSTED CERTIFICATE", LEAF.der + bytes.fromhex("300c300a06082b06010505070301")),
}


@pytest.mark.parametrize("shape", WHOLE)
def test_every_shape_gives_the_certificates_in_their_order(shape: str) -> None:
    found = read_reply(WHOLE[shape])
    # PKCS #7 is a SET: its order is the writer's.
    assert sorted(found) == sorted(DERS) if "p7b" in shape else found == DERS


@pytest.mark.parametrize("shape", ALONE)
def test_every_shape_gives_a_certificate_alone(shape: str) -> None:
    assert read_reply(ALONE[shape]) == (LEAF.der,)


def private(
    encryption: bool = False, form: PrivateFormat = PrivateFormat.PKCS8, encoding: Encoding = Encoding.PEM
) -> bytes:
    how = BestAvailableEncryption(b"secret") if encryption else NoEncryption()
    return key("reply").private_bytes(encoding, form, how)


def pfx() -> bytes:
    own_key = key("reply")
    assert isinstance(own_key, ec.EllipticCurvePrivateKey)
    return pkcs12.serialize_key_and_certificates(
        b"x", own_key, LEAF.certificate, None, BestAvailableEncryption(b"secret")
    )


def crl() -> bytes:
    begin = LEAF.certificate.not_valid_before_utc
    builder = x509.CertificateRevocationListBuilder().issuer_name(world().root.certificate.subject)
    made = builder.last_update(begin).next_update(LEAF.certificate.not_valid_after_utc)
    own_key = world().root.key
    assert isinstance(own_key, ec.EllipticCurvePrivateKey)
    return made.sign(own_key, LEAF.certificate.signature_hash_algorithm).public_bytes(Encoding.PEM)


def with_password() -> bytes:
    data = bytearray(zipped(("m.pem", PEM)))
    for place in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        data[place] |= 1
    return bytes(data)


INSTEAD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": ("empty", lambda: b""),
    "white space": ("empty", lambda: b"\r\n  \r\n"),
    "only a byte order mark": ("empty", lambda: b"\xff\xfe"),
    "empty block": ("empty", lambda: armour("CERTIFICATE", b"")),
    "prose": ("unknown", lambda: b"Your order 4711 is being processed."),
    "binary rubbish": ("unknown", lambda: bytes(range(256)) * 4),
    "other DER": ("unknown", lambda: bytes.fromhex("3003020105")),
    "web page": ("html", lambda: b"<!DOCTYPE html><html><head><title>Log on</title></head></html>"),
    "web page in UTF-16": ("html", lambda: "\ufeff<html>Log on</html>".encode("utf-16-le")),
    "csr": ("csr", lambda: csr_for(key("reply")).public_bytes(Encoding.PEM)),
    "csr in DER": ("csr", lambda: csr_for(key("reply")).public_bytes(Encoding.DER)),
    "csr in certificate armour": ("csr", lambda: armour("CERTIFICATE", csr_for(key("r")).public_bytes(Encoding.DER))),
    "csr in a ZIP": ("csr", lambda: zipped(("m.req", csr_for(key("reply")).public_bytes(Encoding.PEM)))),
    "private key": ("private-key", private),
    "encrypted private key": ("private-key", lambda: private(encryption=True)),
    "traditional private key": ("private-key", lambda: private(form=PrivateFormat.TraditionalOpenSSL)),
    "private key in DER": ("private-key", lambda: private(encoding=Encoding.DER)),
    "traditional private key in DER": (
        "private-key",
        lambda: private(form=PrivateFormat.TraditionalOpenSSL, encoding=Encoding.DER),
    ),
    "encrypted private key in DER": ("private-key", lambda: private(encryption=True, encoding=Encoding.DER)),
    "pfx": ("pfx", pfx),
    "pfx in base64": ("pfx", lambda: lines(pfx()).encode()),
    "pfx in a ZIP": ("pfx", lambda: zipped(("m.pfx", pfx()))),
    "crl": ("crl", crl),
    "public key": (
        "public-key",
        lambda: key("reply").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ),
    "pgp": ("pgp", lambda: b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n"),
    "p7b with nothing in it": (
        "p7b-empty",
        lambda: bytes.fromhex("302506092a864886f70d010702a01830160201013100300b06092a864886f70d010701a0003100"),
    ),
    "cut-off DER": ("cut-off", lambda: LEAF.der[:-1]),
    "cut-off p7b": ("cut-off", lambda: P7B_DER[:-20]),
    "cut-off base64": ("cut-off", BASE64[:100].encode),
    "block without an end": ("cut-off", lambda: PEM[:-30]),
    "block that lost lines": (
        "cut-off",
        lambda: LEAF.pem.replace(b"\n", b"#", 2).split(b"#")[0] + b"\n" + LEAF.pem[-120:],
    ),
    "second block cut off": ("cut-off", lambda: SENT[0].pem + SENT[1].pem[:200]),
    "second of two in DER cut off": ("cut-off", lambda: DERS[0] + DERS[1][:-5]),
    "wrong characters": ("damaged", lambda: LEAF.pem.replace(b"MII", b"M*I", 1)),
    "rubbish in armour": ("damaged", lambda: armour("CERTIFICATE", bytes.fromhex("3003020105"))),
    "damaged ZIP": ("zip-damaged", lambda: zipped(("m.pem", PEM))[:-40]),
    "ZIP with a password": ("zip-encrypted", with_password),
    "ZIP of documents": ("zip-empty", lambda: zipped(("[Content_Types].xml", b"<Types/>"), ("a.txt", b"hello"))),
    "ZIP in a ZIP": ("zip-empty", lambda: zipped(("inner.zip", zipped(("m.pem", PEM))))),
    "ZIP with half a certificate": ("cut-off", lambda: zipped(("a.cer", DERS[0]), ("b.cer", DERS[1][:-9]))),
    "ZIP bomb": ("too-large", lambda: zipped(("bomb", bytes(MAX_BYTES + 1)))),
    "ZIP bomb in parts": ("too-large", lambda: zipped(*((f"{n}", bytes(MAX_BYTES // 4)) for n in range(6)))),
    "ZIP of very many": ("too-large", lambda: zipped(*((f"{n}", b"") for n in range(MAX_ZIP_ENTRIES + 1)))),
    "far too large": ("too-large", lambda: bytes(MAX_BYTES + 1)),
}


@pytest.mark.parametrize(
    "content",
    [
        lambda: PEM + private(),
        lambda: private(encryption=True) + PEM,
        lambda: (PEM + private()).decode().encode("utf-16"),
        lambda: private(encoding=Encoding.DER),
        lambda: PEM + private()[:-40],
        pfx,
        lambda: zipped(("m.pem", PEM), ("m.key", private())),
        lambda: zipped(("m.pem", PEM), ("m.pfx", pfx())),
    ],
)
def test_a_private_key_is_found_wherever_it_stands(content: Callable[[], bytes]) -> None:
    assert holds_private_key(content())


@pytest.mark.parametrize("shape", [*WHOLE, *ALONE])
def test_no_private_key_is_seen_where_there_is_none(shape: str) -> None:
    assert not holds_private_key({**WHOLE, **ALONE}[shape])


@pytest.mark.parametrize("case", INSTEAD)
def test_anything_else_is_named(case: str) -> None:
    kind, content = INSTEAD[case]
    with pytest.raises(BadCertificateFile) as caught:
        read_reply(content(), where="inbox/mail.cer")
    assert caught.value.kind == kind
    assert str(caught.value).startswith("inbox/mail.cer: ")
    assert caught.value.todo


def test_every_kind_has_a_case() -> None:
    assert {kind for kind, _ in INSTEAD.values()} == set(KINDS) - {"certificate", "several"}


def test_no_error_holds_a_private_key() -> None:
    data = private()
    with pytest.raises(BadCertificateFile) as caught:
        read_reply(data)
    assert data.splitlines()[1].decode()[:20] not in repr(caught.value.__dict__) + str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*WHOLE, *ALONE, "pfx", "private key"]), damage())
def test_broken_replies_raise_nothing_but_the_one_error(shape: str, damaged: Callable[[bytes], bytes]) -> None:
    content = WHOLE.get(shape) or ALONE.get(shape) or INSTEAD[shape][1]()
    found, kind = outcome(damaged(content))
    assert kind in KINDS if kind else found
    assert all(certificate_facts(der).thumbprint for der in found)


def outcome(content: bytes) -> tuple[tuple[bytes, ...], str]:
    try:
        return read_reply(content), ""
    except BadCertificateFile as error:
        return (), error.kind


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_raise_nothing_but_the_one_error(content: bytes) -> None:
    for data in (content, b"\x30\x82" + content, b"-----BEGIN CERTIFICATE-----\n" + content, b"PK\x03\x04" + content):
        with pytest.raises(BadCertificateFile):
            read_reply(data)
