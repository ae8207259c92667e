"""A person as the CA: the CSR taken from the card, its answer given on the card, and a domain asked about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import expect

from tests.browser.desk import Desk, by_hand
from tests.browser.labpage import PATIENCE, LabPage, as_text


def strangers_csr(pem: str) -> str:
    """Give a request for the same subject with another key: its certificate looks right, and is not."""
    ours = x509.load_pem_x509_csr(pem.encode("ascii"))
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(ours.subject)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    return csr.public_bytes(Encoding.PEM).decode("ascii")


def private_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def request_made(desk: Desk) -> LabPage:
    """Do the steps before the CA has to answer."""
    tab = desk.tab().open().run_all()
    tab.plan_and_apply("confirm")
    tab.press("request", "Plan")
    tab.wait_for_state("request", "planned")
    tab.press("request", "Approve and apply")
    tab.wait_for_state("request", "waiting")
    return tab


def refuse(tab: LabPage, name: str, content: bytes, because: str) -> None:
    """Give a file that is no answer, and see that it is refused."""
    tab.give("install", name, content)
    expect(tab.card("install")).to_contain_text(f"Refused, and nothing was kept: {name}", timeout=PATIENCE)
    expect(tab.output("install")).to_contain_text(because, timeout=PATIENCE)


def test_csr_out_answer_in_and_a_domain_asked_about(desk_on: Callable[..., Desk]) -> None:
    desk = desk_on(server="EDGE1", edit=by_hand)
    tab = request_made(desk)
    (file,) = (desk.folder / "outbox").iterdir()
    csr, inbox = file.read_text(encoding="ascii"), desk.folder / "inbox"
    tab.press("request", "Copy the certificate request (CSR) of EDGE1")
    expect(tab.card("request")).to_contain_text("Copied", timeout=PATIENCE)
    assert tab.page.evaluate("() => navigator.clipboard.readText()") == csr
    with tab.page.expect_download() as download:
        tab.output("request").get_by_role("link", name="Download london-edge1.csr").click()
    assert Path(download.value.path()).read_text(encoding="ascii") == csr
    expect(tab.output("request")).to_contain_text("IN TLSA 3 1 1", timeout=PATIENCE)

    refuse(tab, "wrong.pem", desk.lab.ca.reply(desk.lab.ca.issue(strangers_csr(csr))), "key")
    reply, key = desk.lab.ca.reply(desk.lab.ca.issue(csr)), private_key()
    refuse(tab, "with-key.pem", reply + key, "a private key is in it, beside the certificate")
    expect(tab.output("install")).not_to_contain_text("wrong.pem")
    assert list(inbox.iterdir()) == []
    saved = as_text(tab.save())
    assert "with-key.pem" in saved
    for line in key.decode("ascii").splitlines():
        assert line not in saved
    tab.give("install", "answer.pem", reply)
    expect(tab.output("install")).to_contain_text("The CA's answer was taken: answer.pem", timeout=PATIENCE)
    assert len(list(inbox.iterdir())) == 1
    tab.press("request", "Look for the answer")
    tab.wait_for_state("request", "done")
    assert desk.changed() == {"New-ExchangeCertificate": 1}

    tab.plan_and_apply("install")
    tab.plan_and_apply("activate")
    tab.press("connectors", "Plan")
    tab.wait_for_state("connectors", "planned")
    field = tab.page.get_by_label("Which connector will mail to this domain take?")
    field.fill("anna@partner.example.org")
    field.press("Enter")
    told = "and TLS required EDGE1 (TLS required) after."
    expect(tab.card("connectors")).to_contain_text(told, timeout=PATIENCE)
    expect(tab.output("connectors")).to_contain_text(told, timeout=PATIENCE)
    assert tab.scrolls_sideways() == []

    saved_at_the_end = tab.save()
    for words in (told, "BEGIN CERTIFICATE REQUEST", "a trusted root"):
        assert words in as_text(saved_at_the_end)
    assert "PRIVATE KEY-" not in as_text(saved_at_the_end)
    assert "widgets" not in saved_at_the_end["metadata"]
