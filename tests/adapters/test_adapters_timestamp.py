"""RFC 3161 against a time-stamping authority made of ``openssl ts`` and a loopback HTTP server."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.archives import SealedSite
from tlsrunbook.adapters.timestamp import URL_VARIABLE, stamp, stamped_at, timestamp_url
from tlsrunbook.errors import EvidenceError, UsageError
from tlsrunbook.wiring_evidence import stamp_seal, verify_site

CONFIG = """
[tsa]
default_tsa = mine
[mine]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha256
[ext]
extendedKeyUsage = critical,timeStamping
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
"""


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.environ.get("CI") != "true":
        pytest.importorskip("rfc3161_client", reason="tlsrunbook[timestamp] is not installed")
        if not shutil.which("openssl"):
            pytest.skip("no openssl here")
    folder = tmp_path_factory.mktemp("tsa")
    (folder / "tsa.cnf").write_text(CONFIG, encoding="utf-8")
    (folder / "serial").write_text("01\n", encoding="utf-8")
    for name, subject in (("root", "/CN=Stamp Root"), ("tsa", "/CN=Stamps")):
        openssl(
            folder,
            "req",
            "-new",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            subject,
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
        )
    common = ["-days", "9", "-extfile", "tsa.cnf"]
    openssl(
        folder,
        "x509",
        "-req",
        "-in",
        "root.csr",
        "-signkey",
        "root.key",
        "-out",
        "root.pem",
        "-extensions",
        "root",
        *common,
    )
    signer = ["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial"]
    openssl(folder, "x509", "-req", "-in", "tsa.csr", *signer, "-out", "tsa.pem", "-extensions", "ext", *common)
    return folder


@pytest.fixture
def url(authority: Path) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            (authority / "query.tsq").write_bytes(query)
            if self.path == "/replay" and (authority / "old.tsr").exists():
                reply = (authority / "old.tsr").read_bytes()
            else:
                keys = ["-signer", "tsa.pem", "-inkey", "tsa.key"]
                openssl(
                    authority,
                    "ts",
                    "-reply",
                    "-config",
                    "tsa.cnf",
                    "-queryfile",
                    "query.tsq",
                    *keys,
                    "-out",
                    "reply.tsr",
                )
                reply = (authority / "reply.tsr").read_bytes()
            status = 500 if self.path == "/broken" else 200
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"no stamp" if self.path == "/nonsense" else reply)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_stamp_is_of_this_data_by_this_authority_at_a_time(authority: Path, url: str) -> None:
    token = stamp(url, b"data")
    root = (authority / "root.pem").read_bytes()
    assert stamped_at(token, b"data", [root]).utcoffset() is not None
    with pytest.raises(EvidenceError, match="something else"):
        stamped_at(token, b"other", [root])
    openssl(authority, "req", "-x509", "-new", "-key", "root.key", "-subj", "/CN=Somebody else", "-out", "other.pem")
    with pytest.raises(EvidenceError, match="not by a trusted authority"):
        stamped_at(token, b"data", [(authority / "other.pem").read_bytes()])


def test_an_authority_that_answers_wrongly_gives_no_stamp(authority: Path, url: str) -> None:
    with pytest.raises(EvidenceError, match="did not answer"):
        stamp(f"{url}/broken", b"data")
    with pytest.raises(EvidenceError, match="no time stamp"):
        stamp(f"{url}/nonsense", b"data")
    (authority / "old.tsr").write_bytes(stamp(url, b"data"))
    with pytest.raises(EvidenceError, match="another question"):
        stamp(f"{url}/replay", b"data")


def test_a_seal_gets_a_stamp_that_openssl_and_the_command_verify(
    authority: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = SealedSite(tmp_path / "runs", random.Random(9))
    info = site.run("EDGE1", steps=("confirm",))
    assert stamp_seal(site.store, info) == "", "no authority is configured"
    monkeypatch.setenv(URL_VARIABLE, url)
    assert "time stamp by" in stamp_seal(site.store, info)
    openssl(
        info.folder,
        "ts",
        "-verify",
        "-data",
        "seal.dsse.json",
        "-in",
        "seal.tsr",
        "-CAfile",
        str(authority / "root.pem"),
    )
    root = (authority / "root.pem").read_bytes()
    assert verify_site(site.folder, timestamp_roots=[root]).whole
    stamped = info.folder / "seal.tsr"
    stamped.write_bytes(stamp(url, b"something else"))
    assert [flaw.kind for flaw in verify_site(site.folder, timestamp_roots=[root]).flaws] == ["timestamp"]


def test_a_stamp_that_cannot_be_had_is_told_and_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = SealedSite(tmp_path / "runs", random.Random(9))
    info = site.run("EDGE1", steps=("confirm",))
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:9")
    assert stamp_seal(site.store, info).startswith("no time stamp: ")
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    assert "tlsrunbook[timestamp]" in stamp_seal(site.store, info)
    assert verify_site(site.folder).whole


def test_the_authority_is_named_by_the_environment_or_a_file(tmp_path: Path) -> None:
    environ = {"TLSRUNBOOK_CONFIG_DIR": str(tmp_path)}
    assert timestamp_url(environ) == ""
    (tmp_path / "timestamp-url").write_text("http://tsa.example.net/\n", encoding="utf-8")
    assert timestamp_url(environ) == "http://tsa.example.net/"
    assert timestamp_url(environ | {URL_VARIABLE: "https://other.example.net"}) == "https://other.example.net"
    with pytest.raises(UsageError):
        timestamp_url({URL_VARIABLE: "ftp://x"})
