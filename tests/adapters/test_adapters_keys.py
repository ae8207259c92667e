from __future__ import annotations

import os
import stat
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tlsrunbook.adapters import keys
from tlsrunbook.adapters.keys import config_folder, load_signer, make_key
from tlsrunbook.errors import CredentialError

POSIX = pytest.mark.skipif(os.name != "posix", reason="mode bits are POSIX")


def here(folder: Path, **more: str) -> dict[str, str]:
    return {"TLSRUNBOOK_CONFIG_DIR": str(folder / "config"), **more}


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes = b"") -> bytes:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def test_the_first_use_makes_a_key_and_later_ones_take_it(tmp_path: Path) -> None:
    first = load_signer(environ=here(tmp_path))
    again = load_signer(environ=here(tmp_path))
    assert first.keyid == again.keyid
    assert first.public.verifies(again.sign(b"message"), b"message")
    assert {path.name for path in (tmp_path / "config").iterdir()} == {"signing-key.pem", "signing-key.pub.pem"}


@POSIX
def test_only_the_user_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_key(tmp_path / "new" / "key.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_several_first_uses_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = {future.result().keyid for future in [pool.submit(load_signer, "", here(tmp_path)) for _ in range(16)]}
    assert len(ids) == 1


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    made = make_key(tmp_path / "key.pem")
    content = (tmp_path / "key.pem").read_bytes()
    assert make_key(tmp_path / "key.pem") == made
    assert (tmp_path / "key.pem").read_bytes() == content


def test_the_option_goes_before_the_environment_and_that_before_the_users_own(tmp_path: Path) -> None:
    for name in ("option.pem", "variable.pem"):
        make_key(tmp_path / name)
    environ = here(tmp_path, TLSRUNBOOK_SIGNING_KEY=str(tmp_path / "variable.pem"))
    by_option = load_signer(str(tmp_path / "option.pem"), environ)
    by_variable = load_signer("", environ)
    own = load_signer("", here(tmp_path))
    assert len({by_option.keyid, by_variable.keyid, own.keyid}) == 3
    assert by_option.keyid == make_key(tmp_path / "option.pem").keyid


def test_a_named_key_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match=r"cannot be read.*openssl ecparam"):
        load_signer(str(tmp_path / "nowhere.pem"), here(tmp_path))
    assert list(tmp_path.iterdir()) == []


@POSIX
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    make_key(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o640)
    with pytest.raises(CredentialError, match=r"mode 640.*chmod 600"):
        load_signer(str(tmp_path / "key.pem"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not a key", "no PEM private key"),
        (pem_of(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (pem_of(rsa.generate_private_key(65537, 2048)), "P-256"),
        (pem_of(ec.generate_private_key(ec.SECP256R1()), b"pass"), "passphrase"),
    ],
    ids=["text", "P-384", "RSA", "locked"],
)
def test_another_kind_of_key_is_refused_without_its_text(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(CredentialError, match=says) as caught:
        load_signer(str(path))
    assert caught.value.__cause__ is None
    assert "BEGIN" not in str(caught.value)


def a_certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Alice")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_certificate_chain_beside_the_key_goes_with_it_and_must_be_its_own(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "key.pem"
    path.write_bytes(pem_of(key))
    path.chmod(0o600)
    assert load_signer(str(path)).chain == b""
    chain = a_certificate(key)
    (tmp_path / "key.chain.pem").write_bytes(chain)
    assert load_signer(str(path)).chain == chain
    for other in (a_certificate(ec.generate_private_key(ec.SECP256R1())), b"nothing"):
        (tmp_path / "key.chain.pem").write_bytes(other)
        with pytest.raises(CredentialError, match=r"does not begin with this key's certificate"):
            load_signer(str(path))


class Ring(types.ModuleType):
    """Stands for the keyring of the operating system."""

    def __init__(self, held: dict[tuple[str, str], str]) -> None:
        super().__init__("keyring")
        self.held = held

    def get_password(self, service: str, name: str) -> str | None:
        if name == "broken":
            raise OSError(5)
        return self.held.get((service, name))


def test_the_keyring_gives_a_key_when_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    monkeypatch.setitem(sys.modules, "keyring", Ring({(keys.SERVICE, "alice"): pem_of(key).decode()}))
    by_option = load_signer("keyring:alice")
    by_variable = load_signer("", here(tmp_path, TLSRUNBOOK_SIGNING_KEY="keyring:alice"))
    assert by_option.keyid == by_variable.keyid
    for name, says in (("bob", "has no such"), ("broken", "cannot be used: OSError")):
        with pytest.raises(CredentialError, match=says):
            load_signer(f"keyring:{name}")


def test_the_configuration_folder_is_the_systems_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_folder({}).name == "tlsrunbook"
    assert config_folder({"TLSRUNBOOK_CONFIG_DIR": "~/x"}) == Path.home() / "x"
