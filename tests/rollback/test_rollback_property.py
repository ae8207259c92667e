"""Whatever the site file says and wherever the change broke off: the server is as it was, but for what is declared."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from tests.support.rollback import INTERNET, NEVER, REQUIRED, STALE, Breaking, breaking_lab, differences, undeclared
from tlsrunbook.evidence.record import Record, Status
from tlsrunbook.exchange.command import Value

SERVERS = ("EDGE1", "MBX1")
KINDS = ("gone-before-run", "gone-after-run")


@dataclass
class Case:
    """One world, one change, and where it breaks."""

    server: str
    policy: str
    exportable: bool
    domains: list[str]
    smart_hosts: list[str]
    existing: dict[str, dict[str, Value]]
    stale_receive: bool
    prelude: str
    steps: tuple[str, ...]
    breaks: tuple[str, int] | None
    goes_on: bool
    breaks_back: tuple[str, int] | None


connector = st.fixed_dictionaries(
    {
        "AddressSpaces": st.sampled_from(
            [("SMTP:old.example;5",), ("SMTP:*;10",), ("SMTP:a.example;1", "SMTP:*.b.example;2")]
        )
    },
    optional={
        "Fqdn": st.sampled_from([None, "old.example.net"]),
        "RequireTLS": st.booleans(),
        "TlsCertificateName": st.sampled_from([None, STALE]),
        "Enabled": st.booleans(),
        "SmartHosts": st.just(("[10.9.8.7]", "relay.example.net")),
        "MaxMessageSize": st.just("20 MB"),
    },
).map(lambda values: {**values, "DNSRoutingEnabled": "SmartHosts" not in values})
breaking = st.none() | st.tuples(st.sampled_from(KINDS), st.integers(1, 10))
cases = st.builds(
    Case,
    server=st.just(""),
    policy=st.sampled_from(["keep", "replace"]),
    exportable=st.booleans(),
    domains=st.lists(
        st.sampled_from(["partner.example.org", "*.bank.example", "old.example"]), min_size=1, unique=True
    ),
    smart_hosts=st.sampled_from([[], ["relay.example.net"], ["10.1.2.3"]]),
    existing=st.dictionaries(st.sampled_from([REQUIRED, NEVER, INTERNET]), connector, max_size=3),
    stale_receive=st.booleans(),
    prelude=st.sampled_from(["", "", "request", "install", "everything"]),
    steps=st.sampled_from([(), (), (), ("request", "install"), ("request", "install", "activate")]),
    breaks=breaking,
    goes_on=st.booleans(),
    breaks_back=breaking,
)


def prepare(world: Breaking, case: Case) -> None:
    """Make the site file and the server as the case wants them before the change."""
    change = world.change
    change.edit('default_smtp_certificate = "keep"', f'default_smtp_certificate = "{case.policy}"')
    change.edit("exportable = false", f"exportable = {str(case.exportable).lower()}")
    change.edit(r'domains = \["partner.example.org"\]', f"domains = {case.domains}")
    change.edit('name = "Internet {server}"', f'name = "Internet {{server}}"\nsmart_hosts = {case.smart_hosts}')
    for name, values in case.existing.items():
        world.send(case.server, "New-SendConnector", Name=name.format(case.server), **values)
    if case.stale_receive:
        (identity,) = [
            one
            for one in world.snapshot(case.server)["receive_connectors"]
            if re.search("Default (Frontend|internal)", one)
        ]
        world.send(case.server, "Set-ReceiveConnector", Identity=identity, TlsCertificateName=STALE)
    if case.prelude:
        steps = {"everything": (), "request": ("request",), "install": ("request", "install")}[case.prelude]
        change.apply(case.server, *steps)
        if case.prelude == "everything":
            change.edit("renew_before_days = 30", "renew_before_days = 180")


def check(case: Case, world: Breaking) -> None:
    prepare(world, case)
    before = world.snapshot(case.server)
    id_ = new_change(world, case)
    if case.breaks:
        world.board.arm(*case.breaks)
    records = world.change.apply(case.server, *case.steps, change=id_)
    broken = world.board.hit
    event(f"broken at {broken or 'nothing'}")
    event(f"ended {records[-1].step} {records[-1].status.value}")
    if broken:
        assert broken in planned_cmdlets(world, records[-1]), "the undo is on disk before the command is sent"
    if case.goes_on and broken:
        world.change.apply(case.server, *case.steps, change=id_)
    altered = bool(differences(before, world.snapshot(case.server)))

    world.board.arm(*(case.breaks_back or ("", 0)))
    back = world.rollback(case.server, id_)
    event(f"the way back broken at {world.board.hit or 'nothing'}")
    if world.board.hit:
        assert back.status is Status.UNKNOWN
        back = world.rollback(case.server, id_)
    assert back.status in (Status.CHANGED, Status.UNCHANGED), f"{back.summary} {back.todo} {records[-1].summary}"
    assert back.status is Status.CHANGED or not altered or case.breaks_back

    after = world.snapshot(case.server)
    assert undeclared(back, before, after) == {}
    again = world.rollback(case.server, id_)
    assert again.status is Status.UNCHANGED
    assert world.snapshot(case.server) == after


def planned_cmdlets(world: Breaking, record: Record) -> list[str]:
    """Give what the last attempt's plan on disk names, each with an undo."""
    attempts = [a for a in world.change.store.attempts(record.change, record.server) if a.step == record.step]
    items = json.loads((attempts[-1].folder / "plan.json").read_bytes())["items"]
    assert all(item["undo"] for item in items)
    return [command["name"] for item in items if isinstance(item["does"], list) for command in item["does"]]


def new_change(world: Breaking, case: Case) -> str:
    """Start the change that will be rolled back, whatever earlier ones are open."""
    return world.change.store.new_change(datetime.now(UTC), {"servers": [case.server]})


@pytest.mark.parametrize("server", SERVERS)
@settings(
    max_examples=int(os.environ.get("ROLLBACK_EXAMPLES", "14")),
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
@given(case=cases)
def test_after_going_back_the_server_is_as_it_was_but_for_what_is_declared(server: str, case: Case) -> None:
    case = replace(case, server=server)
    with tempfile.TemporaryDirectory() as folder, breaking_lab(Path(folder), 1 + SERVERS.index(server)) as world:
        check(case, world)
