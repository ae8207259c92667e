"""What a person may put into the inbox, from the CSR in the outbox to the record: the right thing in any shape is
installed, everything else is named and nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from certificate_factory import Made, key, world
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from desk import Desk, armour, lines, p7b, pems, private_key, upward, zipped

from tlsrunbook.evidence.record import Status
from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.lab import Lab


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Lab(servers=1, keys=KeyRing()) as lab:
        yield Desk(lab, tmp_path)


#: Shape -> the files of the inbox, given the leaf.
SHAPES: dict[str, Callable[[Made], dict[str, bytes]]] = {
    "PEM, leaf first": lambda leaf: {"a.pem": pems(leaf, *upward())},
    "PEM, leaf last, root beside": lambda leaf: {"a.pem": pems(world().root, *reversed(upward()), leaf)},
    "DER, intermediates in other files": lambda leaf: {
        "mx1.cer": leaf.der,
        "ca1.crt": upward()[0].der,
        "ca2.crt": upward()[1].pem,
    },
    "p7b in DER": lambda leaf: {"a.p7b": p7b(Encoding.DER, leaf, *upward())},
    "p7b in PEM": lambda leaf: {"a.p7b": p7b(Encoding.PEM, leaf, *upward())},
    "p7b as bare base64": lambda leaf: {"a.txt": lines(p7b(Encoding.DER, leaf, *upward()))},
    "p7b in certificate armour": lambda leaf: {"a.cer": armour("CERTIFICATE", p7b(Encoding.DER, leaf, *upward()))},
    "p7b in Windows' armour": lambda leaf: {"a.p7b": armour("PKCS #7 SIGNED DATA", p7b(Encoding.DER, leaf, *upward()))},
    "UTF-16 with text around": lambda leaf: {
        "mail.txt": ("Sehr geehrte Damen,\r\n\r\n" + pems(leaf, *upward()).decode() + "\r\nIhre CA").encode("utf-16")
    },
    "ZIP of several files": lambda leaf: {
        "order.zip": zipped(ca_crt=upward()[0].der, mx1_crt=leaf.pem, more_pem=upward()[1].pem, readme_txt=b"Hello")
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_answer_is_installed_whatever_its_shape(desk: Desk, shape: str) -> None:
    leaf = desk.issue()
    for name, content in SHAPES[shape](leaf).items():
        desk.put(content, name)
    record = desk.install()
    assert record.status is Status.CHANGED, record.summary
    thumbprint = record.facts["thumbprint"]
    snapshot = desk.change.snapshots()["EDGE1"]
    assert snapshot["certificates"][thumbprint]["has_private_key"]
    assert len(snapshot["intermediates"]) == 2, "both intermediates, and never the root"


def pfx(desk: Desk) -> bytes:
    own_key = key("reply")
    assert isinstance(own_key, ec.EllipticCurvePrivateKey)
    made = desk.issue(own_key=own_key)
    return pkcs12.serialize_key_and_certificates(
        b"x", own_key, made.certificate, None, BestAvailableEncryption(b"secret")
    )


#: What lies in the inbox instead -> what the record calls it.
INSTEAD: dict[str, tuple[Callable[[Desk], bytes], str]] = {
    "the CSR itself": (lambda desk: desk.csr_file.read_bytes(), "It is a certificate request (CSR), not a certificate"),
    "a private key": (lambda _: private_key(), "It holds a private key"),
    "a PFX": (pfx, "It is a PFX (PKCS #12) file"),
    "a web page": (lambda _: b"<!DOCTYPE html><html><title>Log on</title></html>", "It is a web page"),
    "nothing": (lambda _: b"", "It is empty"),
    "half of it": (lambda desk: desk.issue().pem[:-40], "has no end"),
    "lost base64": (lambda desk: desk.issue().der[:-9], "It is cut off"),
    "prose": (lambda _: b"Your order 4711 is being processed.", "Nothing of a certificate or request is in it"),
    "an empty p7b": (
        lambda _: bytes.fromhex("302506092a864886f70d010702a01830160201013100300b06092a864886f70d010701a0003100"),
        "It is a PKCS #7 file without a certificate in it",
    ),
    "a ZIP of documents": (lambda _: zipped(readme_txt=b"hello"), "It is a ZIP file without a certificate in it"),
    "a certificate for another key": (
        lambda desk: pems(desk.issue(own_key=key("another")), *upward()),
        "a certificate for mx1.london.example.net with another key, thumbprint",
    ),
}


@pytest.mark.parametrize("case", INSTEAD)
def test_what_is_no_answer_is_named_while_it_waits_and_nothing_is_sent(desk: Desk, case: str) -> None:
    content, words = INSTEAD[case]
    desk.put(content(desk))
    before = desk.change.snapshots()
    record = desk.install()
    assert record.status is Status.WAITING
    (finding,) = record.findings
    assert (finding["rule"], finding["severity"]) == ("passed-over", "warning")
    assert finding["message"].startswith("answer.txt: ")
    assert words in finding["message"]
    assert finding["todo"]
    assert words in record.todo, "the operator is told without opening the record"
    assert not any(command.changes for command in record.commands)
    assert desk.change.snapshots() == before


def test_answers_of_other_servers_are_no_warning(desk: Desk) -> None:
    desk.put(desk.issue("mx9.london.example.net", own_key=key("another")).pem)
    (finding,) = desk.install().findings
    assert finding["severity"] == "info"
    assert finding["message"] == "answer.txt: nothing for this CSR's key"
