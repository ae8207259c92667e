"""Credentials by name: environment, then file, then keyring; and never a secret in a text."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.credentials import Credential as KeyringCredential
from keyring.credentials import SimpleCredential
from keyring.errors import KeyringLocked

from tlsrunbook.adapters.vault import ChainVault, variables
from tlsrunbook.errors import CredentialError
from tlsrunbook.ports import Vault
from tlsrunbook.secret import Credential

NAME = "edge-admin"
USER_VARIABLE, PASSWORD_VARIABLE = "TLSRUNBOOK_CREDENTIAL_EDGE_ADMIN_USER", "TLSRUNBOOK_CREDENTIAL_EDGE_ADMIN_PASSWORD"
posix_only = pytest.mark.skipif(os.name != "posix", reason="Windows has no mode bits")


class MemoryKeyring(KeyringBackend):
    """Keeps passwords in memory; ``lists_users`` says whether it can tell whose password it holds."""

    priority = 1  # type: ignore[assignment]

    def __init__(self, *, lists_users: bool = True, locked: bool = False) -> None:
        super().__init__()
        self.passwords: dict[tuple[str, str], str] = {}
        self.lists_users = lists_users
        self.locked = locked
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.passwords[service, username] = password

    def get_credential(self, service: str, username: str | None) -> KeyringCredential | None:
        self.asked += 1
        if self.locked:
            raise KeyringLocked("hunter2")
        if username is None and self.lists_users:
            username = next((user for place, user in self.passwords if place == service), None)
        password = self.get_password(service, username) if username else None
        return SimpleCredential(username, password) if username and password else None


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    with using(MemoryKeyring()) as backend:
        yield backend


class using:  # noqa: N801 -- a context manager in the way of the standard library's
    def __init__(self, backend: MemoryKeyring) -> None:
        self.backend = backend

    def __enter__(self) -> MemoryKeyring:
        self.before = keyring.get_keyring()
        keyring.set_keyring(self.backend)
        return self.backend

    def __exit__(self, *_: object) -> None:
        keyring.set_keyring(self.before)


def credentials_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "credentials.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def refused(vault: ChainVault, name: str = NAME) -> CredentialError:
    with pytest.raises(CredentialError) as caught:
        vault.credential(name)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.exit_code == 2
    return caught.value


def test_the_environment_gives_user_and_password() -> None:
    vault: Vault = ChainVault(environ={USER_VARIABLE: "EDGE1\\admin", PASSWORD_VARIABLE: "hunter2"})
    credential = vault.credential(NAME)
    assert (credential.name, credential.user, credential.password.reveal()) == (NAME, "EDGE1\\admin", "hunter2")
    assert "hunter2" not in f"{credential!r} {credential} {vault!r}"


def test_the_process_environment_is_read_at_each_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    vault = ChainVault()
    monkeypatch.setenv(USER_VARIABLE, "a")
    monkeypatch.setenv(PASSWORD_VARIABLE, "b")
    assert vault.credential(NAME).user == "a"


@pytest.mark.parametrize(
    ("set_one", "missing"), [(USER_VARIABLE, PASSWORD_VARIABLE), (PASSWORD_VARIABLE, USER_VARIABLE)]
)
def test_half_of_an_environment_is_an_error_and_not_a_reason_to_look_on(
    set_one: str, missing: str, ring: MemoryKeyring
) -> None:
    ring.set_password(f"tlsrunbook/{NAME}", "admin", "other")
    error = refused(ChainVault(environ={set_one: "hunter2", missing: ""}))
    assert error.what == f"{set_one} is set and {missing} is not"
    assert error.todo == f"set {missing} too, or neither"
    assert ring.asked == 0


def test_the_file_answers_when_the_environment_does_not(tmp_path: Path) -> None:
    path = credentials_file(
        tmp_path, "[other]\nuser='x'\npassword='y'\n[edge-admin]\nuser='EDGE1\\a'\npassword='hunter2'\n"
    )
    credential = ChainVault(path, {}).credential(NAME)
    assert (credential.user, credential.password.reveal()) == ("EDGE1\\a", "hunter2")


def test_the_environment_goes_before_the_file_and_the_file_before_the_keyring(
    tmp_path: Path, ring: MemoryKeyring
) -> None:
    path = credentials_file(tmp_path, "[edge-admin]\nuser='file'\npassword='p'\n[only-file]\nuser='file'\npassword='p'")
    for name in (NAME, "only-file", "only-keyring"):
        ring.set_password(f"tlsrunbook/{name}", "keyring", "p")
    vault = ChainVault(path, {USER_VARIABLE: "environment", PASSWORD_VARIABLE: "p"})
    assert [vault.credential(name).user for name in (NAME, "only-file", "only-keyring")] == [
        "environment",
        "file",
        "keyring",
    ]


@posix_only
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int, ring: MemoryKeyring) -> None:
    path = credentials_file(tmp_path, "[edge-admin]\nuser='a'\npassword='hunter2'\n", mode)
    error = refused(ChainVault(path, {}))
    assert f"mode {mode:03o}" in error.what
    assert error.todo == f"chmod 600 {path}"
    assert ring.asked == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[edge-admin]\nuser = 'a'\npassword = hunter2\n", "not TOML, at line 3, column 12"),
        ("[edge-admin]\nuser = 'a'\n", "password must be text"),
        ("[edge-admin]\nuser = 7\npassword = ''\nhint = 'hunter2'\n", "user and password must be text"),
        ("edge-admin = 'hunter2'\n", "user and password must be text"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_never_what(tmp_path: Path, text: str, words: str) -> None:
    error = refused(ChainVault(credentials_file(tmp_path, text), {}))
    assert words in error.what
    assert str(tmp_path) in error.where
    assert error.todo


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = credentials_file(tmp_path, "")
    path.write_bytes("[edge-admin]\npassword='hunter2é'".encode("utf-16"))
    assert "not UTF-8" in refused(ChainVault(path, {})).what


def test_a_folder_is_no_credentials_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert refused(ChainVault(tmp_path, {})).where == str(tmp_path)


def test_a_keyring_that_lists_users_gives_both(ring: MemoryKeyring) -> None:
    ring.set_password(f"tlsrunbook/{NAME}", "EDGE1\\admin", "hunter2")
    credential = ChainVault(environ={}).credential(NAME)
    assert (credential.user, credential.password.reveal()) == ("EDGE1\\admin", "hunter2")


def test_a_keyring_that_cannot_list_users_is_told_the_user_first() -> None:
    with using(MemoryKeyring(lists_users=False)) as ring:
        ring.set_password("tlsrunbook", NAME, "EDGE1\\admin")
        assert "keyring" in refused(ChainVault(environ={})).what
        ring.set_password(f"tlsrunbook/{NAME}", "EDGE1\\admin", "hunter2")
        credential = ChainVault(environ={}).credential(NAME)
    assert (credential.user, credential.password.reveal()) == ("EDGE1\\admin", "hunter2")


def test_a_locked_keyring_is_named_without_its_words() -> None:
    with using(MemoryKeyring(locked=True)):
        assert "the keyring (it cannot be used: KeyringLocked)" in refused(ChainVault(environ={})).what


@pytest.mark.usefixtures("ring")
def test_a_credential_that_is_nowhere_lists_the_places_and_what_to_set(tmp_path: Path) -> None:
    absent = tmp_path / "credentials.toml"
    error = refused(ChainVault(absent, {}))
    assert error.where == f"credential {NAME}"
    for place in (
        f"the environment ({USER_VARIABLE} is not set)",
        f"{absent} (it does not exist)",
        f"no tlsrunbook/{NAME})",
    ):
        assert place in error.what
    for advice in (f"set {USER_VARIABLE} and {PASSWORD_VARIABLE}", f"[{NAME}]", f"keyring set tlsrunbook/{NAME} USER"):
        assert advice in error.todo
    assert "names none" in refused(ChainVault(None, {})).what
    assert "has no table" in refused(ChainVault(credentials_file(tmp_path, ""), {})).what


def test_a_name_that_is_none_is_refused_and_not_repeated() -> None:
    refused(ChainVault(environ={}), "EDGE1\\admin:hunter2")


def test_a_credential_cannot_travel_in_a_pickle() -> None:
    credential: Credential = ChainVault(environ={USER_VARIABLE: "a", PASSWORD_VARIABLE: "b"}).credential(NAME)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(credential)


def test_the_variables_of_a_name() -> None:
    assert variables(NAME) == (USER_VARIABLE, PASSWORD_VARIABLE)


def test_the_keyring_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, tlsrunbook.adapters.vault; sys.exit('keyring' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
