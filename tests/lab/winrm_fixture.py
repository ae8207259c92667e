"""A WinRM endpoint for tests: a CA, a TLS certificate for loopback, a tiny machine, and unmodified clients."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from winrm.protocol import Protocol

from tlsrunbook.exchange import bootstrap
from tlsrunbook.lab.loop import LoopThread
from tlsrunbook.lab.shells import Process
from tlsrunbook.lab.winrm import ServerTls, WinrmEndpoint

USER = "administrator"
PASSWORD = "Pass:wörd'1"


class Trust:
    """A CA made for a test, and what it signed for loopback."""

    def __init__(self, folder: Path, name: str = "test CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        now = dt.datetime.now(dt.UTC)
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])

        def builder(whose: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
            return (
                x509.CertificateBuilder()
                .subject_name(whose)
                .issuer_name(issuer)
                .public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - dt.timedelta(hours=1))
                .not_valid_after(now + dt.timedelta(days=2))
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            )

        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        root = (
            builder(issuer, ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(ca_key, hashes.SHA256())
        )
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        leaf = (
            builder(subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        self.ca_file = folder / "ca.pem"
        self.chain_file = folder / "chain.pem"
        self.key_file = folder / "key.pem"
        pem = serialization.Encoding.PEM
        self.ca_file.write_bytes(root.public_bytes(pem))
        self.chain_file.write_bytes(leaf.public_bytes(pem) + root.public_bytes(pem))
        self.key_file.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        self.tls = ServerTls.from_files(self.chain_file, self.key_file)


class EchoMachine:
    """A machine that answers with what it was asked, and remembers it."""

    def __init__(self, name: str = "EDGE1") -> None:
        self.name = name
        self.executed: list[str] = []
        self.passwords: list[str] = []

    def load(self, user: str, password: str) -> dict[str, Any]:
        self.passwords.append(password)
        greeting = {
            "Computer": self.name,
            "PowerShell": "5.1.20348.2849",
            "IsEdge": "True",
            "Exchange": "15.02.2562.017",
            "Parameters": ["Get-Echo=Text"],
        }
        return {"ok": True, "objects": [greeting], "warnings": [], "errors": []}

    def execute(self, commands: list[dict[str, Any]], select: list[str]) -> dict[str, Any]:
        self.executed.append(commands[-1]["name"])
        values = {item["name"]: item["value"] for command in commands for item in command["parameters"]}
        return {"ok": True, "objects": [{name: values.get(name) for name in select}], "warnings": [], "errors": []}


class Sort:
    """A program that gives its input back in upper case when the input ends."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._data = b""

    def start(self) -> None:
        self._process.write_err(b"reading\r\n")

    def feed(self, data: bytes) -> None:
        self._data += data

    def end(self) -> None:
        self._process.write_out(self._data.upper())
        self._process.exit(3)

    def stop(self) -> None:
        self._data = b""


def programs(line: str, process: Process) -> bool:
    """Start ``upper``, which reads, or ``flood N``, which writes N bytes."""
    name, _, rest = line.partition(" ")
    if name == "upper":
        process.run(Sort(process))
    elif name == "flood":
        process.write_out(b"x" * int(rest))
        process.exit(0)
    elif name == "split":
        process.write_out("grüße\n".encode())
        process.write_err(b"\x00\xff")
        process.exit(7)
    else:
        return False
    return True


@contextmanager
def serving(loop: LoopThread, trust: Trust, machine: Any = None, **options: Any) -> Iterator[WinrmEndpoint]:
    """Run an endpoint while the block lasts."""
    accounts = options.pop("passwords", {USER: PASSWORD})
    endpoint = WinrmEndpoint(machine or EchoMachine(), accounts, trust.tls, programs=programs, **options)
    loop.run(endpoint.start())
    try:
        yield endpoint
    finally:
        loop.run(endpoint.stop())


def client(endpoint: WinrmEndpoint, trust: Trust, **options: Any) -> Protocol:
    """Make an unmodified pywinrm client."""
    settings: dict[str, Any] = {
        "transport": "ntlm",
        "username": USER,
        "password": PASSWORD,
        "ca_trust_path": str(trust.ca_file),
        "proxy": None,
        "operation_timeout_sec": 10,
        "read_timeout_sec": 20,
    }
    return Protocol(endpoint.url, **settings | options)


def run(protocol: Protocol, line: str, arguments: tuple[str, ...] = (), data: bytes | None = None) -> tuple[Any, ...]:
    """Run a command to its end: stdout, stderr, exit code."""
    shell = protocol.open_shell(codepage=65001)
    try:
        command = protocol.run_command(shell, line, arguments, console_mode_stdin=False)
        if data is not None:
            protocol.send_command_input(shell, command, data, end=True)
        result: tuple[Any, ...] = protocol.get_command_output(shell, command)
        protocol.cleanup_command(shell, command)
    finally:
        protocol.close_shell(shell, close_session=False)
        close_sockets(protocol)
    return result


class Conversation:
    """Drives the bootstrap script over pywinrm; the wire as bytes, without the package's own framing."""

    NONCE = "5eb63bbbe01eeed093cb22bb8f5acdc3"

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.shell = protocol.open_shell(codepage=65001)
        self.command = protocol.run_command(
            self.shell, "powershell.exe", bootstrap.arguments(), console_mode_stdin=False
        )
        self.out = b""
        self.err = b""
        self.exit_code: int | None = None

    def send(self, data: bytes, *, end: bool = False) -> None:
        self.protocol.send_command_input(self.shell, self.command, data, end=end)

    def begin(self) -> dict[str, Any]:
        """Send the script and the first request, and give its answer."""
        self.send(bootstrap.script_line())
        self.request(1, {"op": "open", "nonce": self.NONCE, "user": "u", "password": "p"})
        return self.answers(1)[0]

    def request(self, number: int, request: dict[str, Any]) -> None:
        self.send(line(number, request))

    def echo(self, number: int, text: str) -> None:
        self.request(number, echo(text))

    def answers(self, count: int) -> list[dict[str, Any]]:
        """Receive until this many more frames are there."""
        pattern = re.compile(b"#<%s ([A-Za-z0-9+/=]+)>#" % self.NONCE.encode())
        while len(pattern.findall(self.out)) < count and self.exit_code is None:
            self.receive()
        found = [json.loads(base64.b64decode(text)) for text in pattern.findall(self.out)]
        self.out = pattern.sub(b"", self.out)
        assert len(found) == count, (count, found)
        return found

    def receive(self) -> None:
        out, err, code, done = self.protocol.get_command_output_raw(self.shell, self.command)
        self.out += out
        self.err += err
        if done:
            self.exit_code = code

    def close(self) -> None:
        self.protocol.close_shell(self.shell, close_session=False)
        close_sockets(self.protocol)


def echo(text: str, name: str = "Get-Echo") -> dict[str, Any]:
    """Make a request that has the echo machine give a text back."""
    parameters = [{"name": "Text", "type": "string", "value": text}]
    return {"op": "run", "commands": [{"name": name, "parameters": parameters}], "select": ["Text"]}


def line(number: int, request: dict[str, Any]) -> bytes:
    """Write a request as one numbered line."""
    return b"\n%d 1 1 %s\n" % (number, base64.b64encode(json.dumps(request).encode()))


@contextmanager
def connected(endpoint: WinrmEndpoint, trust: Trust, **options: Any) -> Iterator[Protocol]:
    """Give a pywinrm client and close its sockets afterwards, whatever happened."""
    protocol = client(endpoint, trust, **options)
    try:
        yield protocol
    finally:
        close_sockets(protocol)


def close_sockets(protocol: Protocol) -> None:
    """Close the client's sockets now; requests only forgets their pools, which a caught exception may hold on to."""
    session = protocol.transport.session
    for adapter in session.adapters.values() if session else ():
        pools = adapter.poolmanager.pools
        for pool in [pools[key] for key in pools.keys()]:  # noqa: SIM118 - it cannot be iterated
            pool.close()
    protocol.transport.close_session()


@contextmanager
def conversing(endpoint: WinrmEndpoint, trust: Trust, **options: Any) -> Iterator[Conversation]:
    """Give a conversation with the bootstrap script that is opened already."""
    with connected(endpoint, trust, **options) as protocol:
        conversation = Conversation(protocol)
        assert conversation.begin()["ok"]
        yield conversation
