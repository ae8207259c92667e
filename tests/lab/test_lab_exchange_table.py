"""The table of cmdlets: equal to the facts, and read rightly for each version and role."""

from __future__ import annotations

import json

import pytest
from exchange_table_generator import FACTS, TABLE, compact, text_of

from tlsrunbook.errors import UsageError
from tlsrunbook.lab.exchange.builds import PRODUCTS, Build, latest, parse_version
from tlsrunbook.lab.exchange.file_cmdlets import FILE_PARAMETERS
from tlsrunbook.lab.exchange.running import _HANDLERS, NOT_SIMULATED
from tlsrunbook.lab.exchange.store_cmdlets import STORE_PARAMETERS
from tlsrunbook.lab.exchange.table import cmdlets_of, default_set, parameters_of
from tlsrunbook.lab.exchange.tabledata import load


@pytest.mark.skipif(not FACTS.is_file(), reason="the facts are not beside this checkout")
def test_table_is_what_the_generator_makes_of_the_facts() -> None:
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    assert TABLE.read_text(encoding="utf-8") == text_of(compact(facts))


@pytest.mark.skipif(not FACTS.is_file(), reason="the facts are not beside this checkout")
@pytest.mark.parametrize("product", PRODUCTS[2:])
def test_parameters_are_those_the_reference_gives_for_a_product(product: str) -> None:
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    windows = {(w["cmdlet"], w["param"]) for w in facts["version_windows"]["parameters"]}
    for name, cmdlet in facts["cmdlets"].items():
        wanted = {
            parameter
            for parameter, entry in cmdlet["parameters"].items()
            if f"Exchange Server {product}" in entry["applicable"] and "edge-only" not in entry.get("flags", [])
        }
        moving = {param for pattern, param in windows if pattern in (name, f"*-{name.split('-')[1]}")}
        assert set(parameters_of(name, latest(product), False)) - moving == wanted - moving


def test_every_cmdlet_is_simulated_or_says_that_it_is_not() -> None:
    assert len(load()["cmdlets"]) == 32
    assert set(_HANDLERS) - set(STORE_PARAMETERS) - set(FILE_PARAMETERS) == set(load()["cmdlets"]) - set(NOT_SIMULATED)


def test_every_default_parameter_set_exists_on_every_version() -> None:
    for product in PRODUCTS:
        for name in cmdlets_of(latest(product), False):
            chosen = default_set(name, latest(product))
            sets = {s for p in parameters_of(name, latest(product), False).values() for s in p.sets}
            assert not chosen or chosen in sets


@pytest.mark.parametrize(
    ("version", "there"),
    [
        ("2010", False),
        ("2013", True),
        ("15.1.2375.7", True),
        ("15.1.2507.6", False),
        ("15.2.986.5", True),
        ("15.2.1118.7", False),
        ("SE", False),
    ],
)
def test_parameters_that_take_a_file_end_with_the_cumulative_updates_of_2022(version: str, there: bool) -> None:
    build = parse_version(version)
    assert ("RequestFile" in parameters_of("New-ExchangeCertificate", build, False)) is there
    assert ("FileName" in parameters_of("Import-ExchangeCertificate", build, False)) is there
    assert ("FileName" in parameters_of("Export-ExchangeCertificate", build, False)) is there


@pytest.mark.parametrize(
    ("cmdlet", "parameter", "first"),
    [
        ("Import-ExchangeCertificate", "FileData", "2010"),
        ("Import-ExchangeCertificate", "PrivateKeyExportable", "2010"),
        ("Enable-ExchangeCertificate", "Server", "2010"),
        ("Enable-ExchangeCertificate", "Identity", "2013"),
        ("Set-SendConnector", "TlsAuthLevel", "2010"),
        ("New-SendConnector", "TlsDomain", "2010"),
        ("Set-SendConnector", "TlsCertificateName", "2013"),
        ("Set-SendConnector", "FrontendProxyEnabled", "2013"),
        ("Set-ReceiveConnector", "TlsCertificateName", "2013"),
        ("New-ReceiveConnector", "TransportRole", "2013"),
        ("Get-TransportService", "Identity", "2013"),
        ("Get-TransportServer", "Identity", "2007"),
    ],
)
def test_parameters_begin_with_a_version(cmdlet: str, parameter: str, first: str) -> None:
    there = [product for product in PRODUCTS if parameter in parameters_of(cmdlet, latest(product), False)]
    assert there == list(PRODUCTS[PRODUCTS.index(first) :])


def test_exchange_2007_has_the_parameters_of_its_own_table() -> None:
    build = latest("2007")
    new = parameters_of("New-ExchangeCertificate", build, False)
    assert new["Services"].sets == {"self-signed": False}
    assert new["Path"].sets == {"request": False}
    assert parameters_of("Import-ExchangeCertificate", build, False)["Path"].sets == {"path": True}
    assert set(parameters_of("Export-ExchangeCertificate", build, False)) == {
        "BinaryEncoded", "Confirm", "DomainController", "Password", "Path", "Thumbprint", "WhatIf",
    }  # fmt: skip
    send = parameters_of("New-SendConnector", build, False)
    assert "LinkedReceiveConnector" in send
    assert "IsCoexistenceConnector" not in send


def test_an_edge_has_no_parameters_of_active_directory() -> None:
    build = latest("SE")
    for name in cmdlets_of(build, True):
        assert "DomainController" not in parameters_of(name, build, True)
    assert "SourceTransportServers" not in parameters_of("Set-SendConnector", build, True)
    assert "SourceIPAddress" in parameters_of("Set-SendConnector", build, True)
    assert "SourceIPAddress" not in parameters_of("Set-SendConnector", build, False)
    assert "TransportRole" not in parameters_of("New-ReceiveConnector", build, True)
    assert "Start-EdgeSynchronization" not in cmdlets_of(build, True)


@pytest.mark.parametrize(
    ("text", "build", "display"),
    [
        ("2007", "8.3.517.0", "Version 8.3 (Build 83.6)"),
        ("2010", "14.3.513.0", "Version 14.3 (Build 123.4)"),
        ("2013", "15.0.1497.48", "Version 15.0 (Build 1497.2)"),
        ("2016", "15.1.2507.75", "Version 15.1 (Build 2507.6)"),
        ("2019", "15.2.1748.53", "Version 15.2 (Build 1748.10)"),
        ("se", "15.2.2562.53", "Version 15.2 (Build 2562.17)"),
        ("15.02.1118.007", "15.2.1118.7", "Version 15.2 (Build 1118.7)"),
    ],
)
def test_a_version_is_a_product_or_a_build_and_shows_its_cumulative_update(text: str, build: str, display: str) -> None:
    assert str(parse_version(text)) == build
    assert parse_version(text).display == display


def test_the_file_version_names_the_security_update() -> None:
    assert parse_version("15.2.2562.17").file_version == "15.02.2562.017"


@pytest.mark.parametrize("text", ["2003", "15.1", "15.3.1750.1", "", "Exchange 2016"])
def test_no_version_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match="write one of 2007, 2010") as caught:
        parse_version(text)
    assert caught.value.exit_code == 2


def test_builds_know_their_product() -> None:
    assert [Build.of(text).product for text in ("15.2.2561.99", "15.2.2562.0", "16.0.1.1")] == ["2019", "SE", ""]
