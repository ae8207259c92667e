"""A file given as the CA's answer: what it is, whose it is, what is wrong, and what may be handed on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from certificate_factory import AT, FQDN, Made, csr_for, key, make, world
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from desk import armour, lines, p7b, pems, private_key, upward, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.policy.finding import Severity
from tlsrunbook.policy.reply_contents import THIS
from tlsrunbook.policy.upload import MAX_BYTES, Inspection, Wanted, inspect_upload

CSR = csr_for(key("reply"))
WANTED = Wanted(csr=read_csr(CSR.public_bytes(Encoding.DER)), names=(FQDN,), at=AT, roots=world().roots)
KEY_TEXT = b"".join(private_key().splitlines()[1:-1])


def leaf(own_key: str = "reply", **how: Any) -> Made:
    given = {"signer": world().intermediate, **how}
    return make(how.pop("common_name", FQDN), own_key=key(own_key), **given)


LEAF = leaf()


def look(*contents: bytes, **changes: Any) -> Inspection:
    return inspect_upload([(f"file{n}", content) for n, content in enumerate(contents)], replace(WANTED, **changes))


SHAPES = {
    "PEM": pems(LEAF, *upward()),
    "PEM, other order": pems(*reversed(upward()), LEAF),
    "p7b": p7b(Encoding.DER, LEAF, *upward()),
    "p7b in PEM": p7b(Encoding.PEM, LEAF, *upward()),
    "bare base64": lines(p7b(Encoding.DER, LEAF, *upward())),
    "UTF-16 with text around": ("Dear Sir,\r\n" + pems(LEAF, *upward()).decode()).encode("utf-16"),
    "ZIP": zipped(a_crt=LEAF.der, b_crt=upward()[0].der, c_pem=upward()[1].pem, readme_txt=b"Hello"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_is_taken_and_told(shape: str) -> None:
    seen = look(SHAPES[shape])
    assert seen.accepted
    assert set(seen.certificates) == {LEAF.der, *(one.der for one in upward())}
    assert "It is the certificate for this request: mail.example.com" in seen.message
    assert [row["what it is"] for row in seen.rows].count(THIS) == 1
    assert "a trusted root" in seen.facts["chain"]
    kinds = {row["what it is"] for row in seen.rows}
    assert kinds == {THIS, "intermediate 1 above it", "intermediate 2 above it"}


def test_several_files_are_one_answer() -> None:
    seen = look(LEAF.der, upward()[1].pem, upward()[0].der)
    assert seen.accepted
    assert seen.facts["order"] == "mixed; it is put in order"
    assert look(*(one.der for one in (LEAF, *upward()))).facts["order"].startswith("leaf first")


def test_a_missing_intermediate_is_left_to_install_which_sees_the_servers_store() -> None:
    seen = look(LEAF.der)
    assert seen.accepted
    (finding,) = [one for one in seen.findings if one.rule == "chain-incomplete"]
    assert finding.severity is Severity.WARNING
    assert "give the intermediate together" in finding.todo
    assert "incomplete" in seen.facts["chain"]


REFUSED = {
    "empty": (b"", "it is empty"),
    "cut off": (LEAF.pem[:-40], "has no end"),
    "a web page": (b"<!DOCTYPE html><html><body>log on</body></html>", "it is a web page"),
    "the CSR": (CSR.public_bytes(Encoding.PEM), "it is a certificate request (CSR)"),
    "far too large": (b"x" * (MAX_BYTES + 1), "larger than 1 MiB"),
    "another key": (pems(leaf("stranger"), *upward()), "No certificate in the reply is for this request's key"),
    "other names": (pems(leaf(names=["www.example.com"]), *upward()), "does not stand for mail.example.com"),
    "expired": (pems(leaf(begin=AT.replace(year=2025), days=90), *upward()), "expired on"),
    "self-signed": (make(FQDN, own_key=key("reply")).pem, "signed by its own key"),
    "an untrusted root": (
        pems(leaf(signer=world().other_intermediate), world().other_intermediate, world().other_root),
        "not among the trusted roots",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_with_one_message_and_advice(name: str) -> None:
    content, says = REFUSED[name]
    seen = look(content)
    assert not seen.accepted
    assert seen.certificates == ()
    assert says in seen.message
    assert seen.todo


PFX = pkcs12.serialize_key_and_certificates(b"mx", key("reply"), LEAF.certificate, None, NoEncryption())  # type: ignore[arg-type]
WITH_KEY = {
    "beside the certificate": pems(LEAF, *upward()) + private_key(),
    "alone": private_key(),
    "in a ZIP": zipped(a_crt=LEAF.der, key_pem=private_key()),
    "in a PFX": PFX,
    "as DER": key("reply").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "cut off, beside": pems(LEAF)[:-30] + private_key(),
}


@pytest.mark.parametrize("name", WITH_KEY)
def test_a_private_key_is_refused_and_nothing_of_it_is_told(name: str) -> None:
    seen = look(WITH_KEY[name])
    assert not seen.accepted
    assert "nothing of it was kept" in seen.message
    assert "private key" in seen.message + seen.todo
    assert "send it nowhere, and delete it" in seen.todo
    assert KEY_TEXT.decode()[:40] not in repr(seen)
    assert not look(LEAF.pem, WITH_KEY[name]).accepted, "nor in a second file"


def test_only_certificates_are_handed_on_even_if_something_hides_beside_them() -> None:
    hidden = armour("ODD THING", b"hidden")
    seen = look(pems(LEAF, *upward()) + hidden)
    assert all(der.startswith((b"\x30\x82", b"\x30\x81")) for der in seen.certificates)
    assert b"hidden" not in b"".join(seen.certificates)


def test_the_answer_to_somebody_elses_request_says_whose() -> None:
    other = read_csr(csr_for(key("stranger")).public_bytes(Encoding.DER))
    seen = look(pems(leaf("stranger"), *upward()), whose={other.spki_sha256: "MBX1 (change 42)"})
    assert not seen.accepted
    assert seen.message == "It is the answer to another request: that of MBX1 (change 42)"
    assert "MBX1" in seen.todo
    assert any("the key of MBX1 (change 42)" in row["key"] for row in seen.rows)


def test_a_renewal_in_the_same_file_is_told_from_the_new_one() -> None:
    older = leaf(begin=AT.replace(month=9), serial=7)
    seen = look(pems(older, LEAF, *upward()))
    assert seen.accepted
    assert [row["what it is"] for row in seen.rows][:2] == ["an older certificate for this request", THIS]


def test_roots_and_strangers_are_named() -> None:
    seen = look(pems(LEAF, *upward(), world().root, leaf("stranger"), world().other_intermediate))
    kinds = [row["what it is"] for row in seen.rows][3:]
    assert kinds == [
        "a root: not needed",
        "a certificate for another key",
        "an intermediate that does not belong to it",
    ]
    assert seen.facts["order"].endswith("with certificates that do not belong to it")


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
@settings(max_examples=60)
def test_no_file_whatever_breaks_it(contents: list[bytes]) -> None:
    seen = look(*contents)
    assert not seen.accepted
    assert seen.message
