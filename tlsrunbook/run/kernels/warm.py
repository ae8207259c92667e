"""Walks once, before kernels are forked, the paths that every kernel would walk for the first time.

What is made by that is memory that the kernels share, and time that none of them spends: compiled patterns, caches of
types, what OpenSSL sets up when it is first used. Nothing is sent to anybody.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import gc
import http.client
import importlib
import ssl
import sys
import tempfile
import threading
import time
import tokenize
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from types import FunctionType
from xml.etree import ElementTree as ET

import psutil
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from IPython.core.inputtransformer2 import TransformerManager
from jupyter_client.session import Session

from tlsrunbook.errors import SiteFileError
from tlsrunbook.site import load_site

_CELL = "run.confirm()\n"

#: Remember what they found out; named as text, because this row knows no adapter.
_REMEMBER = (("tlsrunbook.adapters.origin", "who"), ("tlsrunbook.adapters.origin", "tool"))


def warm() -> None:
    """Do it. Leaves no thread and no connection."""
    _a_cell()
    _a_site_file()
    with tempfile.TemporaryDirectory() as folder:
        _a_handshake(Path(folder) / "own.pem")
    _a_question()
    _a_logon()
    _a_request()
    _a_loop_and_a_thread()
    for module, name in _REMEMBER:
        getattr(importlib.import_module(module), name)()


def number() -> None:
    """Have CPython number every type and the names of every module, as it does when code first looks into them.

    It writes the numbers into them; so they are written once, and not by each kernel. Done last: what is made or
    changed later has no number.
    """
    for one in gc.get_objects():
        if isinstance(one, type):
            getattr(one, "__init__", None)
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        if type(names) is dict and "__name__" in names:
            FunctionType(_look.__code__.replace(), names)()


def _look() -> None:
    """Look up a name so often that CPython expects it to be there; no other name, as all are the module's."""
    for _ in (None,) * 64:  # it takes note after 8 times, in CPython 3.11
        __name__  # noqa: B018


def _a_cell() -> None:
    TransformerManager().transform_cell(_CELL)  # type: ignore[no-untyped-call]
    list(tokenize.generate_tokens(StringIO(_CELL).readline))
    compile(ast.parse(_CELL), "cell", "exec")
    session = Session()
    session.serialize(session.msg("status", {"execution_state": "idle"}))


def _a_site_file() -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(SiteFileError):  # nearly all is missing in it
        (Path(folder) / "a.toml").write_text("[site]\nname = 'a'\n", encoding="utf-8")
        load_site(Path(folder) / "a.toml")


def _a_handshake(place: Path) -> None:
    """Shake hands over TLS with oneself, in memory."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "warm")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = made.sign(key, hashes.SHA256())
    certificate.fingerprint(hashes.SHA1())  # noqa: S303 - a thumbprint, as Windows has it
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    place.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*private))
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    server.load_cert_chain(place)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True))
    for _ in range(3):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()


def _a_question() -> None:
    with contextlib.suppress(ImportError):
        import dns.message  # noqa: PLC0415 - not every computer that runs kernels has all of it
        import dns.resolver  # noqa: PLC0415

        with contextlib.suppress(dns.resolver.NoResolverConfiguration):
            dns.resolver.Resolver()
        dns.message.from_wire(dns.message.make_query("warm.invalid", "A").to_wire())


def _a_logon() -> None:
    with contextlib.suppress(ImportError):
        import spnego  # noqa: PLC0415

        spnego.client("nobody", "nothing", protocol="ntlm").step()


def _a_request() -> None:
    session = requests.Session()
    session.prepare_request(requests.Request("POST", "https://warm.invalid:5986/wsman", data=b"<a/>"))
    session.close()
    http.client.parse_headers(BytesIO(b"Content-Type: application/soap+xml;charset=UTF-8\r\n\r\n"))
    ET.fromstring("<a:b xmlns:a='urn:c'><a:d e='f'>g</a:d></a:b>")  # noqa: S314 - it is ours
    time.strptime("2026-01-01", "%Y-%m-%d")
    psutil.Process().create_time()


def _a_loop_and_a_thread() -> None:
    """Have both, and end both: a process with two threads must not be forked."""
    asyncio.new_event_loop().close()
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
