"""A certificate's subject as text, the way Windows reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What ends or changes a value when it stands bare (CertStrToName); the backslash means nothing there.
_NEEDS_QUOTES = re.compile(r'[,;+="<>#\n\r]|\A\s|\s\Z')


def quote(value: str) -> str:
    """Quote one value for ``X500DistinguishedName``: double quotes around it, inner ones doubled, when it needs any."""
    if value and not _NEEDS_QUOTES.search(value):
        return value
    doubled = value.replace('"', '""')
    return f'"{doubled}"'


def x500(parts: Iterable[tuple[str, str]]) -> str:
    """Join pairs of key and value, leaving out those without a value.

    Windows encodes such a text from its end (``X500DistinguishedName``'s default is reversed), so the common name
    stands last, as in ``C=GB,O=Example Corp,CN=mx1.example.net``.
    """
    return ",".join(f"{key}={quote(value)}" for key, value in parts if value)
