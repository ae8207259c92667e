"""Imports what every step notebook will need, before the kernel is asked for anything."""

from __future__ import annotations

import contextlib
import importlib

#: Imported by the helper package when a step first needs them, so a plain ``import tlsrunbook`` has not got them.
LAZY = (
    "IPython.core.completer",
    "IPython.core.magics",
    "IPython.display",
    "cryptography.hazmat.backends.openssl.backend",
    "dns.resolver",
    "idna",
    "markdown_it",
    "psutil",
    "requests_ntlm",
    "smtplib",
    "spnego",
    "tlsrunbook.evidence.display",
    "tlsrunbook.steps.registry",
    "winrm.protocol",
    "winrm.transport",
)


def prepare() -> None:
    """Import the helper package and what it imports late. What is not installed is left out."""
    import tlsrunbook  # noqa: PLC0415

    _ = tlsrunbook.open_run
    for name in LAZY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
