"""Which TLS certificate names are outdated, and which connectors hold them whatever they are called."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from worlds import AT, FQDN, certificate, make_site, make_state, receive, send, target_of

from tlsrunbook.plan.model import Reverse
from tlsrunbook.plan.outdated import (
    dangling_names,
    following_receivers,
    following_senders,
    outdated_names,
    sender_items,
)

SITE = make_site()
SERVER = SITE.servers[0]
DAY = timedelta(days=1)
NEW = certificate("B", issuer="CN=Good CA 2")


@pytest.mark.parametrize(
    ("old", "is_superseded"),
    [
        (certificate("A"), True),
        (certificate("A", not_after=AT - DAY, status="DateInvalid"), True),
        (certificate("A", issuer="CN=Good CA 2"), False),
        (certificate("A", status="PendingRequest"), False),
        (certificate("A", self_signed=True), False),
        (certificate("A", names=("other.example.com",)), False),
        (certificate("A", names=("*.example.com",)), False),
        (certificate("A", names=(FQDN, "client.example.com")), False),
        (certificate("A", tls_certificate_name=""), False),
    ],
    ids=[
        "same FQDN from another CA",
        "expired",
        "same issuer and subject: the name goes on",
        "a request",
        "self-signed",
        "another FQDN",
        "a wildcard serves names that the new one does not carry",
        "so does one with further names",
        "one without a name would mean every connector that names none",
    ],
)
def test_superseded(old: Any, is_superseded: bool) -> None:
    names = outdated_names(make_state(old, NEW), SERVER, NEW)
    assert names == ((old.tls_certificate_name,) if is_superseded else ())


GONE = f"<I>CN=Good CA 1<S>CN={FQDN}"


def holding(name: str, **changes: Any) -> Any:
    return make_state(NEW, receive_connectors=(receive(tls_certificate_name=name),), **changes)


@pytest.mark.parametrize(
    ("name", "outdated"),
    [
        (GONE, True),
        (GONE.replace("<I>", "<i>").replace("<S>", "<s>").upper(), True),
        (f"<I>CN=Good CA 1<S>C=GB, O=Example Corp, CN={FQDN}", True),
        (f'<I>CN=Good CA 1, O="Good, Inc."<S>O="Example, Corp", CN={FQDN}', True),
        ("<I>CN=Good CA 1<S>CN=mail.example.com", False),
        (f"<I>CN=Good CA 1<S>O={FQDN}", False),
        ("<I>CN=Good CA 1<S>CN=*.example.com", False),
        (NEW.tls_certificate_name, False),
        ("not a name", False),
    ],
)
def test_a_name_that_no_certificate_bears_is_told_by_its_subject(name: str, outdated: bool) -> None:
    assert outdated_names(holding(name), SERVER, NEW) == ((name,) if outdated else ())


def test_what_the_evidence_remembers_goes_before_the_subject() -> None:
    named_otherwise = "<I>CN=Good CA 1<S>O=Example Corp"
    remembered = {named_otherwise: (FQDN,), GONE: (FQDN, "client.example.com")}
    assert outdated_names(holding(named_otherwise), SERVER, NEW) == ()
    assert outdated_names(holding(named_otherwise), SERVER, NEW, remembered) == (named_otherwise,)
    assert outdated_names(holding(GONE), SERVER, NEW, remembered) == (), "it had a name that the new one lacks"


def test_nothing_dangles_where_a_certificates_name_was_not_told() -> None:
    untold = certificate("C", tls_certificate_name="")
    state = make_state(NEW, untold, receive_connectors=(receive(tls_certificate_name=GONE),))
    assert dangling_names(state) == ()
    assert outdated_names(state, SERVER, NEW) == ()


def test_before_the_certificate_is_issued_every_present_name_may_go() -> None:
    assert outdated_names(make_state(NEW), SERVER, None) == (NEW.tls_certificate_name,)


def test_connectors_are_found_by_what_they_name_in_any_case() -> None:
    state = make_state(
        NEW,
        receive_connectors=(receive(tls_certificate_name=GONE.lower()), receive("B", tls_certificate_name=None)),
        send_connectors=(
            send("Hybrid", tls_certificate_name=GONE),
            send("Plain"),
            send("Own", tls_certificate_name=GONE),
        ),
    )
    assert [connector.name for connector in following_receivers(state, (GONE,))] == ["Default EDGE1"]
    assert [connector.name for connector in following_senders(state, (GONE,), ("OWN",))] == ["Hybrid"]


@pytest.mark.parametrize(
    ("sources", "found"), [(("EDGE1",), True), (("edge1", "MBX2"), True), (("MBX2",), False), ((), False)]
)
def test_send_connectors_of_other_servers_are_theirs(sources: tuple[str, ...], found: bool) -> None:
    hybrid = send("Hybrid", tls_certificate_name=GONE, source_transport_servers=sources)
    state = make_state(NEW, is_edge=False, role="Mailbox", send_connectors=(hybrid,))
    assert bool(following_senders(state, (GONE,))) is found
    assert bool(dangling_names(state)) is found


def test_a_send_connector_gets_its_certificate_name_and_nothing_else() -> None:
    hybrid = send("Hybrid", tls_certificate_name=GONE, require_tls=True, tls_auth_level="DomainValidation")
    (item,) = sender_items((hybrid,), target_of(make_state()), NEW.tls_certificate_name)
    assert isinstance(item.does, tuple)
    assert dict(item.does[0].parameters) == {"Identity": "Hybrid", "TlsCertificateName": NEW.tls_certificate_name}
    assert isinstance(item.undo, Reverse)
    assert dict(item.undo.pipelines[0][0].parameters) == {"Identity": "Hybrid", "TlsCertificateName": GONE}
