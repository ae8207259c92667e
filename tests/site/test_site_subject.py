"""The subject as text: what Windows makes of it is what was meant."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.site import CertificateSettings
from tlsrunbook.site.subject import quote, x500

FQDN = "mx1.example.net"
#: Everything a site file lets through: printable, no space around it.
VALUES = st.text(
    alphabet=st.one_of(
        st.sampled_from(list(",;+=\"'<>#\\ /ABab01")), st.characters(codec="utf-8", exclude_categories=["C", "Z"])
    ),
    min_size=1,
    max_size=20,
).filter(lambda text: text == text.strip())


def windows_parses(text: str) -> list[tuple[str, str]]:
    """Read X.500 text by the documented rules of CertStrToName: separators ``,`` ``;`` ``+``, quotes doubled inside."""
    pairs: list[tuple[str, str]] = []
    rest = text
    while rest:
        key, _, rest = rest.partition("=")
        rest = rest.lstrip()
        value = ""
        if rest.startswith('"'):
            rest = rest[1:]
            while True:
                part, _, rest = rest.partition('"')
                value += part
                if not rest.startswith('"'):
                    break
                value, rest = value + '"', rest[1:]
            rest = rest.lstrip()
            assert not rest or rest[0] in ",;+", "text after the closing quote"
        else:
            end = next((index for index, char in enumerate(rest) if char in ",;+\n"), len(rest))
            value, rest = rest[:end].strip(), rest[end:]
            assert not value.startswith("#"), "would be read as hex"
            assert '"' not in value
        pairs.append((key.strip(), value))
        rest = rest[1:]
    return pairs


def test_the_subject_has_the_country_first_and_the_common_name_last() -> None:
    settings = CertificateSettings(country="gb", organization="Example Corp", locality="London")
    assert settings.subject(FQDN) == "C=GB,L=London,O=Example Corp,CN=mx1.example.net"


def test_without_settings_the_subject_is_the_common_name() -> None:
    assert CertificateSettings().subject(FQDN) == "CN=mx1.example.net"


def test_a_comma_and_quotes_in_the_organisation_are_quoted() -> None:
    settings = CertificateSettings(organization='Smith & Sons, "Mail" Ltd + Co')
    assert settings.subject(FQDN) == 'O="Smith & Sons, ""Mail"" Ltd + Co",CN=mx1.example.net'


@given(organization=VALUES, unit=VALUES, town=VALUES, state=VALUES)
def test_windows_reads_back_what_was_written(organization: str, unit: str, town: str, state: str) -> None:
    settings = CertificateSettings(
        country="DE", organization=organization, organizational_unit=unit, locality=town, state=state
    )
    assert windows_parses(settings.subject(FQDN)) == [
        ("C", "DE"),
        ("S", state),
        ("L", town),
        ("O", organization),
        ("OU", unit),
        ("CN", FQDN),
    ]


@given(st.text(alphabet="abcXYZ019 .-&äß", min_size=1, max_size=20).filter(lambda text: text == text.strip()))
def test_plain_values_mean_the_same_in_rfc_4514(organization: str) -> None:
    text = CertificateSettings(country="GB", organization=organization).subject(FQDN)
    name = x509.Name.from_rfc4514_string(text)
    assert {attribute.oid: attribute.value for attribute in name} == {
        NameOID.COUNTRY_NAME: "GB",
        NameOID.ORGANIZATION_NAME: organization,
        NameOID.COMMON_NAME: FQDN,
    }


@given(VALUES)
def test_a_value_never_ends_its_part_early(value: str) -> None:
    assert windows_parses(x500([("O", value), ("CN", FQDN)])) == [("O", value), ("CN", FQDN)]


def test_an_empty_value_is_quoted_when_it_is_asked_for() -> None:
    assert quote("") == '""'
    assert x500([("O", ""), ("CN", FQDN)]) == "CN=mx1.example.net"
