"""From a socket to the findings: what real servers get wrong is found, each by its own rule and no other."""

from __future__ import annotations

import ssl
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from odd_certificates import NAME, World, server_context
from odd_servers import SCRIPTS, OddServer

from tlsrunbook.adapters.smtp import Patience, SmtpProber
from tlsrunbook.policy.finding import Severity
from tlsrunbook.policy.wire import RULES, Expected, judge_probe

CASES: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "cases" / "odd_servers.toml").read_text())
EXPECTED = Expected(fqdn=NAME, names=(NAME,), ehlo_names=(NAME,))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def context_of(world: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("tls")

    def make(case: dict[str, Any]) -> ssl.SSLContext:
        chain = case.get("chain", "good")
        newest = ssl.TLSVersion[case["newest"]] if "newest" in case else None
        return server_context(world.chain(chain) if chain else None, folder, newest=newest)

    return make


@pytest.mark.parametrize("name", CASES)
def test_one_fault_is_one_finding(
    name: str, world: World, context_of: Callable[[dict[str, Any]], ssl.SSLContext]
) -> None:
    case = CASES[name]
    patience = Patience(step=0.8, total=2) if case.get("hasty") else Patience(step=5, total=10)
    known = (world.lower.der, world.upper.der)
    with OddServer(SCRIPTS[case["script"]], context=context_of(case)) as server:
        (facts,) = SmtpProber(patience=patience).probe(server.endpoint, NAME)
    findings = judge_probe(facts, EXPECTED, datetime.now(UTC), world.roots, known)
    assert [finding.rule for finding in findings] == case["rules"]
    for finding in findings:
        assert finding.rule in RULES
        assert finding.target == f"endpoint {server.endpoint}"
        assert finding.todo or finding.severity is Severity.INFO


def test_every_script_and_every_chain_has_a_case(world: World) -> None:
    assert {case["script"] for case in CASES.values()} == set(SCRIPTS)
    assert {case.get("chain", "good") for case in CASES.values()} == {*world.kinds, ""}
