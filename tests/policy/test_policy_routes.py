"""Which connector the site file's domains take, and who owns connectors of the wanted names."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import certificate, make_site, make_state, send, target_of

from tlsrunbook.exchange.state import AddressSpace, SendConnector
from tlsrunbook.plan.send_connectors import WantedConnector, as_applied, wanted_connectors
from tlsrunbook.policy.finding import Severity
from tlsrunbook.policy.routes import judge_owners, judge_routes, route_table


def world(*others: SendConnector) -> tuple[tuple[WantedConnector, ...], tuple[SendConnector, ...]]:
    state = make_state(certificate(), send_connectors=others)
    site = make_site()
    wanted = wanted_connectors(site.send_connectors, site.servers[0], target_of(state), "<I>a<S>b")  # type: ignore[arg-type]
    return wanted, as_applied(wanted, state)


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        (send("Other", "other.com"), []),
        (send("Internet", AddressSpace("*", 100)), []),
        (send("A partner", "partner.com"), ["partner.com"]),
        (send("Z partner", "partner.com"), []),
        (send("Z partner", AddressSpace("partner.com", 2)), []),
        (send("A partner", "partner.com", enabled=False), []),
        (send("A scoped", "partner.com", is_scoped=True, source_transport_servers=("MBX9",)), []),
        (send("All com", "*.com"), []),
        (send("A bank", "*.bank.com"), ["*.bank.com"]),
        (send("Z", AddressSpace("mail.bank.com", 99)), ["mail.bank.com"]),
        (send("Z", AddressSpace("*.eu.bank.com", 99)), ["*.eu.bank.com"]),
        (send("Z", "mail.bank.com", require_tls=True), []),
        (send("Z", "mail.bank.com", enabled=False), []),
        (send("Z", "mail.partner.com", "notbank.com"), []),
        (send("Z", AddressSpace("mail.bank.com", 1, "X400")), []),
        (send("Never mind", "broken.org"), ["broken.org"]),
        (send("A to Internet", "*"), ["every other domain"]),
        (send("A lot", "partner.com", "*.bank.com", "*"), ["partner.com", "*.bank.com", "every other domain"]),
    ],
    ids=lambda value: value.name + str(value.enabled) if isinstance(value, SendConnector) else "",
)
def test_a_domain_that_would_take_another_connector_is_refused(other: SendConnector, refused: list[str]) -> None:
    wanted, after = world(other)
    findings = list(judge_routes(wanted, after, "EDGE1"))
    assert [finding.severity for finding in findings] == [Severity.REFUSE] * len(refused)
    assert [finding.target for finding in findings] == [f"send connector {other.name}"] * len(refused)
    for finding, domain in zip(findings, refused, strict=True):
        assert finding.rule == "takes-another-connector"
        assert f"mail to {domain} would take send connector {other.name}" in finding.message


def test_the_table_tells_now_and_then_for_every_domain() -> None:
    old = send("Old", "*", require_tls=True, tls_auth_level="EncryptionOnly")
    wanted, after = world(old)
    rows: dict[str, dict[str, Any]] = {row["domain"]: row for row in route_table(wanted, (old,), after, "EDGE1")}
    assert list(rows) == ["partner.com", "*.bank.com", "broken.org", "every other domain"]
    assert rows["partner.com"] == {
        "domain": "partner.com",
        "takes now": "Old",
        "TLS now": "required (EncryptionOnly)",
        "will take": "TLS required EDGE1",
        "TLS then": "required",
    }
    assert rows["broken.org"]["TLS then"] == "never"
    assert rows["every other domain"]["will take"] == "Old"


def test_without_any_connector_the_table_says_there_is_no_route_now() -> None:
    wanted, after = world()
    rows = route_table(wanted, (), after, "EDGE1")
    assert {(row["takes now"], row["TLS now"]) for row in rows} == {("", "no route")}


@pytest.mark.parametrize(
    ("connector", "refused"),
    [
        (send("TLS required EDGE1", "partner.com", source_transport_servers=("EDGE1",)), False),
        (send("TLS required EDGE1", "partner.com", source_transport_servers=("edge1",)), False),
        (send("TLS required EDGE1", "partner.com"), False),
        (send("TLS required EDGE1", "partner.com", source_transport_servers=("EDGE1", "EDGE2")), True),
        (send("tls REQUIRED edge1", "partner.com", source_transport_servers=("EDGE2",)), True),
        (send("Theirs", "partner.com", source_transport_servers=("EDGE2",)), False),
    ],
)
def test_a_connector_of_a_wanted_name_that_sends_from_other_servers_is_refused(
    connector: SendConnector, refused: bool
) -> None:
    wanted, _ = world()
    found = [finding.rule for finding in judge_owners(wanted, (connector,), "EDGE1")]
    assert found == (["connector-of-another-server"] if refused else [])


def test_the_refusal_names_the_other_servers_only() -> None:
    wanted, _ = world()
    shared = send("TLS required EDGE1", "partner.com", source_transport_servers=("EDGE1", "EDGE2"))
    (finding,) = judge_owners(wanted, (shared,), "EDGE1")
    assert finding.message.endswith("sends from EDGE2")
    assert "{server}" in finding.todo
