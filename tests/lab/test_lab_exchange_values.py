"""Exchange's value types and .NET's distinguished names."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.lab.exchange.names import dn_text, name_matches, parse_dn, parse_x509_identifier, same_identifier
from tlsrunbook.lab.exchange.values import (
    is_fqdn,
    parse_binding,
    parse_range,
    parse_space,
    size_bytes,
    size_text,
    span_seconds,
    span_text,
)

_OIDS = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.LOCALITY_NAME,
         NameOID.STATE_OR_PROVINCE_NAME, NameOID.SERIAL_NUMBER)  # fmt: skip
_TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_categories=("Cc",)), min_size=1, max_size=40
)


@given(st.lists(st.tuples(st.sampled_from(_OIDS), _TEXT), min_size=1, max_size=6))
def test_a_printed_name_reads_back_as_itself(parts: list[tuple[x509.ObjectIdentifier, str]]) -> None:
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
    assert parse_dn(dn_text(name)) == name


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([("C", "GB"), ("O", "Example, Corp"), ("CN", "a")], 'CN=a, O="Example, Corp", C=GB'),
        ([("S", "Kent"), ("CN", 'say "hi"')], 'CN="say ""hi""", S=Kent'),
        ([("O", " padded ")], 'O=" padded "'),
        ([("1.3.6.1.4.1.311.60.2.1.3", "GB"), ("CN", "a")], "CN=a, OID.1.3.6.1.4.1.311.60.2.1.3=GB"),
    ],
)
def test_names_print_as_in_dotnet_most_specific_first(parts: list[tuple[str, str]], text: str) -> None:
    keys = {"C": NameOID.COUNTRY_NAME, "O": NameOID.ORGANIZATION_NAME, "CN": NameOID.COMMON_NAME,
            "S": NameOID.STATE_OR_PROVINCE_NAME}  # fmt: skip
    name = x509.Name([x509.NameAttribute(keys.get(k) or x509.ObjectIdentifier(k), v) for k, v in parts])
    assert dn_text(name) == text


def test_the_classic_subject_is_read_and_encoded_in_reverse() -> None:
    name = parse_dn("c=us, o=Example Corp; CN=mail.example.com")
    assert [rdn.rfc4514_string() for rdn in name.rdns] == ["CN=mail.example.com", "O=Example Corp", "C=us"]


@pytest.mark.parametrize("text", ["", "mail", "CN=", "XX=1", 'CN="open', "C=usa", "CN=a,,O=b"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_dn(text)


def test_tls_certificate_names_compare_without_case_of_the_tags() -> None:
    assert same_identifier("<i>CN=a<s>CN=b", "<I>CN=a<S>CN=b")
    assert not same_identifier("<I>CN=a<S>CN=b", "<I>CN=a<S>CN=c")
    assert parse_x509_identifier("<I>CN=a<S>") == ("CN=a", "")
    with pytest.raises(ValueError, match="<I>issuer<S>subject"):
        parse_x509_identifier("<S>CN=b")


@given(st.integers(0, 2**40))
def test_sizes_read_back(count: int) -> None:
    assert size_text(count).endswith(f"({count:,} bytes)")
    assert abs(size_bytes(size_text(count)) - count) <= count * 0.001 + 1


@given(st.integers(0, 10**8))
def test_time_spans_read_back(seconds: int) -> None:
    assert span_seconds(span_text(seconds)) == seconds


@pytest.mark.parametrize("text", ["10", "25:00:00", "00:60:00", "soon", ""])
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no time span"):
        span_seconds(text)


@pytest.mark.parametrize(
    ("text", "space"),
    [("contoso.com", "SMTP:contoso.com;1"), ("smtp:*.a.example; 7", "SMTP:*.a.example;7"), ("*", "SMTP:*;1"),
     ("--;2", "SMTP:--;2"), ("X400:c=gb;3", "X400:c=gb;3")],
)  # fmt: skip
def test_address_spaces_are_completed(text: str, space: str) -> None:
    assert str(parse_space(text)) == space
    assert str(parse_space(space)) == space


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9"),
        ("10.1.0.0/16", "10.1.0.0", "10.1.255.255"),
        ("10.1.2.3(255.255.255.0)", "10.1.2.0", "10.1.2.255"),
        ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ],
)
def test_ip_ranges_are_read_in_every_form(text: str, low: str, high: str) -> None:
    found = parse_range(text)
    assert (str(found), found.low, found.high) == (text, ipaddress.ip_address(low), ipaddress.ip_address(high))


_ADDRESS = st.integers(0, 300).map(lambda number: str(ipaddress.IPv4Address(number)))


@given(st.tuples(_ADDRESS, _ADDRESS), st.tuples(_ADDRESS, _ADDRESS))
def test_ranges_clash_when_they_cross_or_are_equal(one: tuple[str, str], two: tuple[str, str]) -> None:
    a, b = (sorted(map(ipaddress.IPv4Address, pair)) for pair in (one, two))
    first, second = (parse_range(f"{low}-{high}") for low, high in (a, b))
    apart = a[1] < b[0] or b[1] < a[0]
    nested = a != b and ((a[0] <= b[0] and b[1] <= a[1]) or (b[0] <= a[0] and a[1] <= b[1]))
    assert first.clashes(second) is (not apart and not nested)
    assert first.clashes(second) is second.clashes(first)


@pytest.mark.parametrize("text", ["9.9.9.9-1.1.1.1", "1.1.1.1-::", "x", "10.0.0.0/99"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_range(text)


def test_bindings_print_ipv6_in_brackets() -> None:
    assert [str(parse_binding(text)) for text in ("0.0.0.0:25", "[::]:587")] == ["0.0.0.0:25", "[::]:587"]
    for bad in ("25", "0.0.0.0:0", "0.0.0.0:70000", "::25"):
        with pytest.raises(ValueError, match=r".+"):
            parse_binding(bad)


def test_fqdns_take_underscores_and_no_blanks() -> None:
    assert [is_fqdn(text) for text in ("mail_relay.example.com", "MBX1", "a b", "*.a.example", "")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_wildcards_stand_for_one_label() -> None:
    assert name_matches("*.example.com", "MAIL.example.com")
    assert not name_matches("*.example.com", "example.com")
    assert not name_matches("*.example.com", "a.b.example.com")
