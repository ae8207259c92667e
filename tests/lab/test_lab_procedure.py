"""The classic procedure on the lab, command by command, through the shipped adapters: all parts fit together."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tlsrunbook.adapters.authority_lab import LabAuthority
from tlsrunbook.adapters.winrm import WinrmShell
from tlsrunbook.certificates.reply import read_reply
from tlsrunbook.exchange.command import Command, Projected
from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.lab import Lab
from tlsrunbook.site import Server, Site, load_site


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(1, 2, keys=KeyRing()) as lab:
        yield lab


@pytest.fixture(scope="module")
def site(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return load_site(lab.write_site_files(tmp_path_factory.mktemp("sites"))[0])


@pytest.fixture(params=["EDGE1", "MBX1"])
def server(site: Site, request: pytest.FixtureRequest) -> Server:
    return site.server(request.param)


@pytest.fixture
def shell(lab: Lab, server: Server) -> Iterator[WinrmShell]:
    logon = server.logon
    url = f"https://{server.address}:{logon.port}/wsman"
    shell = WinrmShell(server.name, url, logon.method, lab.credential, ca_file=str(logon.ca_file))
    yield shell
    shell.close()


def run(shell: WinrmShell, *commands: Command) -> tuple[dict[str, Projected], ...]:
    reply = shell.run(commands)
    assert reply.errors == ()
    return tuple(dict(item) for item in reply.objects)


def shown(lab: Lab, server: Server) -> str:
    """Do a handshake that verifies chain and name as strictly as a partner would; gives the thumbprint."""
    host, port = server.endpoints[0].split(":")
    client = smtplib.SMTP(timeout=10)
    client._host = server.fqdn  # type: ignore[attr-defined]  # the name that smtplib verifies
    client.connect(host, int(port))
    with client:
        client.starttls(context=ssl.create_default_context(cadata=lab.ca.root_pem))
        der = client.sock.getpeercert(binary_form=True)  # type: ignore[union-attr]
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def test_request_install_and_activate_show_the_certificate_on_the_wire(
    lab: Lab, server: Server, shell: WinrmShell
) -> None:
    request = Command.of(
        "New-ExchangeCertificate",
        GenerateRequest=True,
        DomainName=(server.fqdn,),
        SubjectName=f"C=GB, O=Example Corp, CN={server.fqdn}",
        KeySize=2048,
        FriendlyName="tlsrunbook smtp",
    )
    (made,) = run(shell, request)
    csr = next(value for value in made.values() if isinstance(value, str) and "REQUEST" in value)
    authority = LabAuthority(lab.authority_url)
    authority.submit(csr, f"london-{server.name}")
    reply = authority.collect(csr, f"london-{server.name}")
    assert reply is not None
    leaf, intermediate = read_reply(reply)
    thumbprint = hashlib.sha1(leaf, usedforsecurity=False).hexdigest().upper()
    run(shell, Command.of("Add-StoreCertificate", StoreName="CA", RawData=intermediate))
    run(shell, Command.of("Import-ExchangeCertificate", FileData=leaf))
    run(shell, Command.of("Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True))
    for listener in lab.server("london", server.name).receive_connectors():
        if listener.anonymous and listener.fqdn != server.fqdn:
            (found,) = run(
                shell,
                Command.of("Get-ExchangeCertificate", Thumbprint=thumbprint, select=["TlsCertificateName"]),
            )
            run(
                shell,
                Command.of(
                    "Set-ReceiveConnector",
                    Identity=listener.identity,
                    TlsCertificateName=found["TlsCertificateName"],
                ),
            )
    assert shown(lab, server) == thumbprint


def test_the_same_world_can_be_reached_twice(lab: Lab, tmp_path: Path) -> None:
    first = lab.write_site_files(tmp_path / "a")[0].read_text(encoding="utf-8")
    assert lab.write_site_files(tmp_path / "b")[0].read_text(encoding="utf-8") == first
