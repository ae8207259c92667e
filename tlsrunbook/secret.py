"""A secret has a type of its own, so that it cannot slip into a text by accident."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MASK = "********"

#: Environment variables that begin so hold a credential's user or password.
CREDENTIAL_VARIABLES = "TLSRUNBOOK_CREDENTIAL_"
PASSWORD_VARIABLE_ENDS = "_PASSWORD"  # noqa: S105 - part of a name

_known: set[str] | None = None


def remember_values(values: Iterable[str] = ()) -> None:
    """Remember these, and all that :func:`remembered` is told of from now on, for a kernel to mask in what it shows."""
    global _known  # noqa: PLW0603 - one process, one kernel
    _known = (_known or set()).union(values)


def known_values() -> frozenset[str]:
    """Give the secrets that this process has held; none where nobody asked to remember them."""
    return frozenset(_known or ())


def remembered(secret: Secret) -> Secret:
    """Give the same secret, and remember its value where this process was asked to.

    For what people must not read; what is wrapped as a secret only because it may contain one is too long to look for.
    """
    if _known is not None:
        _known.add(secret.reveal())
    return secret


def passwords_in(environment: Mapping[str, str]) -> frozenset[str]:
    """Give the passwords that environment variables hold."""
    return frozenset(
        value
        for name, value in environment.items()
        if value and name.startswith(CREDENTIAL_VARIABLES) and name.endswith(PASSWORD_VARIABLE_ENDS)
    )


class Secret:
    """A value that prints as asterisks.

    It cannot be pickled, formatted, iterated or JSON-encoded; only :meth:`reveal` gives the text, and only
    adapters call it. Equality is constant-time.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the text itself. Call it only where it goes onto the wire."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(Secret)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret cannot be pickled: pass the credential's name instead")


class SecretBytes:
    """Bytes that print as asterisks, such as a PFX with a private key in it.

    They cannot be pickled, formatted, iterated or JSON-encoded; only :meth:`reveal` gives them.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """Give the bytes themselves. Call it only where they go onto the wire."""
        return self._value

    def __repr__(self) -> str:
        return f"SecretBytes({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretBytes):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(SecretBytes)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("SecretBytes cannot be pickled: what is secret stays in the process that has it")


@dataclass(frozen=True)
class Credential:
    r"""A user name with its password.

    Args:
        name: What the site file calls it.
        user: ``DOMAIN\\user``, ``user@realm`` or a local name.
        password: The secret.
    """

    name: str
    user: str
    password: Secret

    def __post_init__(self) -> None:
        remembered(self.password)
