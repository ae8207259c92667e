"""A person as the CA: the CSR taken from the card, its answer given on the card, and a domain asked about."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.labpage import PATIENCE, LabPage, as_text


def by_hand(text: str) -> str:
    """Let a folder be the authority, where the lab's CA would be asked."""
    return re.sub(r'kind = "lab".*\nurl = .*', 'kind = "folder"\noutbox = "outbox"\ninbox = "inbox"', text)


def give(tab: LabPage, name: str, content: bytes) -> None:
    """Choose a file on the install card."""
    with tab.page.expect_file_chooser() as chooser:
        tab.press("install", re.compile("Give the CA's answer"))
    chooser.value.set_files([{"name": name, "mimeType": "application/octet-stream", "buffer": content}])


def test_csr_out_answer_in_and_a_domain_asked_about(desk_on: Callable[..., Desk], tmp_path: Path) -> None:
    desk = desk_on(server="EDGE1", edit=by_hand)
    tab = desk.tab().open().run_all()
    tab.press("confirm", "Check")
    tab.wait_for_state("confirm", "done")
    tab.press("request", "Plan")
    tab.wait_for_state("request", "planned")
    tab.press("request", "Approve and apply")
    tab.wait_for_state("request", "waiting")

    (file,) = (tmp_path / "outbox").iterdir()
    csr, inbox = file.read_text(encoding="ascii"), tmp_path / "inbox"
    tab.press("request", "Copy the certificate request (CSR) of EDGE1")
    expect(tab.card("request")).to_contain_text("Copied", timeout=PATIENCE)
    assert tab.page.evaluate("() => navigator.clipboard.readText()") == csr
    with tab.page.expect_download() as download:
        tab.output("request").get_by_role("link", name="Download london-edge1.csr").click()
    assert Path(download.value.path()).read_text(encoding="ascii") == csr
    expect(tab.output("request")).to_contain_text("IN TLSA 3 1 1", timeout=PATIENCE)

    reply = desk.lab.ca.reply(desk.lab.ca.issue(csr))
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    give(tab, "with-key.pem", reply + key)
    expect(tab.card("install")).to_contain_text("Refused, and nothing was kept: with-key.pem", timeout=PATIENCE)
    expect(tab.output("install")).to_contain_text("a private key is in it, beside the certificate", timeout=PATIENCE)
    assert list(inbox.iterdir()) == []
    give(tab, "answer.pem", reply)
    expect(tab.output("install")).to_contain_text("The CA's answer was taken: answer.pem", timeout=PATIENCE)
    assert len(list(inbox.iterdir())) == 1

    tab.press("request", "Look for the answer")
    tab.wait_for_state("request", "done")
    tab.press("install", "Plan")
    tab.wait_for_state("install", "planned")
    tab.press("install", "Approve and apply")
    tab.wait_for_state("install", "done")
    tab.press("activate", "Plan")
    tab.wait_for_state("activate", "planned")
    tab.press("activate", "Approve and apply")
    tab.wait_for_state("activate", "done")
    tab.press("connectors", "Plan")
    tab.wait_for_state("connectors", "planned")
    field = tab.page.get_by_label("Which connector will mail to this domain take?")
    field.fill("anna@partner.example.org")
    field.press("Enter")
    told = "and TLS required EDGE1 (TLS required) after."
    expect(tab.card("connectors")).to_contain_text(told, timeout=PATIENCE)
    expect(tab.output("connectors")).to_contain_text(told, timeout=PATIENCE)
    assert tab.scrolls_sideways() == []

    saved = tab.save()
    for words in (told, "BEGIN CERTIFICATE REQUEST", "a trusted root"):
        assert words in as_text(saved)
    assert "PRIVATE KEY-" not in as_text(saved)
    assert "widgets" not in saved["metadata"]
