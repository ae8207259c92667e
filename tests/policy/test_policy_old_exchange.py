"""Exchange 2007 and 2010: certificates named by Fqdn, and one certificate for SMTP."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import DEFAULT, FQDN, OLD_2010, certificate, make_site, make_state, receive, target_of

from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.version import ExchangeVersion
from tlsrunbook.plan.activation import choose_default, enable_undo
from tlsrunbook.plan.model import Compensate, Reverse
from tlsrunbook.policy.confirm import answering_names, concerned, confirm_connectors
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.old_exchange import (
    RULES,
    judge_ignored_fqdn,
    judge_internet_connector,
    judge_one_smtp,
    proposal,
)
from tlsrunbook.site import Server

OLD_2007 = ExchangeVersion(8, 3, 83, 6)
ASKED = {"name": "From the Internet {server}", "bindings": ["192.0.2.25:25"]}
HUB = receive(
    fqdn="edge1.corp.local",
    tls_certificate_name=None,
    auth_mechanism=frozenset({"Tls", "ExchangeServer"}),
    permission_groups=frozenset({"ExchangeServers"}),
)


def _server(**keys: Any) -> Server:
    return make_site(keys).servers[0]


def _hub(*more: Any, version: ExchangeVersion = OLD_2010, **changes: Any) -> ServerState:
    given = {"is_edge": False, "role": "Mailbox, ClientAccess, HubTransport", "version": version}
    return make_state(certificate(), receive_connectors=(HUB, *more), **{**given, **changes})


def _rules(findings: tuple[Finding, ...]) -> dict[str, str]:
    return {finding.rule: finding.severity.value for finding in findings}


@pytest.mark.parametrize("version", [OLD_2007, OLD_2010])
def test_without_the_table_the_refusal_proposes_it(version: ExchangeVersion) -> None:
    (finding,) = (f for f in confirm_connectors(_hub(version=version), _server(roles=["receive"]), False))
    assert (finding.rule, finding.severity) == ("no-receive-connector", Severity.REFUSE)
    assert proposal(_hub(version=version), _server()) in finding.todo
    assert "New-ReceiveConnector -Name 'From the Internet EDGE1' -Usage 'Internet' -Bindings <" in finding.todo


def test_the_proposal_cannot_be_pasted_before_the_address_is_filled_in() -> None:
    text = proposal(_hub(), _server()).rpartition("it is: ")[2]
    assert "<an address of this server, with :25, that no other connector takes>" in text
    assert text.endswith(f"-Fqdn '{FQDN}'")


def test_with_the_table_confirm_goes_on_and_says_what_will_be_made() -> None:
    server = _server(roles=["receive"], internet_connector=ASKED)
    (finding,) = confirm_connectors(_hub(), server, False)
    assert (finding.rule, finding.severity) == ("internet-connector-planned", Severity.INFO)
    assert "-Usage 'Internet' -Server 'EDGE1'" not in finding.message or "New-ReceiveConnector" in finding.message
    assert concerned(_hub(), server) == ()
    assert answering_names(_hub(), server) == ("edge1.corp.local",), "what answers now is the default connector"


def test_when_it_is_there_it_is_the_one_that_counts() -> None:
    own = receive("From the Internet EDGE1", tls_certificate_name=None)
    server = _server(roles=["receive"], internet_connector=ASKED)
    state = _hub(own)
    assert concerned(state, server) == (own,)
    assert answering_names(state, server) == (FQDN,)
    assert confirm_connectors(state, server, False) == ()


def test_connectors_that_are_named_count_beside_it() -> None:
    own = receive("From the Internet EDGE1", tls_certificate_name=None)
    server = _server(internet_connector=ASKED, receive_connectors=["Default EDGE1"])
    assert concerned(_hub(own), server) == (HUB, own)


def test_where_connectors_name_certificates_it_is_not_needed() -> None:
    server = _server(internet_connector=ASKED)
    assert _rules(judge_internet_connector(make_state(), server)) == {"internet-connector-not-needed": "info"}
    assert concerned(make_state(), server) == make_state().receive_connectors


@pytest.mark.parametrize("version", [OLD_2010, ExchangeVersion(15, 2, 2562, 17)])
@pytest.mark.parametrize("policy", ["keep", "replace"])
def test_many_certificates_may_have_smtp_from_2010_on(version: ExchangeVersion, policy: str) -> None:
    assert judge_one_smtp(make_state(version=version), policy, (FQDN,)) == ()


def test_2007_cannot_keep_its_default_certificate() -> None:
    state = make_state(certificate(), version=OLD_2007)
    (finding,) = judge_one_smtp(state, "keep", (FQDN,))
    assert (finding.rule, finding.severity) == ("one-smtp-certificate", Severity.REFUSE)
    assert DEFAULT in finding.message
    choice = choose_default(state, "A" * 40, "keep", "")
    assert (choice.keep, choice.findings) == ("", (finding,))


def test_2007_replaces_it_when_asked_and_says_who_is_left_without() -> None:
    assert _rules(judge_one_smtp(make_state(version=OLD_2007), "replace", (FQDN,))) == {"smtp-moves": "info"}
    (finding,) = judge_one_smtp(_hub(version=OLD_2007), "replace", (FQDN,))
    assert finding.severity is Severity.WARNING
    assert "Default EDGE1 will have no certificate for STARTTLS" in finding.message
    assert choose_default(_hub(version=OLD_2007), "A" * 40, "replace", "").findings == ()


def test_2007_with_an_edge_subscription_replaces_nothing() -> None:
    choice = choose_default(make_state(version=OLD_2007, edge_subscribed=True), "A" * 40, "replace", "")
    assert _rules(choice.findings) == {"default-replace-with-edge-subscription": "refuse"}


def test_on_2007_enabling_is_taken_back_whole() -> None:
    old, new = make_state(certificate(), version=OLD_2007), make_state(certificate())
    assert isinstance(enable_undo(target_of(old), old), Reverse)
    assert isinstance(enable_undo(target_of(new), new), Compensate)


def test_2010_with_both_roles_says_that_it_sends_its_own_name() -> None:
    assert _rules(judge_ignored_fqdn(_hub(), _server())) == {"send-fqdn-ignored": "info"}
    assert judge_ignored_fqdn(_hub(role="HubTransport"), _server()) == ()
    assert judge_ignored_fqdn(_hub(version=OLD_2007), _server()) == ()
    assert judge_ignored_fqdn(_hub(), _server(roles=["receive"])) == ()


def test_every_rule_is_explained() -> None:
    assert all(RULES.values())
