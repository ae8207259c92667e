"""A subscribed Edge: certificates on it, send connectors made inside, EdgeSync awaited, and its copy found right."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.change import Change, statuses
from tlsrunbook.evidence.record import Record, Status

MakeChange = Callable[..., Change]
THREE = ["Internet EDGE1", "TLS never EDGE1", "TLS required EDGE1"]
BEFORE = ("confirm", "request", "install", "activate")


def through(change: Change) -> tuple[list[Record], list[Record], list[Record]]:
    """Do the whole change in the order of a run: the Edge, the Mailbox server, the Edge's last two steps."""
    return change.apply("EDGE1", *BEFORE), change.apply("MBX1"), change.apply("EDGE1", "connectors", "verify")


def sends(change: Change, server: str) -> dict[str, Any]:
    found: dict[str, Any] = change.lab.server(change.site, server).snapshot()["send_connectors"]
    return found


def rules(record: Record) -> set[str]:
    return {finding["rule"] for finding in record.findings if finding["severity"] in ("refuse", "error")}


def test_the_site_file_of_such_a_lab_says_who_makes_the_send_connectors(change_on: MakeChange) -> None:
    change = change_on(subscribed=True, servers=3)
    text = change.site_file.read_text(encoding="utf-8")
    assert text.count('send_through = "MBX1"') == 2, "EDGE2 has no MBX2 and is subscribed to MBX1"


def test_six_steps_on_both_and_nothing_left_to_do(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    edge, inside, copy = through(change)
    assert statuses([*edge, *copy])[1:] == [
        "request: changed", "install: changed", "activate: changed", "connectors: unchanged", "verify: unchanged",
    ]  # fmt: skip
    assert statuses(inside)[-2:] == ["connectors: changed", "verify: unchanged"]
    (sent,) = [c.text for c in inside[4].commands if c.cmdlets == ("Start-EdgeSynchronization",)]
    assert sent == "Start-EdgeSynchronization -Server 'MBX1' -TargetServer 'EDGE1'"
    assert not any(
        "SendConnector" in name for r in (*edge, *copy) for c in r.commands if c.changes for name in c.cmdlets
    )

    state = change.snapshots()
    for server in ("EDGE1", "MBX1"):
        assert [record.status for record in change.apply(server)] == [Status.UNCHANGED] * 6
    assert change.snapshots() == state


@pytest.mark.parametrize("version", ["2010", "2013", "2016", "2019"])
def test_older_versions_do_it_in_their_own_dialect(change_on: MakeChange, version: str) -> None:
    change = change_on(subscribed=True, version=version)
    _, inside, copy = through(change)
    assert statuses(inside)[-2:] == ["connectors: changed", "verify: unchanged"]
    assert statuses(copy) == ["connectors: unchanged", "verify: unchanged"]


def test_2007_moves_its_one_smtp_certificate_and_says_what_that_means_for_a_subscription(change_on: MakeChange) -> None:
    record = change_on(subscribed=True, version="2007").apply("EDGE1", *BEFORE)[-1]
    assert (record.step, record.status) == ("activate", Status.BLOCKED)
    assert "default-replace-with-edge-subscription" in rules(record)
    assert "subscribe anew" in record.todo


def test_the_connectors_have_the_edge_as_source_and_its_own_spelling_of_the_certificate(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    edge, _, _ = through(change)
    inside, outside = sends(change, "MBX1"), sends(change, "EDGE1")
    assert sorted(name for name in inside if name.endswith("EDGE1")) == THREE
    assert all(inside[name]["SourceTransportServers"] == ["EDGE1"] for name in THREE)
    assert all(inside[name]["Fqdn"] == "mx1.london.example.net" for name in THREE)
    name = edge[-1].facts["TLS certificate name"]
    assert name.startswith("<I>")
    assert {outside[one]["TlsCertificateName"] for one in ("Internet EDGE1", "TLS required EDGE1")} == {name}
    listed = change.lab.server(change.site, "EDGE1").snapshot()["certificates"].values()
    assert name in {f"<I>{one['issuer']}<S>{one['subject']}" for one in listed}
    assert inside["TLS required MBX1"]["TlsCertificateName"] != name


def test_an_edge_whose_connectors_are_not_made_yet_waits_and_says_what_to_run(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    record = change.apply("EDGE1")[-1]
    assert (record.step, record.status) == ("connectors", Status.WAITING)
    assert "send connector TLS required EDGE1" in record.summary
    assert record.todo.startswith("run the step connectors on MBX1")
    assert not any(command.changes for command in record.commands)
    assert change.plan("EDGE1", "connectors")[-1].status is Status.PLANNED


def test_a_mailbox_server_waits_for_the_name_that_the_edge_gives_its_certificate(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    record = change.apply("MBX1")[-1]
    assert (record.step, record.status) == ("connectors", Status.WAITING)
    assert "TLS certificate name that EDGE1" in record.summary
    assert "request to activate on EDGE1" in record.todo
    assert "TLS required MBX1" in sends(change, "MBX1"), "its own three do not wait"
    assert not set(THREE) & set(sends(change, "MBX1"))
    verify = change.apply("MBX1", "verify")[-1]
    assert verify.status is Status.FAILED
    assert "edge-not-activated" in rules(verify)


def test_plan_mode_shows_all_of_it_and_changes_nothing(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    state = change.snapshots()
    record = change.plan("MBX1", "connectors")[-1]
    assert record.status is Status.PLANNED
    texts = [" ".join(command["text"] for command in item["does"]) for item in record.plan["items"]]
    assert sum("New-SendConnector" in text and "-SourceTransportServers @('EDGE1')" in text for text in texts) == 3
    assert any("<TLS certificate name that EDGE1 gives its certificate>" in text for text in texts)
    assert texts[-1].startswith("Start-EdgeSynchronization")
    assert change.snapshots() == state


def test_undo_takes_the_connectors_away_and_tells_the_edge_last(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    _, inside, _ = through(change)
    own = [item for item in inside[4].plan["items"] if "EDGE1" in item["changes"][0]["target"]]
    assert [item["undo"]["kind"] for item in own] == ["reverse", "reverse", "reverse", "compensate"]
    pipelines = [pipeline for item in reversed(own) for pipeline in item["undo"]["pipelines"]]
    names = [command["name"] for (command,) in pipelines]
    assert names == ["Remove-SendConnector"] * 3 + ["Start-EdgeSynchronization"]


def test_what_was_altered_inside_behind_our_back_is_put_right_there_and_waited_for_here(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    through(change)
    server = change.lab.server(change.site, "MBX1")
    parameters = [
        {"name": "Identity", "type": "string", "value": "TLS required EDGE1"},
        {"name": "RequireTLS", "type": "bool", "value": False},
    ]
    assert not server.execute([{"name": "Set-SendConnector", "parameters": parameters}], [])["errors"]
    inside = change.apply("MBX1", "verify")[-1]
    assert (inside.status, rules(inside)) == (Status.FAILED, {"server-differs"})
    assert change.apply("EDGE1", "verify")[-1].status is Status.UNCHANGED, "EdgeSync has not come round"
    fixed = change.apply("MBX1", "connectors", "verify")
    assert statuses(fixed) == ["connectors: changed", "verify: unchanged"]
    assert [c.cmdlets[0] for c in fixed[0].commands if c.changes] == ["Set-SendConnector", "Start-EdgeSynchronization"]


def test_another_connector_of_the_edge_that_names_its_old_certificate_follows(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    through(change)
    server = change.lab.server(change.site, "MBX1")
    old = "<I>CN=Another CA<S>CN=mx1.london.example.net"
    texts = {"Name": "Newsletter", "TlsCertificateName": old}
    lists = {"AddressSpaces": ["news.example.org"], "SourceTransportServers": ["EDGE1"]}
    parameters = [{"name": name, "type": "string", "value": value} for name, value in texts.items()]
    parameters += [{"name": name, "type": "strings", "value": value} for name, value in lists.items()]
    assert not server.execute([{"name": "New-SendConnector", "parameters": parameters}], [])["errors"]
    record = change.apply("MBX1", "connectors")[-1]
    assert record.status is Status.CHANGED
    assert sends(change, "EDGE1")["Newsletter"]["TlsCertificateName"].startswith("<I>CN=tlsrunbook lab")


@pytest.mark.parametrize("server", ["EDGE1", "MBX1"])
def test_replacing_the_default_certificate_is_refused_on_both_sides(change_on: MakeChange, server: str) -> None:
    change = change_on(subscribed=True)
    change.edit('default_smtp_certificate = "keep"', 'default_smtp_certificate = "replace"')
    record = change.apply(server, *BEFORE)[-1]
    assert (record.step, record.status) == ("activate", Status.BLOCKED)
    assert "default-replace-with-edge-subscription" in rules(record)
    assert not any(command.changes for command in record.commands)


def test_edgesync_still_works_after_activating_on_both_sides(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    for server in ("EDGE1", "MBX1"):
        assert change.apply(server, *BEFORE)[-1].status is Status.CHANGED
    answer = change.lab.server(change.site, "MBX1").execute(
        [{"name": "Start-EdgeSynchronization", "parameters": []}], ["Result"]
    )
    assert answer["objects"] == [{"Result": "Success"}]


def test_without_a_subscription_the_site_file_is_contradicted(change_on: MakeChange) -> None:
    change = change_on()
    change.edit(r'(?s)(name = "EDGE1".*?)roles', r'\1send_through = "MBX1"\nroles')
    for server in ("EDGE1", "MBX1"):
        record = change.apply(server)[-1]
        assert (record.step, record.status) == ("connectors", Status.BLOCKED)
        assert "edge-not-subscribed" in rules(record)
        assert "subscribe" in record.todo


def test_without_the_site_file_saying_so_a_subscribed_edge_is_refused_before_anything_is_sent(
    change_on: MakeChange,
) -> None:
    change = change_on(subscribed=True)
    change.edit(r"send_through = .*\n", "")
    record = change.apply("EDGE1")[-1]
    assert (record.step, record.status) == ("connectors", Status.BLOCKED)
    assert "edge-subscribed-blocked" in rules(record)
    assert "send_through" in record.todo
    assert not any(command.changes for command in record.commands)


def test_a_mailbox_server_can_make_them_without_sending_itself(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    change.edit(r'(?s)(name = "MBX1".*?)roles = \["send", "receive"\]', r'\1roles = ["receive"]')
    _, inside, copy = through(change)
    assert statuses(inside)[-2:] == ["connectors: changed", "verify: unchanged"]
    assert statuses(copy) == ["connectors: unchanged", "verify: unchanged"]
    assert "TLS required MBX1" not in sends(change, "MBX1")


def test_a_renewal_with_another_intermediate_reaches_the_edge_by_edgesync(change_on: MakeChange) -> None:
    change = change_on(subscribed=True)
    through(change)
    first = sends(change, "EDGE1")["TLS required EDGE1"]["TlsCertificateName"]
    change.lab.ca.rotate_intermediate()
    change.edit("renew_before_days = 30", "renew_before_days = 180")
    edge = change.apply("EDGE1", *BEFORE)
    assert edge[-1].status is Status.CHANGED
    record = change.apply("MBX1", "connectors")[-1]
    assert record.status is Status.CHANGED, record.summary
    second = sends(change, "EDGE1")["TLS required EDGE1"]["TlsCertificateName"]
    assert second == edge[-1].facts["TLS certificate name"] != first
    assert json.dumps(record.plan).count("TlsCertificateName") >= 2
