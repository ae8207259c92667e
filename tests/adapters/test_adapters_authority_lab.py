from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest
import requests
from adapters_csr import new_csr
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.adapters.authority_lab import LabAuthority
from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.errors import AuthorityFailed, BadCertificateFile
from tlsrunbook.lab.authority import AuthorityDesk, AuthorityServer
from tlsrunbook.lab.ca import LabCA
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.loop import LoopThread
from tlsrunbook.ports import Authority

FQDN = "mx1.london.example.net"
LABEL = "london-EDGE1"


class World:
    def __init__(self, server: AuthorityServer, faults: FaultBoard) -> None:
        self.server = server
        self.faults = faults
        self.ca = server.desk.ca
        self.authority: Authority = LabAuthority(server.url)

    def leaf(self, csr: str) -> x509.Certificate:
        return self.chain(csr)[0]

    def chain(self, csr: str) -> list[x509.Certificate]:
        reply = self.authority.collect(csr, LABEL)
        assert reply is not None
        return x509.load_pem_x509_certificates(reply)


@contextmanager
def world(**options: str) -> Iterator[World]:
    faults = FaultBoard()
    server_of = {FQDN: "EDGE1", "mx2.london.example.net": "MBX1"}
    desk = AuthorityDesk(
        LabCA(),
        faults,
        server_of=lambda names: server_of.get(names[0], ""),
        shape=cast("str", options.get("shape", "pem")),  # type: ignore[arg-type]
    )
    with LoopThread() as loop:
        server = AuthorityServer(desk)
        loop.run(server.start())
        try:
            yield World(server, faults)
        finally:
            loop.run(server.stop(), timeout=5)


def names_of(leaf: x509.Certificate) -> list[str]:
    return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def test_the_reply_to_a_csr_is_its_certificate_with_the_intermediate() -> None:
    csr = new_csr()
    with world() as lab:
        receipt = lab.authority.submit(csr, LABEL)
        leaf, intermediate = lab.chain(csr)
        assert receipt == f"{lab.server.url}/requests/{read_csr(csr).spki_sha256}"
        assert leaf.public_key() == x509.load_pem_x509_csr(csr.encode()).public_key()
        assert intermediate == lab.ca.intermediate
        leaf.verify_directly_issued_by(intermediate)


def test_the_same_csr_gives_the_same_certificate_however_often_it_is_handed_over() -> None:
    csr = new_csr()
    with world() as lab:
        receipts = {lab.authority.submit(csr, LABEL), lab.authority.submit(csr, "another-label")}
        replies = {lab.authority.collect(csr, LABEL) for _ in range(3)}
    assert len(receipts) == len(replies) == 1


def test_what_was_never_handed_over_is_not_held_and_has_no_reply() -> None:
    csr = new_csr()
    with world() as lab:
        assert lab.authority.holds(csr, LABEL) is False
        assert lab.authority.collect(csr, LABEL) is None
        lab.authority.submit(csr, LABEL)
        assert lab.authority.holds(csr, LABEL) is True


def test_a_slow_ca_takes_the_csr_and_answers_when_it_is_slow_no_more() -> None:
    csr = new_csr()
    with world() as lab:
        lab.faults.set("ca-slow")
        lab.authority.submit(csr, LABEL)
        assert lab.authority.holds(csr, LABEL) is True
        assert lab.authority.collect(csr, LABEL) is None
        lab.faults.clear()
        assert lab.leaf(csr).subject.rfc4514_string() == f"CN={FQDN}"


def test_a_ca_that_mixes_up_its_orders_certifies_another_key() -> None:
    csr = new_csr()
    with world() as lab:
        lab.faults.set("ca-wrong-key")
        lab.authority.submit(csr, LABEL)
        key = lab.leaf(csr).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key != x509.load_pem_x509_csr(csr.encode()).public_key()


def test_a_ca_that_forgets_the_fqdn_names_another_host() -> None:
    csr = new_csr()
    with world() as lab:
        lab.faults.set("ca-missing-name")
        lab.authority.submit(csr, LABEL)
        assert names_of(lab.leaf(csr)) == ["www.london.example.net"]


def test_a_ca_may_leave_its_intermediate_out() -> None:
    csr = new_csr()
    with world() as lab:
        lab.faults.set("ca-no-intermediate")
        lab.authority.submit(csr, LABEL)
        assert len(lab.chain(csr)) == 1


def test_a_ca_may_answer_with_an_expired_certificate() -> None:
    csr = new_csr()
    with world() as lab:
        lab.authority.submit(csr, LABEL)
        good = lab.leaf(csr)
        lab.faults.set("ca-expired")
        assert lab.leaf(csr).not_valid_after_utc < good.not_valid_before_utc


def test_a_fault_at_one_server_leaves_the_others_alone() -> None:
    edge, mailbox = new_csr(FQDN), new_csr("mx2.london.example.net")
    with world() as lab:
        lab.faults.set("ca-slow@EDGE1")
        for csr in (edge, mailbox):
            lab.authority.submit(csr, LABEL)
        assert lab.authority.collect(edge, LABEL) is None
        assert names_of(lab.leaf(mailbox)) == ["mx2.london.example.net"]


def test_a_ca_that_mended_its_ways_issues_afresh_and_gives_the_first_one_again_when_it_relapses() -> None:
    csr = new_csr()
    with world() as lab:
        good = (lab.authority.submit(csr, LABEL), lab.authority.collect(csr, LABEL))[1]
        lab.faults.set("ca-missing-name")
        assert lab.authority.collect(csr, LABEL) != good
        lab.faults.clear()
        assert lab.authority.collect(csr, LABEL) == good


def test_the_reply_can_be_pkcs7() -> None:
    csr = new_csr()
    with world(shape="p7b") as lab:
        lab.authority.submit(csr, LABEL)
        reply = lab.authority.collect(csr, LABEL)
        assert reply is not None
        assert not reply.startswith(b"-----")


@pytest.mark.parametrize("name", ["mbx1.corp.local", "mbx1"])
def test_a_refusal_carries_the_cas_reason(name: str) -> None:
    csr = new_csr(name)
    with world() as lab:
        with pytest.raises(AuthorityFailed, match=f"refuses the CSR: '{name}' is not a public domain name"):
            lab.authority.submit(csr, LABEL)
        assert lab.authority.holds(csr, LABEL) is False


def test_a_refusal_may_come_late_when_the_ca_is_slow() -> None:
    csr = new_csr("mbx1.corp.local")
    with world() as lab:
        lab.faults.set("ca-slow")
        lab.authority.submit(csr, LABEL)
        lab.faults.clear()
        with pytest.raises(AuthorityFailed, match="refuses the CSR"):
            lab.authority.collect(csr, LABEL)


def test_what_is_no_csr_is_not_even_sent() -> None:
    with pytest.raises(BadCertificateFile):
        LabAuthority("http://127.0.0.1:1").submit(LabCA().root_pem, LABEL)


def test_a_lab_that_is_gone_is_said_with_the_place_to_look() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        authority = LabAuthority(f"http://127.0.0.1:{closed.getsockname()[1]}")
        for ask in (authority.submit, authority.collect, authority.holds):
            with pytest.raises(AuthorityFailed, match=r"does not answer \(ConnectionError\).*authority\.url"):
                ask(new_csr(), LABEL)


def _answers_once(body: bytes) -> tuple[str, threading.Thread]:
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, listening.accept()[0] as client:
            client.recv(65536)
            client.sendall(body)

    thread = threading.Thread(target=serve)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}", thread


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "HTTP 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "HTTP 302"),
        (b"SSH-2.0-OpenSSH_9\r\n", "does not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "does not answer"),
    ],
)
def test_what_is_no_lab_is_an_error_and_never_an_answer(answer: bytes, said: str) -> None:
    url, thread = _answers_once(answer)
    with pytest.raises(AuthorityFailed, match=said):
        LabAuthority(url).collect(new_csr(), LABEL)
    thread.join()


def test_an_endless_answer_is_cut_off() -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def pour() -> None:
        with listening, listening.accept()[0] as client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                for _ in range(64):
                    client.sendall(bytes(64 * 1024))
            except OSError:
                return

    thread = threading.Thread(target=pour)
    thread.start()
    with pytest.raises(AuthorityFailed, match="longer than"):
        LabAuthority(f"http://127.0.0.1:{listening.getsockname()[1]}").collect(new_csr(), LABEL)
    thread.join()


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    with world() as lab:
        assert lab.authority.collect(new_csr(), LABEL) is None


def test_the_issuer_can_be_fetched_where_the_leaf_says_and_the_root_beside_it() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    csr = new_csr(key=key)
    with world() as lab, requests.Session() as session:
        lab.ca.rotate_intermediate()
        lab.authority.submit(csr, LABEL)
        access = lab.leaf(csr).extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        der = session.get(next(iter(access)).access_location.value, timeout=5).content
        root = session.get(f"{lab.server.url}/root.pem", timeout=5).text
        missing = session.get(f"{lab.server.url}/issuers/9.cer", timeout=5).status_code
        assert der == lab.ca.intermediate.public_bytes(Encoding.DER)
        assert root == lab.ca.root_pem
        assert missing == 404


def test_its_name_says_where_it_is() -> None:
    assert LabAuthority("http://127.0.0.1:8123/").name == "lab http://127.0.0.1:8123"
