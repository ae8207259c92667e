"""The cards of request, connectors and verify on a lab: what they show is what the servers have."""

from __future__ import annotations

import hashlib
import html
import re
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from exchange_world import ok

from tests.support.card_page import CardPage
from tests.support.change import Change, statuses
from tlsrunbook.evidence.answers import Answer
from tlsrunbook.evidence.display import html as html_of
from tlsrunbook.evidence.display import text
from tlsrunbook.evidence.record import Status
from tlsrunbook.ui import cards_connectors

OWNER = "_25._tcp.mx1.london.example.net"
SCRIPT = "<script>alert('x')</script>"


def spki_digest(pem: str) -> str:
    key = x509.load_pem_x509_csr(pem.encode()).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


# Request


def test_the_request_card_tells_all_that_a_ca_and_dns_want_to_know(change: Change) -> None:
    (record,) = change.apply("EDGE1", "request")
    csr = str(record.facts["CSR"])
    digest = spki_digest(csr)
    plain = text(record, "Request", "")
    assert f"SHA-256 of the key: {digest}" in plain
    assert f"{OWNER}. IN TLSA 3 1 1 {digest}" in plain
    assert "key: RSA 2048 bits, the one in the CSR" in plain
    assert "serverAuth" in plain
    assert "at most " in plain
    for line in csr.splitlines():
        assert line in plain
    button = CardPage(change, "request").controls()
    assert html.escape(csr) in button.value
    assert 'aria-label="Copy the certificate request (CSR) of EDGE1"' in button.value


def test_before_the_request_there_is_advice_and_nothing_to_copy(change: Change) -> None:
    (record,) = change.plan("EDGE1", "request")
    assert "What to tell the CA:" in text(record, "Request", "")
    assert CardPage(change, "request").controls() is None


def test_every_name_and_every_endpoint_gets_its_tlsa_record(change: Change) -> None:
    change.edit(r"(?m)^names = \[\](.*)$", r'names = ["smtp.london.example.net"]\1')
    (record,) = change.apply("EDGE1", "request")
    owners = [line.split(" ", 1)[0] for line in record.facts["TLSA records to publish early"]]
    assert owners == [f"{OWNER}.", "_25._tcp.smtp.london.example.net."]


# Connectors


def ask(page: CardPage, domain: str, how: str = "Enter") -> Answer:
    asking, said = page.controls().children
    field, button = asking.children
    if how == "Enter":
        field.value = domain  # as the browser sends it on Enter
    else:
        field.set_trait("value", domain)
        page.shown.clear()
        button.click()
    answer = page.shown[cards_connectors.ANSWER]
    assert isinstance(answer, Answer)
    assert html.escape(answer.title) in said.value, "it is told beside the field too"
    assert "role=status" in said.value
    return answer


def test_nothing_can_be_asked_before_the_connectors_were_looked_at(change: Change) -> None:
    change.apply("EDGE1", "confirm")
    assert CardPage(change, "connectors").controls() is None


@pytest.mark.parametrize("how", ["Enter", "button"])
def test_which_connector_before_and_after_the_step(change: Change, how: str) -> None:
    change.plan("EDGE1", "connectors")
    page = CardPage(change, "connectors")
    answer = ask(page, "anna@Partner.example.org", how)
    assert answer.title == (
        "Mail from EDGE1 to partner.example.org takes no connector (it stays in the Unreachable queue) now, "
        "and TLS required EDGE1 (TLS required) after."
    )
    assert "the most specific one that covers it; cost is not asked then" in repr(answer)
    assert "connector not Internet EDGE1; because its SMTP:*;1 is less specific" in repr(answer)


def test_after_the_step_it_tells_what_was_and_what_is(change: Change) -> None:
    assert change.apply("EDGE1")[-1].status is Status.UNCHANGED
    answer = ask(CardPage(change, "connectors"), "nobody.example.com")
    assert answer.title == (
        "Mail from EDGE1 to nobody.example.com takes no connector (it stays in the Unreachable queue) before the step, "
        "and Internet EDGE1 (TLS opportunistic) now."
    )
    change.apply("EDGE1", "connectors", change=change.store.changes()[-1])
    again = ask(CardPage(change, "connectors"), "broken.example.org")
    assert "takes TLS never EDGE1 (TLS never), now and after." in again.title


@pytest.mark.parametrize("typed", ["no domain", "*.example.org", SCRIPT, "partner"])
def test_bad_input_is_one_clear_message(change: Change, typed: str) -> None:
    change.plan("EDGE1", "connectors")
    answer = ask(CardPage(change, "connectors"), typed)
    assert answer.kind == "bad"
    assert answer.title.startswith("Which connector? “")
    assert answer.todo.startswith("write a mail domain")
    assert answer.sections == ()
    assert "<script" not in answer._repr_mimebundle_()["text/html"]


def test_the_field_says_what_it_is_for(change: Change) -> None:
    change.plan("EDGE1", "connectors")
    field, button = CardPage(change, "connectors").controls().children[0].children
    assert field.description == "Which connector will mail to this domain take?"
    assert button.tooltip


def test_a_connector_that_somebody_made_is_beside_the_three_and_its_name_is_text(change: Change) -> None:
    name = "<b>Fax</b> & more"
    ok(change.lab.server(change.site, "EDGE1"), "New-SendConnector", Name=name, AddressSpaces=["*.fax.example.org"])
    (record,) = change.plan("EDGE1", "connectors")
    markup = html_of(record, "Connectors", "")
    assert html.escape(name) in markup
    assert "<b>" not in markup


# Verify


def points(record: Any) -> dict[str, str]:
    return {row["point"]: row["agree"] for row in record.facts["what the wire shows"]}


def test_a_good_server_agrees_in_every_point_and_tells_how_exchange_chose(change: Change) -> None:
    record = change.apply("EDGE1")[-1]
    assert set(points(record).values()) == {"yes", "nothing to compare"}
    assert points(record)["TLSA"] == "nothing to compare"
    plain = text(record, "Verify", "")
    for words in ("thumbprint: agree ✓ yes", "How Exchange chose, rule by rule:", "has this issuer and subject"):
        assert words in plain
    assert CardPage(change, "verify").controls() is None


def test_what_is_not_done_yet_does_not_agree(change: Change) -> None:
    (record,) = change.apply("EDGE1", "verify")
    assert points(record)["STARTTLS"] == "no"
    assert "✗ no" in re.sub(r"<[^>]+>", "", html_of(record, "Verify", ""))


def test_a_published_record_of_the_new_key_beside_the_old_one_is_right(change: Change) -> None:
    (request,) = change.apply("EDGE1", "request")
    new = str(request.facts["TLSA records to publish early"][0]).partition(" TLSA ")[2]
    change.lab.tlsa[OWNER] = (f"3 1 1 {'0' * 64}", new)
    record = change.apply("EDGE1")[-1]
    assert record.status is Status.UNCHANGED, record.summary
    assert points(record)["TLSA"] == "yes"


def test_a_published_record_of_the_old_key_alone_fails_the_verification(change: Change) -> None:
    change.lab.tlsa[OWNER] = (f"3 1 1 {'0' * 64}",)
    records = change.apply("EDGE1")
    assert statuses(records)[-1] == "verify: failed"
    assert points(records[-1])["TLSA"] == "no"
    (finding,) = [one for one in records[-1].findings if one["severity"] == "error"]
    assert finding["rule"] == "tlsa-differs"
