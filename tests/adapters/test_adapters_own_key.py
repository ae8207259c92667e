"""The public half of the user's own key, which a kernel may read."""

from __future__ import annotations

from pathlib import Path

from tlsrunbook.adapters.keys import load_signer, make_key
from tlsrunbook.adapters.own_key import own_keyid


def here(folder: Path) -> dict[str, str]:
    return {"TLSRUNBOOK_CONFIG_DIR": str(folder / "config")}


def test_it_is_there_once_the_key_was_used_and_holds_no_secret(tmp_path: Path) -> None:
    assert own_keyid(here(tmp_path)) == ""
    signer = load_signer(environ=here(tmp_path))
    assert own_keyid(here(tmp_path)) == signer.keyid
    assert b"PRIVATE" not in (tmp_path / "config" / "signing-key.pub.pem").read_bytes()


def test_it_follows_a_key_that_was_replaced_and_leaves_named_keys_alone(tmp_path: Path) -> None:
    old = load_signer(environ=here(tmp_path))
    (tmp_path / "config" / "signing-key.pem").unlink()
    new = load_signer(environ=here(tmp_path))
    assert own_keyid(here(tmp_path)) == new.keyid != old.keyid
    make_key(tmp_path / "other.pem")
    load_signer(str(tmp_path / "other.pem"), here(tmp_path))
    assert own_keyid(here(tmp_path)) == new.keyid
    assert {path.name for path in tmp_path.iterdir()} == {"config", "other.pem"}


def test_what_cannot_be_read_is_no_key(tmp_path: Path) -> None:
    load_signer(environ=here(tmp_path))
    (tmp_path / "config" / "signing-key.pub.pem").write_bytes(b"damaged")
    assert own_keyid(here(tmp_path)) == ""
