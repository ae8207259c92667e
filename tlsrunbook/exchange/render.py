"""PowerShell text of a command, for people; what runs is the framed value, never this text.

The text can still be pasted into the Exchange Management Shell in an emergency, so it is exact: PowerShell's own
quoting rules, every value a literal. What cannot be shown (a secret) or is not known yet stands there as something
PowerShell asks for or refuses to parse.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Callable, Mapping

from tlsrunbook.exchange.command import Command, Later, Pipeline, Value
from tlsrunbook.secret import Secret, SecretBytes

#: PowerShell takes any of these five for a single quote: each opens a literal, each closes it.
SINGLE_QUOTES = "'‘’‚‛"

_DOUBLED = str.maketrans({quote: quote * 2 for quote in SINGLE_QUOTES})

#: Categories that do not show as they are: controls, formats (bidi overrides among them), line separators.
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})


def render(command: Command, *, shorten: bool = False) -> str:
    """Give the PowerShell text of one command.

    Args:
        command: What would be sent.
        shorten: Show bytes by length and digest. Such a text cannot be run; PowerShell refuses to parse it.

    Raises:
        ValueError: A text holds half a surrogate pair, which PowerShell text cannot carry.
    """
    helper = _OWN_COMMANDS.get(command.name)
    if helper:
        return helper(command, shorten)
    words = [command.name]
    for name, value in command.parameters:
        words.append(f"-{name}:{_literal(name, value, shorten)}" if isinstance(value, bool) else f"-{name}")
        if not isinstance(value, bool):
            words.append(_literal(name, value, shorten))
    return " ".join(words)


def render_pipeline(pipeline: Pipeline, *, shorten: bool = False) -> str:
    """Give the PowerShell text of a pipeline on one line.

    Raises:
        ValueError: A text holds half a surrogate pair, or a command of the bootstrap script is piped.
    """
    if len(pipeline) > 1 and any(command.name in _OWN_COMMANDS for command in pipeline):
        raise ValueError("the bootstrap script's own commands stand alone: they cannot be part of a pipeline")
    return " | ".join(render(command, shorten=shorten) for command in pipeline)


def quote(text: str) -> str:
    """Give a PowerShell literal that means exactly this text.

    Raises:
        ValueError: The text holds half a surrogate pair.
    """
    try:
        text.encode("utf-16-le")
    except UnicodeEncodeError as error:
        raise ValueError("the text holds half a surrogate pair, which no PowerShell text can carry") from error
    if any(unicodedata.category(character) in _UNSEEN for character in text):
        # Legal inside quotes, and yet unsafe in a console and unseen by the reader.
        coded = base64.b64encode(text.encode("utf-16-le")).decode("ascii")
        return f"([Text.Encoding]::Unicode.GetString([Convert]::FromBase64String('{coded}')))"
    return f"'{text.translate(_DOUBLED)}'"


def _literal(name: str, value: Value, shorten: bool) -> str:
    if value is None:
        return "$null"
    if isinstance(value, bool):
        return "$true" if value else "$false"
    if isinstance(value, int):
        return str(value) if value >= 0 else f"({value})"
    if isinstance(value, bytes):
        return _bytes(value, shorten)
    if isinstance(value, tuple):
        return f"@({','.join(quote(item) for item in value)})"
    if isinstance(value, Secret):
        return f"(Read-Host -AsSecureString -Prompt {quote(name)})"
    if isinstance(value, SecretBytes):
        return _placeholder("bytes that are kept secret")
    if isinstance(value, Later):
        return _placeholder(value.what)
    return quote(value)


def _bytes(value: bytes, shorten: bool) -> str:
    if shorten:
        return _placeholder(f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()[:12]}…")
    return f"([Convert]::FromBase64String('{base64.b64encode(value).decode('ascii')}'))"


def _placeholder(what: str) -> str:
    """Say what stands here in a way PowerShell never runs: a bare ``<`` is a parse error for the whole line."""
    shown = "".join(" " if unicodedata.category(c) in _UNSEEN or c in "<>" else c for c in what)
    quote(shown)  # refuses half surrogate pairs here too
    return f"<{' '.join(shown.split())}>"


def _open_store(command: Command, mode: str) -> list[str]:
    store = _literal("StoreName", command.get("StoreName"), shorten=False)
    kind = "System.Security.Cryptography.X509Certificates.X509Store"
    return [
        f"$store = New-Object {kind} -ArgumentList {store},'LocalMachine'",
        f"$store.Open('{mode}, OpenExistingOnly')",
    ]


def _get_store(command: Command, shorten: bool) -> str:  # noqa: ARG001 - one shape for all
    lines = [*_open_store(command, "ReadOnly"), "$store.Certificates | Select-Object Thumbprint,RawData"]
    return "\n".join([*lines, "$store.Close()"])


def _add_store(command: Command, shorten: bool) -> str:
    data = _literal("RawData", command.get("RawData"), shorten)
    kind = "System.Security.Cryptography.X509Certificates.X509Certificate2"
    # The comma keeps the bytes one argument; New-Object would spread them over the constructor.
    add = f"$store.Add((New-Object {kind} -ArgumentList (,{data})))"
    return "\n".join([*_open_store(command, "ReadWrite"), add, "$store.Close()"])


def _remove_store(command: Command, shorten: bool) -> str:
    thumbprint = _literal("Thumbprint", command.get("Thumbprint"), shorten)
    found = f"$store.Certificates.Find('FindByThumbprint',{thumbprint},$false)"
    remove = f"{found} | ForEach-Object {{ $store.Remove($_) }}"
    return "\n".join([*_open_store(command, "ReadWrite"), remove, "$store.Close()"])


def _get_file(command: Command, shorten: bool) -> str:  # noqa: ARG001
    folder = command.get("Folder")
    pattern = folder + "\\tlsrunbook-*" if isinstance(folder, str) else ""
    return f"Get-ChildItem -Path {quote(pattern)}"


def _set_file(command: Command, shorten: bool) -> str:
    path, data = (_literal(name, command.get(name), shorten) for name in ("Path", "Data"))
    return f"[IO.File]::WriteAllBytes({path},{data})"


def _remove_file(command: Command, shorten: bool) -> str:
    return f"[IO.File]::Delete({_literal('Path', command.get('Path'), shorten)})"


_OWN_COMMANDS: Mapping[str, Callable[[Command, bool], str]] = {
    "Get-StoreCertificate": _get_store,
    "Add-StoreCertificate": _add_store,
    "Remove-StoreCertificate": _remove_store,
    "Get-ServerFile": _get_file,
    "Set-ServerFile": _set_file,
    "Remove-ServerFile": _remove_file,
}
