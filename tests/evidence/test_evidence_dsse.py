from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from tests.support.archives import a_signer
from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence import dsse


def test_the_encoding_is_that_of_the_protocols_own_example() -> None:
    assert (
        dsse.pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@given(st.binary(max_size=200), st.text(max_size=20))
def test_an_envelope_comes_back_as_it_was_and_is_signed(payload: bytes, kind: str) -> None:
    signer = a_signer()
    kind = kind.encode("utf-8", "ignore").decode()
    envelope = dsse.sign(payload, signer, kind)
    again = dsse.envelope_from_bytes(envelope.encoded())
    assert again == envelope
    assert again.signed_by(signer.public)
    assert again.encoded() == envelope.encoded()


def test_another_key_payload_or_type_does_not_verify() -> None:
    signer = a_signer()
    envelope = dsse.sign(b"payload", signer)
    assert not envelope.signed_by(a_signer().public)
    assert not replace(envelope, payload=b"payloaD").signed_by(signer.public)
    assert not replace(envelope, payload_type="text/plain").signed_by(signer.public)
    forged = dsse.Signature(signer.keyid, a_signer().sign(envelope.pae))
    assert not replace(envelope, signatures=(forged,)).signed_by(signer.public)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"payload": "!", "payloadType": "x", "signatures": []}',
        '{"payload": "", "payloadType": "x", "signatures": []}',
    ],
)
def test_what_is_no_envelope_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(EvidenceError, match=r"seals/0001/seal\.dsse\.json"):
        dsse.envelope_from_bytes(text.encode(), where="seals/0001/seal.dsse.json")


def test_it_is_json_with_the_names_of_the_protocol() -> None:
    signer = a_signer()
    data = json.loads(dsse.sign(b"p", signer).encoded())
    assert set(data) == {"payload", "payloadType", "signatures"}
    assert data["signatures"][0]["keyid"] == signer.keyid


def test_openssl_verifies_it_and_writes_the_same_public_key(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl here")
    signer = a_signer()
    envelope = dsse.sign(b'{"a": 1}', signer)
    (tmp_path / "key.pem").write_bytes(signer.public.pem)
    (tmp_path / "pae.bin").write_bytes(envelope.pae)
    (tmp_path / "sig.bin").write_bytes(envelope.signatures[0].sig)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig.bin", "pae.bin"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "Verified OK\n"
    written = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", "key.pem"], cwd=tmp_path, capture_output=True, check=True
    )
    assert written.stdout == signer.public.pem
    assert dsse.public_key_from_pem(signer.public.pem) == signer.public


def test_keys_of_another_kind_are_refused() -> None:
    for key in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(EvidenceError, match="P-256"):
            dsse.public_key_from_pem(pem, where="key.pem")
