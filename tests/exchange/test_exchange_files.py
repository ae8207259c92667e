"""The files that Exchange 2007 reads and writes: their names, their commands, and the requests they belong to."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from importlib import resources

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from exchange_targets import target

from tlsrunbook.errors import DecodeError, UsageError
from tlsrunbook.exchange import cmdlets, decode
from tlsrunbook.exchange.cmdlets_file import CERTIFICATE, CSR, OWN_NAME, server_file
from tlsrunbook.exchange.command import Later, RemoteFault, Reply
from tlsrunbook.exchange.decode_file import ServerFile, serves_pending
from tlsrunbook.exchange.frames import greeting_of
from tlsrunbook.exchange.render import render, render_pipeline
from tlsrunbook.exchange.state import ExchangeCertificate

FOLDER = r"C:\Program Files\Microsoft\Exchange Server"
PATH = server_file(FOLDER, ("mx1.example.com",), 2048, CSR)


def test_a_path_is_in_exchanges_folder_and_the_same_whatever_the_order_of_the_names() -> None:
    names = ("mx1.example.com", "mx2.example.com")
    path = server_file(FOLDER, names, 2048, CSR)
    assert path == server_file(FOLDER, names[::-1], 2048, CSR)
    assert re.fullmatch(re.escape(FOLDER) + r"\\tlsrunbook-[0-9a-f]{16}\.req", path)
    others = {server_file(FOLDER, names, 4096, CSR), server_file(FOLDER, names[:1], 2048, CSR)}
    assert len({path, *others, server_file(FOLDER, names, 2048, CERTIFICATE)}) == 4


def test_a_server_that_names_no_folder_is_told_so() -> None:
    with pytest.raises(UsageError, match="where Exchange is installed"):
        server_file("", ("mx1.example.com",), 2048, CSR)
    with pytest.raises(ValueError, match="needs a folder"):
        cmdlets.get_server_files(target("2007"), "")


@pytest.mark.parametrize(
    "path", ["", "c:\\a.cer", f"{FOLDER}\\tlsrunbook-0123456789abcdef.exe", f"{PATH}\n", PATH.upper(), f"{PATH}:x"]
)
def test_no_other_file_can_be_named(path: str) -> None:
    with pytest.raises(ValueError, match="not a file of the runbook"):
        cmdlets.set_server_file(target("2007"), path, b"x")
    with pytest.raises(ValueError, match="not a file of the runbook"):
        cmdlets.remove_server_file(target("2007"), path)


def test_an_empty_file_is_never_written() -> None:
    with pytest.raises(ValueError, match="nothing to write"):
        cmdlets.set_server_file(target("2007"), PATH, b"")


def test_the_script_takes_the_names_that_are_made_here_and_no_others() -> None:
    script = resources.files("tlsrunbook.exchange").joinpath("bootstrap.ps1").read_text(encoding="ascii")
    (pattern,) = re.findall(r"-cmatch '(\^tlsrunbook.*?)'", script)
    assert pattern == "^" + OWN_NAME.pattern.replace("\\Z", "\\z")
    for name in ("Set-ServerFile", "Remove-ServerFile"):
        (body,) = re.findall(rf"function {name} \{{\n(.*?)\n\}}\n", script, re.DOTALL)
        assert body.index("Assert-OwnFile $Path") < body.index("[IO.File]::")


def test_the_text_for_people_is_what_the_script_does() -> None:
    server = target("2007")
    assert render(cmdlets.get_server_files(server, FOLDER)) == f"Get-ChildItem -Path '{FOLDER}\\tlsrunbook-*'"
    data = base64.b64encode(b"DER").decode()
    written = cmdlets.set_server_file(server, PATH, b"DER")
    assert render(written) == f"[IO.File]::WriteAllBytes('{PATH}',([Convert]::FromBase64String('{data}')))"
    assert "<the certificate>" in render(cmdlets.set_server_file(server, PATH, Later("the certificate")))
    removed = cmdlets.remove_server_file(server, PATH)
    assert render(removed) == f"[IO.File]::Delete('{PATH}')"
    assert (written.changes, removed.changes, cmdlets.get_server_files(server, FOLDER).changes) == (True, True, False)
    with pytest.raises(ValueError, match="stand alone"):
        render_pipeline((written, removed))


def test_the_greeting_may_name_the_folder() -> None:
    told: dict[str, str | tuple[str, ...] | None] = {
        "Computer": "MBX1",
        "PowerShell": "2.0",
        "IsEdge": "False",
        "Exchange": "",
        "Parameters": (),
    }
    assert greeting_of(Reply(({**told, "Folder": FOLDER},))).folder == FOLDER
    assert greeting_of(Reply((told,))).folder == ""


def test_files_are_read_and_an_error_is_not_no_files() -> None:
    row = {"Path": PATH, "Data": base64.b64encode(b"x").decode()}
    assert decode.decode_files(Reply((row, {"Path": PATH, "Data": ""}))) == (
        ServerFile(PATH, b"x"),
        ServerFile(PATH, b""),
    )
    assert decode.decode_files(Reply()) == ()
    with pytest.raises(DecodeError):
        decode.decode_files(Reply(errors=(RemoteFault("no"),)))


def _request(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx1.example.com")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM)


def _entry(key: rsa.RSAPrivateKey, status: str = "PendingRequest") -> ExchangeCertificate:
    at, name = datetime(2026, 1, 1, tzinfo=UTC), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx1.example.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(at).not_valid_after(at.replace(year=2027))
    raw = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return ExchangeCertificate(
        thumbprint=decode.thumbprint_of(raw),
        subject="",
        issuer="",
        tls_certificate_name="",
        not_before=at,
        not_after=at,
        names=(),
        services=frozenset(),
        status=status,
        self_signed=False,
        has_private_key=True,
        key_size=2048,
        friendly_name="",
        raw=raw,
    )


@pytest.fixture(scope="module")
def keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    one, other = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    return one, other


def test_a_file_belongs_to_the_request_with_its_key(keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]) -> None:
    one, other = keys
    file = ServerFile(PATH, _request(one))
    first, second, issued = _entry(one), _entry(other), _entry(one, "Valid")
    found = decode.with_requests((first, second, issued), (file, ServerFile(PATH, b"rubbish")))
    assert [entry.request for entry in found] == [file.data.decode(), "", ""]
    assert serves_pending(file, (first,))
    assert not serves_pending(file, (second, issued))
    assert not serves_pending(ServerFile(PATH, b"rubbish"), (first,))
