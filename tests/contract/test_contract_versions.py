"""Every version of Exchange x role x step: all six steps pass on the lab, each in the dialect of that version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from exchange_world import World

from tests.support.change import STEPS, Change, statuses
from tests.support.lab_shell import seen_on
from tests.support.versions import BUILDS, HEADER, named_by, row, rows_in_docs, run_all, sent, servers_of
from tlsrunbook.errors import SiteFileError
from tlsrunbook.evidence.record import Record
from tlsrunbook.exchange import cmdlets
from tlsrunbook.lab.exchange.builds import PRODUCTS, Build
from tlsrunbook.policy.finding import Severity
from tlsrunbook.policy.preflight import preflight

STALE = "stale: run python -m tests.docs.generate_versions"
PASSED = [f"{step}: {'unchanged' if step in ('confirm', 'verify') else 'changed'}" for step in STEPS]


@pytest.mark.parametrize("build", BUILDS)
def test_all_six_steps_pass_and_the_docs_say_how(build: str, tmp_path: Path) -> None:
    runs = run_all(build, tmp_path)
    assert tuple(runs) == servers_of(build)
    for server, records in runs.items():
        assert statuses(records) == PASSED
        _speaks_its_dialect(Build.of(build).product, server, records)
        if server != "MBX2":
            assert row(build, server, records) in rows_in_docs(), STALE


def _speaks_its_dialect(product: str, server: str, records: list[Record]) -> None:
    old = product in ("2007", "2010")
    everything = "\n".join(command.text for record in records for command in record.commands)
    assert "-RequestFile" not in everything
    assert "-FileName" not in everything
    assert ("-Path" in sent(records, "Import-ExchangeCertificate")) is (product == "2007")
    assert ("-FileData" in sent(records, "Import-ExchangeCertificate")) is (product != "2007")
    assert ("-Server" in sent(records, "Enable-ExchangeCertificate")) is (product != "2007")
    assert ("-TlsCertificateName" in everything) is not old
    assert bool(sent(records, "Get-TransportServer")) is old
    assert bool(sent(records, "Get-TransportService")) is not old
    fixed = old and server.startswith("MBX")
    assert named_by(records) == (
        "`Fqdn` of its own connector" if fixed else "`Fqdn`" if old else "`TlsCertificateName`"
    )


def test_every_product_is_there_and_the_table_has_no_other_rows() -> None:
    assert {Build.of(build).product for build in BUILDS} == set(PRODUCTS)
    wanted = [(build, server) for build in BUILDS for server in servers_of(build) if server != "MBX2"]
    assert [line.split(" | ")[1] for line in rows_in_docs()] == [build for build, _ in wanted], STALE
    assert all(line.count(" | ") == len(HEADER) - 1 for line in rows_in_docs())


@pytest.mark.parametrize("version", ["2007", "2010"])
@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_a_second_run_changes_nothing(change_on: Callable[..., Change], version: str, server: str) -> None:
    change = change_on(version=version)
    assert statuses(change.apply(server)) == PASSED
    state = change.snapshots()
    again = change.apply(server)
    assert [record.status.value for record in again] == ["unchanged"] * 6
    assert change.snapshots() == state
    assert not any(command.changes for record in again for command in record.commands)


@pytest.mark.parametrize("version", ["2007", "2010"])
@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_plan_mode_plans_in_the_dialect_and_changes_nothing(
    change_on: Callable[..., Change], version: str, server: str
) -> None:
    change = change_on(version=version)
    state = change.snapshots()
    records = change.plan(server)
    assert [record.status.value for record in records] == ["unchanged", *["planned"] * 4, "planned"]
    assert change.snapshots() == state
    assert not any(command.changes for record in records for command in record.commands)


def test_a_request_for_1024_bits_is_refused_with_the_reason(change_on: Callable[..., Change]) -> None:
    change = change_on(version="2007")
    change.edit("key_size = 2048", "key_size = 1024")
    with pytest.raises(SiteFileError, match="1024 bits: no public CA signs it any more"):
        change.apply("EDGE1")


@pytest.mark.parametrize("version", ["2007", "2010", "SE"])
def test_a_command_for_1024_bits_is_refused_before_it_is_sent(version: str) -> None:
    seen = seen_on(World(version).edge)
    path = "" if version != "2007" else f"{seen.greeting.folder}\\tlsrunbook-0123456789abcdef.req"
    names = ("mx1.example.com",)
    command = cmdlets.new_certificate_request(seen.target, "CN=mx1.example.com", names, key_size=1024, path=path)
    (finding,) = preflight((command,), seen.state)
    assert (finding.rule, finding.severity) == ("cert-keysize", Severity.REFUSE)
    assert "no public CA signs RSA keys below 2048 bits" in finding.message
