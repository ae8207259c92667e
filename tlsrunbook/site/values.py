"""Other single values of a site file: each check gives the normal form or says what is wrong."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from tlsrunbook.site import names
from tlsrunbook.site.wrong import wrong

SERVER_PLACEHOLDER = "{server}"
CONNECTOR_NAME_LIMIT = 63
#: What :func:`wave` takes, for editors.
WAVE_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]{1,3}%$"}]}
_BRACES = re.compile(r"[{}]")
_DURATION = re.compile(r"([1-9][0-9]{0,3})([hd])\Z")
_YEAR = timedelta(days=365)
_PUBLIC_KEY = re.compile(r"-----BEGIN PUBLIC KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END PUBLIC KEY-----\Z")
_PERCENT = re.compile(r"(\d{1,3})%\Z")


def one_line(text: str) -> str:
    """Check a text for people: one line, without space around it."""
    if not text.isprintable():
        raise wrong("has a line break or another control character", "write it on one line")
    if text != text.strip():
        raise wrong("has space around it", f'write "{text.strip()}"')
    return text


def filled(text: str) -> str:
    """Check that a text says something."""
    if not text:
        raise wrong("is empty", "write a few words; an auditor will read them")
    return text


def country(text: str) -> str:
    """Check a country code of two letters and give it in upper case."""
    code = text.upper()
    if code == "UK":
        raise wrong('"UK" is not a country code of ISO 3166', 'write "GB"')
    if code and not re.fullmatch(r"[A-Z]{2}", code):
        raise wrong(f'"{text}" is not a country code', 'write two letters of ISO 3166, such as "GB" or "DE"')
    return code


def key_size(bits: object) -> object:
    """Refuse short keys with the reason; the model refuses everything else."""
    if bits == 1024:
        raise wrong("1024 bits: no public CA signs it any more", "write 2048 or 4096")
    if not isinstance(bits, int) or isinstance(bits, bool) or bits not in (2048, 4096):
        raise wrong("is not a key size that Exchange makes and public CAs sign", "write 2048 or 4096")
    return bits


def winrm_port(port: int) -> int:
    """Refuse WinRM's port without TLS."""
    if port == 5985:
        raise wrong("5985 is WinRM without TLS", "write 5986, and give the server an HTTPS listener")
    return port


def credential_name(text: str) -> str:
    """Check the name of a credential. The text is never repeated: it could be the secret itself."""
    try:
        return names.kebab(text, "a credential's name")
    except ValueError:
        raise wrong(
            "is not a credential's name: lower-case letters, digits and single hyphens",
            'write a name such as "exchange-admin", never a user or a password',
        ) from None


def site_name(text: str) -> str:
    """Check a site's name, which is also a folder's."""
    return names.kebab(text, "a site's name")


def loopback_url(text: str) -> str:
    """Check that the lab's CA is on this computer."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong(
            f'"{text}" is not an http(s) URL', 'write the URL that tlsrunbook lab shows, "http://127.0.0.1:8080"'
        )
    if parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise wrong(
            f'"{text}" is not on this computer', 'use the lab\'s CA with a lab only; write kind "folder" otherwise'
        )
    return text.rstrip("/")


def wave(value: object) -> int | str:
    """Check one wave: a number of servers, or a share such as ``25%``."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    match = _PERCENT.match(value) if isinstance(value, str) else None
    if match and 1 <= int(match[1]) <= 100:
        return f"{int(match[1])}%"
    raise wrong("is not a wave", 'write a whole number of servers (1) or a share of them ("25%")')


def waves(value: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Check that the waves grow and that the last one is the whole site."""
    if not value or value[-1] != "100%":
        raise wrong("do not end with the whole site", 'write "100%" as the last wave')
    numbers = [entry for entry in value if isinstance(entry, int)]
    shares = [int(entry[:-1]) for entry in value if isinstance(entry, str)]
    if numbers != sorted(numbers) or shares != sorted(shares):
        raise wrong("shrink", 'write them from small to large, such as [1, "25%", "100%"]')
    return value


def duration(text: str) -> str:
    """Check hours (``12h``) or days (``7d``), at most a year."""
    if not _DURATION.match(text) or lasting(text) > _YEAR:
        raise wrong(f'"{text}" is not a time of at most a year', 'write hours or days: "12h", "7d"')
    return text


def lasting(text: str) -> timedelta:
    """Give the time that a checked text stands for."""
    number = int(text[:-1])
    return timedelta(hours=number) if text.endswith("h") else timedelta(days=number)


def approver(value: object) -> Path | str:
    """Check a public key: a path, or PEM text. A private key is refused and never repeated."""
    if not isinstance(value, str | Path):
        raise wrong("is not text", 'write the path of a PEM file, or its text in """..."""')
    text = str(value).strip()
    if "PRIVATE KEY" in text:
        raise wrong(
            "is a private key, which has no place in a site file",
            "write its public key, and make a new key pair: this one is known to whoever read this file",
        )
    if not text.startswith("-----BEGIN"):
        return Path(text)
    if not _PUBLIC_KEY.match(text):
        raise wrong("is not a public key in PEM form", 'write what begins with "-----BEGIN PUBLIC KEY-----"')
    return text + "\n"


def connector_name(text: str) -> str:
    """Check a send connector's name before its placeholder is filled."""
    if not text:
        raise wrong("is empty", 'write a name such as "TLS required {server}"')
    if _BRACES.search(text.replace(SERVER_PLACEHOLDER, "")):
        raise wrong(f'"{text}" has a placeholder that is not known', f"use {SERVER_PLACEHOLDER} or no braces")
    if len(text.replace(SERVER_PLACEHOLDER, "")) > CONNECTOR_NAME_LIMIT:
        raise wrong(f'"{text}" is longer than {CONNECTOR_NAME_LIMIT} characters', "use a shorter name")
    return text


def day(value: object) -> date:
    """Check a calendar day: a TOML date, or its text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise wrong("is not a date", "write year, month and day without quotes: 2027-03-31")
