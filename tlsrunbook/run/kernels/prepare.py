"""Imports what every step notebook will need, before the kernel is asked for anything."""

from __future__ import annotations

import contextlib
import importlib

#: What a step notebook imports when it asks for ``open_run``. A name, as in a notebook: this row knows no adapter.
NOTEBOOKS_IMPORT = "tlsrunbook.wiring"

#: Imported by the helper package when a step first needs them, so a plain ``import tlsrunbook`` has not got them.
LAZY = (
    "IPython.core.completer",
    "IPython.core.completerlib",
    "IPython.core.magics",
    "IPython.core.oinspect",
    "IPython.display",
    "IPython.extensions.storemagic",
    "cryptography.hazmat.backends.openssl.backend",
    "dns.rdtypes.IN.A",
    "dns.resolver",
    "encodings.idna",
    "encodings.utf_16_le",
    "encodings.utf_8_sig",
    "faulthandler",
    "idna",
    "ipykernel.debugger",
    "markdown_it",
    "psutil",
    "requests_ntlm",
    "smtplib",
    "spnego",
    "tlsrunbook.adapters.winrm_protocol",
    "tlsrunbook.evidence.display",
    "tlsrunbook.steps.registry",
    "tlsrunbook.ui.by_hand",
    "tornado.locks",
    "tornado.platform.asyncio",
    "tornado.queues",
    "winrm.protocol",
    "winrm.transport",
)


def prepare() -> None:
    """Import the helper package and what it imports late. What is not installed is left out."""
    for name in (NOTEBOOKS_IMPORT, *LAZY):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
