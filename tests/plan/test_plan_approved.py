"""What counts as the approved plan: the same, or less of it, Later values from its own request."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests_world import chain, csr_pem, leaf

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.evidence.record import plan_data
from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.plan import later
from tlsrunbook.plan.approved import Difference, differences, resolved
from tlsrunbook.plan.later import Known
from tlsrunbook.plan.model import Change, Compensate, Plan, PlanItem, Reverse, Submit

LEAF = leaf()
FACTS = certificate_facts(LEAF.der)
KEYS = {read_csr(csr_pem()).spki_sha256}
NAME = "<I>CN=Good CA<S>CN=mx1.example.com"
KNOWN = Known(
    {later.CERTIFICATE: LEAF.der, later.THUMBPRINT: FACTS.thumbprint, later.TLS_NAME: NAME, later.CSR: csr_pem()},
    tuple(
        {later.INTERMEDIATE: one.der, later.INTERMEDIATE_THUMBPRINT: certificate_facts(one.der).thumbprint}
        for one in chain()
    ),
)


def connector(tls: str | Later | None, *, have: str | None = "old", require: bool | None = True) -> PlanItem:
    given: dict[str, Any] = {"TlsCertificateName": tls, "RequireTLS": require}
    given = {name: value for name, value in given.items() if value is not None}
    haves = {"TlsCertificateName": have, "RequireTLS": False}
    return PlanItem(
        "mail shall use TLS",
        (Command.of("Set-SendConnector", Identity="A", **given),),
        tuple(Change("send connector A", name, haves[name], value) for name, value in given.items()),
        Reverse(((Command.of("Set-SendConnector", Identity="A", **{name: haves[name] for name in given}),),)),
    )


def enable(thumbprint: str | Later) -> PlanItem:
    return PlanItem(
        "enable",
        (Command.of("Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP"),),
        (Change(later.named("certificate", thumbprint), "Services", (), ("SMTP",)),),
        Compensate(((Command.of("Enable-ExchangeCertificate", Thumbprint="D" * 40, Services="SMTP"),),), "it stays"),
    )


def put_back(new: str | Later) -> PlanItem:
    return PlanItem(
        "put back",
        (Command.of("Enable-ExchangeCertificate", Thumbprint="D" * 40, Services="SMTP"),),
        (Change("server EDGE1", "default SMTP certificate", new, "D" * 40),),
        Compensate((), "as before"),
    )


def store(der: bytes | Later, thumbprint: str | Later) -> PlanItem:
    return PlanItem(
        "complete chain",
        (Command.of("Add-StoreCertificate", StoreName="CA", RawData=der),),
        (Change(later.named("intermediate certificate", thumbprint), "installed", None, "CA"),),
        Reverse(((Command.of("Remove-StoreCertificate", StoreName="CA", Thumbprint=thumbprint),),)),
    )


def submit(csr: str | Later) -> PlanItem:
    change = Change("authority folder", "CSR", None, "handed over")
    return PlanItem("hand over", Submit("folder", csr), (change,), Compensate((), "no"))


PLANNED = (
    store(later.INTERMEDIATE, later.INTERMEDIATE_THUMBPRINT),
    enable(later.THUMBPRINT),
    put_back(later.THUMBPRINT),
    connector(later.TLS_NAME),
)
NOW = (
    *(store(one.der, certificate_facts(one.der).thumbprint) for one in chain()),
    enable(FACTS.thumbprint),
    put_back(FACTS.thumbprint),
    connector(NAME),
)


def data(*items: PlanItem) -> dict[str, Any]:
    return plan_data(Plan(items))


def compared(
    planned: tuple[PlanItem, ...], now: tuple[PlanItem, ...], known: Known = KNOWN, keys: set[str] = KEYS
) -> tuple[Difference, ...]:
    return differences(data(*planned), data(*now), known, keys)


def test_a_plan_without_later_values_is_what_it_was() -> None:
    assert compared((connector(NAME),), (connector(NAME),), Known(), set()) == ()


def test_later_values_become_what_the_issued_certificate_is_and_each_intermediate_an_item() -> None:
    assert compared(PLANNED, NOW) == ()


@given(st.sets(st.sampled_from(range(len(NOW)))))
def test_any_part_of_it_in_its_order_is_what_was_approved(kept: set[int]) -> None:
    assert compared(PLANNED, tuple(item for at, item in enumerate(NOW) if at in kept)) == ()


@given(st.permutations(range(len(NOW))))
def test_another_order_is_not(order: list[int]) -> None:
    found = compared(PLANNED, tuple(NOW[at] for at in order))
    assert bool(found) is (order != sorted(order))
    assert all(one.property == "order" for one in found)


@pytest.mark.parametrize("at", range(len(NOW)))
def test_no_item_may_come_twice_or_from_elsewhere(at: int) -> None:
    assert compared(PLANNED, (*NOW[: at + 1], NOW[at], *NOW[at + 1 :]))
    assert compared(PLANNED[:-1], NOW) == (
        Difference("send connector A", "TlsCertificateName", "not to be changed", f"old → {NAME}"),
        Difference("send connector A", "RequireTLS", "not to be changed", "no → yes"),
    )


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the paths of all single values in some data, but for sentences and PowerShell texts."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in pairs:
            if key not in ("why", "text", "note", "reason"):
                yield from leaves(part, (*path, key))
    else:
        yield path


@given(st.sampled_from(list(leaves(data(*NOW)["items"]))), st.sampled_from(["x", True, None, 7]))
def test_nothing_at_all_may_differ(path: tuple[Any, ...], other: Any) -> None:
    now = copy.deepcopy(data(*NOW))
    place: Any = now["items"]
    for key in path[:-1]:
        place = place[key]
    if place[path[-1]] is other or place[path[-1]] == other:
        return
    place[path[-1]] = other
    assert differences(data(*PLANNED), now, KNOWN, KEYS)


def test_sentences_do_not_count() -> None:
    now = copy.deepcopy(data(*NOW))
    for item in now["items"]:
        item["why"] = "in other words"
        for command in item["does"]:
            command["text"] = "in other words"
    assert differences(data(*PLANNED), now, KNOWN, KEYS) == ()


def test_what_a_later_value_turned_out_to_be_already_right_goes_from_command_and_undo() -> None:
    planned = connector(later.TLS_NAME, have=NAME)
    assert compared((planned,), (connector(None, have=NAME),)) == ()
    assert resolved(data(connector(later.TLS_NAME, have=NAME, require=None))["items"], KNOWN) == ()


def test_a_known_value_that_is_right_by_now_is_another_plan() -> None:
    found = compared((connector(NAME),), (connector(NAME, require=None),))
    assert found == (Difference("send connector A", "RequireTLS", "no → yes", "not to be changed"),)


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (connector(NAME, have="hers"), "TlsCertificateName: approved: old → " + NAME + "; now: hers → " + NAME),
        (connector("<I>CA<S>other"), "TlsCertificateName: approved: old → " + NAME + "; now: old → <I>CA<S>other"),
        (enable("E" * 40), "certificate " + "E" * 40 + ": Services: approved: not to be changed; now: nothing → SMTP"),
    ],
)
def test_the_difference_names_target_property_and_both_sides(now: PlanItem, text: str) -> None:
    assert any(text in str(one) for one in compared(PLANNED, (now,)))


@pytest.mark.parametrize(
    ("alter", "shown"),
    [
        (lambda item: item["does"][0].update(name="Remove-SendConnector"), "command"),
        (lambda item: item["does"][0]["parameters"].append(["Force", True]), "command"),
        (lambda item: item["undo"].update(kind="irreversible"), "undo"),
    ],
)
def test_a_command_or_undo_that_differs_alone_is_shown(alter: Callable[[Any], None], shown: str) -> None:
    now = copy.deepcopy(data(NOW[-1]))
    alter(now["items"][0])
    (found,) = differences(data(*PLANNED), now, KNOWN, KEYS)
    assert (found.target, found.property) == ("send connector A", shown)
    assert found.approved != found.present


FOREIGN = leaf(key_name="somebody")


@pytest.mark.parametrize(
    ("known", "keys"),
    [
        (Known({**KNOWN.values, later.CERTIFICATE: FOREIGN.der}, KNOWN.intermediates), KEYS),
        (KNOWN, set()),
        (Known({k: v for k, v in KNOWN.values.items() if k != later.CERTIFICATE}, KNOWN.intermediates), KEYS),
    ],
    ids=["of another key", "no request of this change", "not shown by the server"],
)
def test_a_certificate_that_was_not_issued_for_this_changes_request_is_refused(known: Known, keys: set[str]) -> None:
    found = compared(PLANNED, NOW, known, keys)
    assert [one.property for one in found] == ["key"]
    assert found[0].target == "the certificate"


def test_a_csr_that_this_change_did_not_make_is_refused() -> None:
    assert compared((submit(later.CSR),), (submit(csr_pem()),)) == ()
    assert compared((submit(later.CSR),), (submit(later.CSR),), Known(), set()) == ()
    other = Known({later.CSR: csr_pem("somebody")})
    (found,) = compared((submit(later.CSR),), (submit(csr_pem("somebody")),), other)
    assert (found.target, found.property) == ("the CSR", "key")


def test_a_later_value_that_is_not_known_stands_for_nothing() -> None:
    assert compared((connector(later.TLS_NAME),), (connector(NAME),), Known({later.CERTIFICATE: LEAF.der}))


def test_a_value_is_not_put_into_texts_that_only_look_alike() -> None:
    planned = connector("<I>CA<S>thumbprint of the certificate to be issued")
    assert compared((planned,), (connector(f"<I>CA<S>{FACTS.thumbprint}"),))
