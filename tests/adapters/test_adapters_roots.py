from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.adapters.roots import load_roots
from tlsrunbook.errors import BadCertificateFile, UsageError
from tlsrunbook.lab.ca import LabCA


def test_a_file_gives_each_of_its_certificates_once_as_der(tmp_path: Path) -> None:
    first, second = LabCA(), LabCA()
    path = tmp_path / "roots.pem"
    path.write_text(f"# ours\n{first.root_pem}\n{second.root_pem}{first.root_pem}", encoding="ascii")
    assert load_roots(path) == (first.root.public_bytes(Encoding.DER), second.root.public_bytes(Encoding.DER))
    assert load_roots(str(path)) == load_roots(path)


def test_a_missing_file_is_named_with_the_key_to_correct(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.pem.*authority\.roots"):
        load_roots(tmp_path / "none.pem")


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_without_certificates_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "roots.pem"
    path.write_bytes(content)
    with pytest.raises(BadCertificateFile, match=r"roots\.pem"):
        load_roots(path)


def test_without_a_file_the_systems_roots_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # OpenSSL looks where these point, so the test does not depend on the machine's own store.
    ca = LabCA()
    path = tmp_path / "system.pem"
    path.write_text(ca.root_pem, encoding="ascii")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert ca.root.public_bytes(Encoding.DER) in load_roots(None)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows' own store cannot be emptied from here")
def test_an_empty_system_store_is_said_and_not_taken_for_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="store of root certificates is empty"):
        load_roots(None)
