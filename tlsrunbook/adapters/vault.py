"""Where credentials are: the environment, then the site's credentials file, then the keyring of the operating system.

A credential has a name; the site file, the notebooks, the records and the errors know nothing else of it.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tlsrunbook.errors import CredentialError
from tlsrunbook.secret import CREDENTIAL_VARIABLES, PASSWORD_VARIABLE_ENDS, Credential, Secret

#: Service under which the keyring holds the user name of a credential, where it cannot list users itself.
SERVICE = "tlsrunbook"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_PLACE = re.compile(r"line \d+, column \d+|end of document")


def variables(name: str) -> tuple[str, str]:
    """Give the names of the two environment variables of a credential: user, password."""
    stem = f"{CREDENTIAL_VARIABLES}{name.upper().replace('-', '_')}"
    return f"{stem}_USER", f"{stem}{PASSWORD_VARIABLE_ENDS}"


class ChainVault:
    """Looks a credential up in three places; the first that has it answers.

    Args:
        file: The site's credentials file: TOML, for each name a table with ``user`` and ``password``. None: no file.
        environ: The environment; the process's own by default, read at each look-up.
    """

    def __init__(self, file: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._file = file
        self._environ = environ

    def __repr__(self) -> str:
        return f"ChainVault({str(self._file)!r})" if self._file else "ChainVault()"

    def credential(self, name: str) -> Credential:
        """Look a credential up by name.

        Raises:
            CredentialError: There is none of this name, it is incomplete, or its file is unsafe.
        """
        if not _NAME.match(name):
            todo = "name a credential with lower-case letters, digits and single hyphens"
            raise CredentialError("this is not a credential's name", todo=todo)
        looked: list[str] = []
        found = (
            self._from_environment(name, looked) or self._from_file(name, looked) or self._from_keyring(name, looked)
        )
        if found:
            return found
        raise CredentialError(
            f"there is no such credential; looked at {'; '.join(looked)}",
            where=f"credential {name}",
            todo=self._advice(name),
        )

    def at_hand(self, names: Iterable[str]) -> tuple[Secret, ...]:
        """Give the passwords that environment and file hold, to look for them where they must not be.

        The keyring is not asked: it might ask the user.
        """
        found = []
        for name in names:
            try:
                one = self._from_environment(name, []) or self._from_file(name, [])
            except CredentialError:
                continue
            found += [one.password] if one else []
        return tuple(found)

    def _from_environment(self, name: str, looked: list[str]) -> Credential | None:
        environ = os.environ if self._environ is None else self._environ
        keys = variables(name)
        user, password = (environ.get(key, "") for key in keys)
        if user and password:
            return Credential(name, user, Secret(password))
        if user or password:
            missing, present = (keys[1], keys[0]) if user else keys
            raise CredentialError(
                f"{present} is set and {missing} is not",
                where=f"credential {name}",
                todo=f"set {missing} too, or neither",
            )
        looked.append(f"the environment ({keys[0]} is not set)")
        return None

    def _from_file(self, name: str, looked: list[str]) -> Credential | None:
        if self._file is None:
            looked.append("no credentials file (the site file names none)")
            return None
        try:
            data = _read_private(self._file)
        except FileNotFoundError:
            looked.append(f"the credentials file {self._file} (it does not exist)")
            return None
        table = data.get(name)
        if table is None:
            looked.append(f"the credentials file {self._file} (it has no table [{name}])")
            return None
        return _from_table(name, table, where=f"{self._file}: [{name}]")

    def _from_keyring(self, name: str, looked: list[str]) -> Credential | None:
        import keyring  # noqa: PLC0415 -- heavy, and needed only when the other places have nothing

        service = f"{SERVICE}/{name}"
        try:
            found = keyring.get_credential(service, None)
            user = found.username if found else keyring.get_password(SERVICE, name)
            password = found.password if found else user and keyring.get_password(service, user)
        except Exception as error:  # noqa: BLE001 -- each backend has its own kinds, D-Bus and the Windows API among them
            looked.append(f"the keyring (it cannot be used: {type(error).__name__})")
            return None
        if user and password:
            return Credential(name, user, Secret(password))
        looked.append(f"the keyring (it has no {service})")
        return None

    def _advice(self, name: str) -> str:
        user, password = variables(name)
        table = f"write [{name}] with user and password into {self._file}" if self._file else ""
        ring = f"store it in the keyring: keyring set {SERVICE}/{name} USER"
        if sys.platform == "darwin":  # the macOS keychain cannot say whose password it holds
            ring += f", and USER by keyring set {SERVICE} {name}"
        return "; or ".join(filter(None, (f"set {user} and {password}", table, ring)))


def _read_private(file: Path) -> dict[str, Any]:
    problem = ""
    try:
        with file.open("rb") as stream:
            _refuse_open_to_others(file, os.fstat(stream.fileno()))
            text = stream.read().decode("utf-8-sig")
        return tomllib.loads(text)
    except FileNotFoundError:
        raise
    except OSError as error:
        problem = f"the credentials file cannot be read: {error.strerror or type(error).__name__}"
    except UnicodeDecodeError:
        problem = "the credentials file is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        problem = f"the credentials file is not TOML, at {place[0] if place else 'an unknown place'}"
    # Raised outside the handlers, so that no exception holds the file's text.
    raise CredentialError(problem, where=str(file), todo="write a table [NAME] with user = '...' and password = '...'")


def _refuse_open_to_others(file: Path, status: os.stat_result) -> None:
    if os.name != "posix":  # Windows has access lists instead of these bits; a user's profile is private there
        return
    if not stat.S_ISREG(status.st_mode):
        raise CredentialError("the credentials file is not a file", where=str(file), todo="name a TOML file")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        raise CredentialError(
            f"others can use the credentials file (mode {mode:03o})", where=str(file), todo=f"chmod 600 {file}"
        )


def _from_table(name: str, table: object, *, where: str) -> Credential:
    entries = table if isinstance(table, dict) else {}
    user, password = entries.get("user"), entries.get("password")
    if isinstance(user, str) and user and isinstance(password, str) and password:
        return Credential(name, user, Secret(password))
    missing = [key for key in ("user", "password") if not (isinstance(entries.get(key), str) and entries[key])]
    raise CredentialError(
        f"{' and '.join(missing)} must be text", where=where, todo="write user = '...' and password = '...'"
    )
