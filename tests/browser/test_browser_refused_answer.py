"""A CA's answer that is not the right one: one clear message, and nothing of it is left anywhere."""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import expect

from tests.browser.desk import Desk, by_hand
from tests.browser.labpage import PATIENCE, as_text


def strangers_csr(pem: str) -> str:
    """Give a request for the same subject with another key: its certificate looks right, and is not."""
    ours = x509.load_pem_x509_csr(pem.encode("ascii"))
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(ours.subject)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    return csr.public_bytes(Encoding.PEM).decode("ascii")


def test_a_wrong_answer_is_refused_and_forgotten_and_the_right_one_is_taken(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(server="EDGE1", edit=by_hand)
    tab = desk.tab().open().run_all()
    tab.plan_and_apply("confirm")
    tab.press("request", "Plan")
    tab.wait_for_state("request", "planned")
    tab.press("request", "Approve and apply")
    tab.wait_for_state("request", "waiting")
    (out,) = (desk.folder / "outbox").iterdir()
    csr, inbox = out.read_text(encoding="ascii"), desk.folder / "inbox"
    card, below = tab.card("install"), tab.output("install")

    tab.give("install", "wrong.pem", desk.lab.ca.reply(desk.lab.ca.issue(strangers_csr(csr))))
    expect(card).to_contain_text("wrong.pem", timeout=PATIENCE)
    expect(below).to_contain_text("key", timeout=PATIENCE)
    assert list(inbox.iterdir()) == []

    reply = desk.lab.ca.reply(desk.lab.ca.issue(csr))
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    tab.give("install", "with-key.pem", reply + key)
    expect(below).to_contain_text("a private key is in it", timeout=PATIENCE)
    expect(below).not_to_contain_text("wrong.pem")
    assert list(inbox.iterdir()) == []
    saved = as_text(tab.save())
    assert "with-key.pem" in saved
    for line in key.decode("ascii").splitlines():
        assert line not in saved

    tab.give("install", "answer.pem", reply)
    expect(below).to_contain_text("The CA's answer was taken: answer.pem", timeout=PATIENCE)
    assert len(list(inbox.iterdir())) == 1
    tab.press("request", "Look for the answer")
    tab.wait_for_state("request", "done")
    assert desk.changed() == {"New-ExchangeCertificate": 1}
