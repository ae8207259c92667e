import base64
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from exchange_targets import THUMBPRINT

from tlsrunbook.errors import DecodeError
from tlsrunbook.exchange.cmdlets_certificate import CERTIFICATE_PROPERTIES
from tlsrunbook.exchange.command import Projected, Reply
from tlsrunbook.exchange.decode import (
    decode_certificates,
    decode_export,
    decode_import,
    decode_request,
    decode_store,
    thumbprint_of,
)
from tlsrunbook.secret import Secret, SecretBytes

BEFORE, AFTER = datetime(2026, 11, 24, tzinfo=UTC), datetime(2027, 6, 1, 12, 30, tzinfo=UTC)


@cache
def der() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mail.Example.com")])
    names = [x509.DNSName("mail.example.com"), x509.DNSName("MX.example.com")]
    builder = x509.CertificateBuilder(
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example CA")]),
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=7,
        not_valid_before=BEFORE,
        not_valid_after=AFTER,
    ).add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def whole(**changes: Projected) -> Reply:
    raw = der()
    item: dict[str, Projected] = {
        "Thumbprint": thumbprint_of(raw),
        "Subject": "CN=mail.example.com",
        "Issuer": "CN=Example CA",
        "TlsCertificateName": "<I>CN=Example CA<S>CN=mail.example.com",
        "NotBefore": "2026-11-24T00:00:00.0000000Z",
        "NotAfter": "2027-06-01T12:30:00Z",
        "CertificateDomains": ("Mail.example.com",),
        "Services": "IIS, SMTP",
        "Status": "Valid",
        "IsSelfSigned": "False",
        "HasPrivateKey": "True",
        "PublicKeySize": "2048",
        "FriendlyName": "smtp 2026-11",
        "RawData": base64.b64encode(raw).decode(),
        "CertificateRequest": None,
    }
    assert tuple(item) == CERTIFICATE_PROPERTIES
    return Reply((item | changes,))


def test_a_certificate_is_read() -> None:
    (certificate,) = decode_certificates(whole())
    assert certificate.thumbprint == thumbprint_of(der())
    assert certificate.tls_certificate_name == "<I>CN=Example CA<S>CN=mail.example.com"
    assert (certificate.not_before, certificate.not_after) == (BEFORE, AFTER)
    assert certificate.names == ("mail.example.com",)
    assert certificate.services == {"IIS", "SMTP"}
    assert (certificate.status, certificate.self_signed, certificate.has_private_key) == ("Valid", False, True)
    assert (certificate.key_size, certificate.friendly_name, certificate.raw) == (2048, "smtp 2026-11", der())
    assert certificate.request == ""
    assert certificate.serves_smtp
    assert not certificate.pending


@pytest.mark.parametrize("how", ["null", "left out"])
def test_raw_data_alone_is_rebuilt_and_what_it_cannot_tell_stays_unknown(how: str) -> None:
    nothing: dict[str, Projected] = dict.fromkeys(CERTIFICATE_PROPERTIES) if how == "null" else {}
    reply = Reply(({**nothing, "RawData": base64.b64encode(der()).decode()},))
    (certificate,) = decode_certificates(reply)
    assert certificate.thumbprint == thumbprint_of(der())
    assert (certificate.not_before, certificate.not_after) == (BEFORE, AFTER)
    assert certificate.names == ("mail.example.com", "mx.example.com")
    assert certificate.key_size == 2048
    assert (certificate.subject, certificate.issuer, certificate.tls_certificate_name) == ("", "", "")
    assert (certificate.services, certificate.has_private_key, certificate.self_signed) == (None, None, False)
    assert certificate.status == "Unknown"
    assert not certificate.serves_smtp


def test_the_name_the_server_spelled_from_raw_data_tells_issuer_and_subject_too() -> None:
    name = "<I>CN=Example CA, O=Example<S>CN=mail.example.com"
    item = {"RawData": base64.b64encode(der()).decode(), "TlsCertificateName": name}
    (certificate,) = decode_certificates(Reply((item,)))
    assert certificate.tls_certificate_name == name
    assert (certificate.issuer, certificate.subject) == ("CN=Example CA, O=Example", "CN=mail.example.com")


def test_a_name_without_an_issuer_is_none() -> None:
    (certificate,) = decode_certificates(whole(Issuer=None, Subject=None, TlsCertificateName="<I><S>"))
    assert certificate.tls_certificate_name == ""
    (without_subject,) = decode_certificates(whole(Subject="", TlsCertificateName="<I>CN=Example CA<S>"))
    assert without_subject.tls_certificate_name == "<I>CN=Example CA<S>"


def test_a_pending_request_is_read_with_its_request() -> None:
    changes = {
        "Thumbprint": THUMBPRINT,
        "RawData": None,
        "Status": "PendingRequest",
        "Services": "None",
        "CertificateRequest": "MIIB",
        "TlsCertificateName": "<I>CN=mail.example.com<S>CN=mail.example.com",
    }
    (certificate,) = decode_certificates(whole(**changes))
    assert certificate.pending
    assert (certificate.request, certificate.raw, certificate.services) == ("MIIB", b"", frozenset())


def test_an_old_version_without_the_newer_properties_is_read() -> None:
    (item,) = whole().objects
    old = {name: value for name, value in item.items() if name not in ("CertificateRequest", "TlsCertificateName")}
    (certificate,) = decode_certificates(Reply((old,)))
    assert (certificate.request, certificate.tls_certificate_name) == ("", "")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"Thumbprint": "A" * 40}, "Thumbprint does not belong to RawData"),
        ({"Thumbprint": "abc", "RawData": None}, "Thumbprint is not 40 upper-case hex digits"),
        ({"Thumbprint": None, "RawData": None}, "Thumbprint is not 40 upper-case hex digits"),
        ({"RawData": "%%%"}, "RawData is not base64"),
        ({"RawData": "MIIB"}, "RawData is not a certificate"),
        ({"NotAfter": "06/01/2027 12:30:00"}, "NotAfter is not an ISO 8601 time in UTC"),
        ({"NotAfter": "2027-06-01T12:30:00"}, "NotAfter is not an ISO 8601 time in UTC"),
        ({"NotAfter": "2027-06-01T12:30:00+02:00"}, "NotAfter is not an ISO 8601 time in UTC"),
        ({"NotAfter": "2027-13-01T12:30:00Z"}, "NotAfter is not a date"),
        ({"NotBefore": None, "RawData": None}, "NotBefore is empty, and there is no RawData"),
        ({"Services": "SMTP, Fax"}, "Services holds something else than IMAP"),
        ({"Services": "....S."}, "Services holds something else than IMAP"),
        ({"Status": "Splendid"}, "Status is none of Valid"),
        ({"HasPrivateKey": "true"}, "HasPrivateKey is neither True nor False"),
        ({"CertificateDomains": "mail.example.com"}, "CertificateDomains is not a list"),
        ({"PublicKeySize": "2 kB"}, "PublicKeySize is not a whole number"),
    ],
)
def test_a_shape_that_is_not_known_raises(changes: dict, says: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_certificates(whole(**changes))
    assert says in str(caught.value)
    assert caught.value.where == "Get-ExchangeCertificate"


def test_without_the_bytes_a_missing_property_is_not_an_empty_one() -> None:
    (item,) = whole(RawData=None).objects
    for name in CERTIFICATE_PROPERTIES:
        if name in ("TlsCertificateName", "CertificateRequest", "PublicKeySize", "RawData"):
            continue
        with pytest.raises(DecodeError, match=f"{name} is missing"):
            decode_certificates(Reply(({key: value for key, value in item.items() if key != name},)))


def test_the_same_certificate_twice_is_no_list() -> None:
    with pytest.raises(DecodeError, match="listed twice"):
        decode_certificates(Reply(whole().objects * 2))


def test_a_request_is_read_as_it_came() -> None:
    text = "-----BEGIN NEW CERTIFICATE REQUEST-----\r\nMIIB\r\n-----END NEW CERTIFICATE REQUEST-----\r\n"
    assert decode_request(Reply(({"Value": text},))) == text


@pytest.mark.parametrize("objects", [(), ({"Value": "WARNING"},), ({"Value": None},), ({"Thumbprint": THUMBPRINT},)])
def test_what_is_no_request_raises(objects: tuple) -> None:
    with pytest.raises(DecodeError):
        decode_request(Reply(objects))


def test_an_import_may_or_may_not_report_its_thumbprint() -> None:
    assert decode_import(Reply(({"Thumbprint": THUMBPRINT},))) == THUMBPRINT
    assert decode_import(Reply(({"Thumbprint": None},))) == ""
    assert decode_import(Reply()) == ""
    with pytest.raises(DecodeError, match="not one thumbprint"):
        decode_import(Reply(({"Thumbprint": "soon"},)))


def test_an_export_gives_secret_bytes_and_an_error_shows_none_of_them() -> None:
    found = decode_export(Reply(({"FileData": Secret("UEZY")},)))
    assert found == SecretBytes(b"PFX")
    assert "PFX" not in f"{found} {found!r}"
    for value, what in ((None, "is empty"), (Secret(""), "is empty"), (Secret("private!"), "is not base64")):
        with pytest.raises(DecodeError, match=f"FileData {what}") as caught:
            decode_export(Reply(({"FileData": value},)))
        assert "private" not in str(caught.value)
    with pytest.raises(DecodeError, match="FileData is no secret") as caught:
        decode_export(Reply(({"FileData": "UEZY"},)))
    assert "UEZY" not in str(caught.value)


def test_a_store_entry_is_bytes_under_their_own_thumbprint() -> None:
    raw = der()
    entry = {"Thumbprint": thumbprint_of(raw), "RawData": base64.b64encode(raw).decode()}
    assert decode_store(Reply((entry,))) == ((thumbprint_of(raw), raw),)
    with pytest.raises(DecodeError, match="does not belong"):
        decode_store(Reply(({**entry, "Thumbprint": THUMBPRINT},)))
    with pytest.raises(DecodeError, match="RawData is empty"):
        decode_store(Reply(({**entry, "RawData": None},)))


def test_a_thumbprint_is_sha_1_in_upper_case() -> None:
    assert thumbprint_of(b"abc") == "A9993E364706816ABA3E25717850C26C9CD0D89D"
