"""The separate Internet receive connector: made, corrected, left alone, and undone."""

from __future__ import annotations

from typing import Any

import pytest
from worlds import FQDN, OLD_2010, make_site, make_state, receive, target_of

from tlsrunbook.exchange.render import render_pipeline
from tlsrunbook.exchange.state import ReceiveConnector, ServerState
from tlsrunbook.exchange.version import ExchangeVersion
from tlsrunbook.plan.internet_connector import internet_items, names_by_fqdn
from tlsrunbook.plan.model import PlanItem, Reverse

PARAMETERS = {
    name: frozenset(
        {"Identity", "Name", "Usage", "Bindings", "RemoteIPRanges", "Fqdn", "AuthMechanism", "PermissionGroups",
         "Enabled"}
    )
    for name in ("New-ReceiveConnector", "Set-ReceiveConnector")
}  # fmt: skip
RIGHT: dict[str, Any] = {"bindings": ("192.0.2.25:25",), "tls_certificate_name": None}


def _items(*connectors: ReceiveConnector, keys: dict[str, Any] | None = None, **table: Any) -> tuple[PlanItem, ...]:
    asked = {"name": "From the Internet {server}", "bindings": ["192.0.2.25:25"], **table}
    server = make_site({"internet_connector": asked, **(keys or {})}).servers[0]
    state = _state(receive(tls_certificate_name=None), *connectors)
    return internet_items(state, server, target_of(state, PARAMETERS))


def _state(*connectors: ReceiveConnector) -> ServerState:
    return make_state(version=OLD_2010, is_edge=False, role="HubTransport", receive_connectors=connectors)


def _texts(item: PlanItem) -> tuple[str, list[str]]:
    assert isinstance(item.does, tuple)
    assert isinstance(item.undo, Reverse)
    return render_pipeline(item.does), [render_pipeline(pipeline) for pipeline in item.undo.pipelines]


def test_it_is_made_for_the_whole_internet() -> None:
    (item,) = _items()
    does, undo = _texts(item)
    assert does == (
        "New-ReceiveConnector -Name 'From the Internet EDGE1' -Usage 'Internet' -Bindings @('192.0.2.25:25') "
        f"-Fqdn '{FQDN}'"
    )
    assert undo == ["Remove-ReceiveConnector -Identity 'EDGE1\\From the Internet EDGE1' -Confirm:$false"]
    assert {change.property for change in item.changes} == {"Bindings", "Fqdn", "AuthMechanism"}


def test_with_ranges_it_is_made_as_custom_with_the_same_rights() -> None:
    (item,) = _items(remote_ip_ranges=["198.51.100.0/24"])
    does, _ = _texts(item)
    assert "-Usage 'Custom'" in does
    assert "-RemoteIPRanges @('198.51.100.0/24')" in does
    assert "-AuthMechanism 'Tls' -PermissionGroups 'AnonymousUsers'" in does


def test_one_that_is_right_is_left_alone() -> None:
    assert _items(receive("from the internet EDGE1", **RIGHT)) == ()


@pytest.mark.parametrize(
    ("wrong", "sets", "back"),
    [
        ({"fqdn": "old.example.com"}, f"-Fqdn '{FQDN}'", "-Fqdn 'old.example.com'"),
        ({"enabled": False}, "-Enabled:$true", "-Enabled:$false"),
        ({"bindings": ("192.0.2.9:25",)}, "-Bindings @('192.0.2.25:25')", "-Bindings @('192.0.2.9:25')"),
        (
            {"auth_mechanism": frozenset({"Tls", "BasicAuth", "ExchangeServer"})},
            "-AuthMechanism 'Tls, BasicAuth'",
            "-AuthMechanism 'Tls, BasicAuth, ExchangeServer'",
        ),
        (
            {"permission_groups": frozenset({"Partners"})},
            "-PermissionGroups 'AnonymousUsers, Partners'",
            "-PermissionGroups 'Partners'",
        ),
    ],
    ids=["fqdn", "disabled", "bindings", "authentication", "groups"],
)
def test_one_that_differs_is_corrected_and_can_be_put_back(wrong: dict[str, Any], sets: str, back: str) -> None:
    (item,) = _items(receive("From the Internet EDGE1", **{**RIGHT, **wrong}))
    does, undo = _texts(item)
    head = "Set-ReceiveConnector -Identity 'EDGE1\\From the Internet EDGE1' "
    assert (does, undo) == (head + sets, [head + back])


def test_nothing_is_made_for_a_server_that_takes_no_mail_or_asks_for_none() -> None:
    assert _items(keys={"roles": ["send"], "endpoints": [], "internet_connector": None}) == ()


def test_nothing_is_made_where_a_connector_can_name_its_certificate() -> None:
    asked = {"name": "From the Internet {server}", "bindings": ["192.0.2.25:25"]}
    state = make_state()
    assert internet_items(state, make_site({"internet_connector": asked}).servers[0], target_of(state)) == ()


def test_what_connectors_show_goes_before_the_build() -> None:
    assert names_by_fqdn(_state(receive(tls_certificate_name=None)))
    assert not names_by_fqdn(_state(receive(tls_certificate_name=None), receive("Other")))
    assert names_by_fqdn(_state())
    assert not names_by_fqdn(make_state(version=ExchangeVersion(15, 0, 847, 32), receive_connectors=()))
