"""The install card on a lab: a file is looked at before anything is sent, and only the right one is put anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from certificate_factory import csr_for, key, world
from cryptography.hazmat.primitives.serialization import Encoding
from desk import Desk, p7b, pems, private_key, upward

from tests.support.card_page import CardPage
from tlsrunbook.evidence.answers import Answer
from tlsrunbook.evidence.record import Status
from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.lab import Lab
from tlsrunbook.ui import cards_install
from tlsrunbook.ui.extras import CardContext, extra_of


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Lab(servers=1, keys=KeyRing()) as lab:
        yield Desk(lab, tmp_path)


class Page(CardPage):
    """The install card of EDGE1."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.change, "install")

    def upload(self, **files: bytes) -> Answer:
        """Choose files as the browser hands them over."""
        self.box = self.controls()
        (control,) = [one for one in self.box.children if hasattr(one, "accept")]
        self.control = control
        control.value = tuple(
            {"name": name.replace("_", "."), "type": "", "size": len(content), "content": memoryview(content),
             "last_modified": datetime(2026, 11, 24, tzinfo=UTC)}
            for name, content in files.items()
        )  # fmt: skip
        shown = self.shown[cards_install.ANSWER]
        assert isinstance(shown, Answer)
        return shown


def inbox(desk: Desk) -> list[str]:
    return sorted(path.name for path in desk.inbox.iterdir())


def test_the_right_answer_lies_in_the_inbox_and_install_takes_it(desk: Desk) -> None:
    page, leaf = Page(desk), desk.issue()
    before = desk.change.snapshots()
    answer = page.upload(answer_p7b=p7b(Encoding.DER, *reversed(upward()), leaf))
    assert answer.kind == "good"
    assert desk.change.snapshots() == before, "nothing was sent"
    (name,) = inbox(desk)
    assert name.startswith("london-edge1-")
    assert name in repr(answer)
    for words in ("the certificate for this request", "intermediate 1 above it", "a trusted root", "answer.p7b"):
        assert words in repr(answer)
    record = desk.install()
    assert record.status is Status.CHANGED, record.summary
    kinds = [row["what it is"] for row in record.facts["the CA's answer"]]
    assert kinds == ["intermediate 2 above it", "intermediate 1 above it", "the certificate for this request"]
    assert record.facts["chain to a root"].endswith("a trusted root")
    assert Page(desk).controls() is None, "there is nothing to give any more"


def test_several_files_at_once(desk: Desk) -> None:
    answer = Page(desk).upload(mx1_cer=desk.issue().der, ca1_crt=upward()[0].der, ca2_pem=upward()[1].pem)
    assert answer.kind == "good"
    assert desk.install().status is Status.CHANGED


def test_nothing_of_a_file_stays_in_the_widget(desk: Desk) -> None:
    page = Page(desk)
    page.upload(answer_pem=pems(desk.issue(), *upward()))
    assert page.control.value == ()
    assert "BEGIN CERTIFICATE" not in json.dumps(page.control.get_state(), default=str)


REJECTED: dict[str, Callable[[Desk], bytes]] = {
    "the CSR itself": lambda desk: desk.csr_file.read_bytes(),
    "a web page": lambda _: b"<html><body>log on</body></html>",
    "for another key": lambda desk: pems(desk.issue(own_key=key("stranger")), *upward()),
    "for other names": lambda desk: pems(desk.issue("www.example.com"), *upward()),
    "with a private key": lambda desk: pems(desk.issue(), *upward()) + private_key(),
    "cut off": lambda desk: desk.issue().pem[:-60],
    "from an unknown CA": lambda desk: pems(
        desk.issue(signer=world().other_intermediate), world().other_intermediate, world().other_root
    ),
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_rejected_file_leaves_nothing_behind_and_one_clear_message(desk: Desk, name: str) -> None:
    page = Page(desk)
    evidence = sorted(str(path) for path in desk.change.runs.rglob("*"))
    answer = page.upload(answer_txt=REJECTED[name](desk))
    assert answer.kind == "bad"
    assert answer.title == "Refused, and nothing was kept: answer.txt"
    assert answer.seen
    assert answer.todo
    assert inbox(desk) == []
    assert sorted(str(path) for path in desk.change.runs.rglob("*")) == evidence
    key_text = b"".join(private_key().splitlines()[1:-1]).decode()
    assert key_text[:40] not in json.dumps(answer._repr_mimebundle_())
    assert desk.install().status is Status.WAITING, "as if nothing had been given"


def test_the_answer_to_another_request_of_the_site_says_whose(desk: Desk) -> None:
    store, number = desk.change.store, desk.change.store.changes()[-1]
    other = csr_for(key("stranger"), "mx9.example.com", ("mx9.example.com",))
    store.attempt(number, "MBX9", "request", 2).write("request.csr", other.public_bytes(Encoding.PEM))
    answer = Page(desk).upload(answer_pem=pems(desk.issue(own_key=key("stranger")), *upward()))
    assert answer.seen == f"It is the answer to another request: that of MBX9 (change {number})"
    assert inbox(desk) == []


def test_an_inbox_that_cannot_be_written_is_one_message(desk: Desk) -> None:
    desk.inbox.rmdir()
    desk.inbox.write_bytes(b"a file where the folder should be")
    answer = Page(desk).upload(answer_pem=pems(desk.issue(), *upward()))
    assert answer.kind == "bad"
    assert answer.title == "Not taken: answer.pem"
    assert "authority.inbox" in answer.todo


def test_there_is_no_upload_before_a_request_nor_where_the_authority_answers_by_itself(desk: Desk) -> None:
    page = Page(desk)
    assert page.controls() is not None
    assert "FileUpload" in type(page.controls().children[1]).__name__
    empty = CardContext(**{**vars(page.context), "latest": {}, "records": ()})
    assert extra_of(empty) is None
    desk.change.edit(
        r'kind = "folder".*\n(roots = .*)\noutbox = .*\ninbox = .*', r'kind = "lab"\n\1\nurl = "http://127.0.0.1:1"'
    )
    assert Page(desk).controls() is None


def test_what_became_of_a_file_is_told_beside_the_control_too(desk: Desk) -> None:
    page = Page(desk)
    assert page.upload(answer_pem=pems(desk.issue(), *upward())).kind == "good"
    assert "The CA's answer was taken: answer.pem. More below." in unescape(page.box.children[2].value)
    assert "role=status" in page.box.children[2].value


def test_markup_in_names_and_subjects_is_text(desk: Desk) -> None:
    page = Page(desk)
    odd = desk.issue("<script>x</script>", names=[desk.fqdn], own_key=key("stranger"))
    answer = page.upload(**{"<img src=x>_pem": pems(odd)})
    markup = answer._repr_mimebundle_()["text/html"]
    assert "<script>" not in markup
    assert "<img" not in markup
    assert "&lt;script&gt;x&lt;/script&gt;" in markup


def test_controls_are_labelled(desk: Desk) -> None:
    label, upload, _ = Page(desk).controls().children
    assert "EDGE1" in label.value
    assert upload.description == "Give the CA's answer…"
    assert "EDGE1" in upload.tooltip
    assert upload.multiple
