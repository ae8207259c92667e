from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from adapters_csr import new_csr
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.adapters.authority_folder import MAX_FILE, FolderAuthority
from tlsrunbook.certificates.reply import read_reply
from tlsrunbook.errors import AuthorityFailed, BadCertificateFile, UsageError
from tlsrunbook.lab.ca import LabCA
from tlsrunbook.ports import Authority

LABEL = "london-EDGE1"


@pytest.fixture
def authority(tmp_path: Path) -> FolderAuthority:
    return FolderAuthority(tmp_path / "ca" / "outbox", tmp_path / "ca" / "inbox")


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "ca" / "outbox"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "ca" / "inbox"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def ca() -> LabCA:
    return LabCA()


def texts(authority: FolderAuthority) -> tuple[str, ...]:
    return tuple(note.text for note in authority.notes)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def test_it_is_an_authority_that_is_called_by_its_outbox(authority: FolderAuthority, outbox: Path) -> None:
    port: Authority = authority
    assert port.name == f"folder {outbox}"


def test_submit_writes_the_csr_as_ascii_pem_under_its_label(authority: FolderAuthority, outbox: Path) -> None:
    csr = new_csr()
    receipt = authority.submit(csr, LABEL)
    assert receipt == str(outbox / "london-EDGE1.csr")
    assert (outbox / "london-EDGE1.csr").read_bytes() == csr.encode("ascii")
    assert [path.name for path in outbox.iterdir()] == ["london-EDGE1.csr"]


def test_exchanges_own_header_becomes_the_one_that_every_ca_takes(authority: FolderAuthority, outbox: Path) -> None:
    authority.submit(new_csr().replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"), LABEL)
    text = (outbox / "london-EDGE1.csr").read_text(encoding="ascii")
    assert text.startswith("-----BEGIN CERTIFICATE REQUEST-----\n")


def test_a_file_with_the_same_key_is_left_alone(authority: FolderAuthority, outbox: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    first = authority.submit(new_csr(key=key), LABEL)
    content = Path(first).read_bytes()
    assert authority.submit(new_csr(key=key), LABEL) == first
    assert Path(first).read_bytes() == content
    assert len(list(outbox.iterdir())) == 1


@pytest.mark.parametrize("content", [new_csr().encode(), b"somebody's notes"])
def test_another_keys_file_is_never_written_over(authority: FolderAuthority, outbox: Path, content: bytes) -> None:
    outbox.mkdir(parents=True)
    (outbox / "london-EDGE1.csr").write_bytes(content)
    csr = new_csr()
    receipts = {authority.submit(csr, LABEL) for _ in range(2)}
    assert receipts == {str(outbox / "london-EDGE1-2.csr")}
    assert (outbox / "london-EDGE1.csr").read_bytes() == content
    assert authority.holds(csr, LABEL) is True


def test_two_processes_at_once_never_lose_a_csr(authority: FolderAuthority, outbox: Path) -> None:
    csrs = [new_csr() for _ in range(8)]
    threads = [threading.Thread(target=authority.submit, args=(csr, LABEL)) for csr in csrs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.read_text(encoding="ascii") for path in outbox.iterdir()} == set(csrs)


def test_a_file_system_without_hard_links_is_served_too(
    authority: FolderAuthority, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_paths: object) -> None:
        raise PermissionError("hard links are not supported here")

    monkeypatch.setattr(os, "link", refuse)
    first, second = new_csr(), new_csr()
    for csr in (first, second, first):
        authority.submit(csr, LABEL)
    found = {path.name: path.read_text(encoding="ascii") for path in outbox.iterdir()}
    assert found == {"london-EDGE1.csr": first, "london-EDGE1-2.csr": second}


@pytest.mark.parametrize("label", ["", "../x", "a/b", "a\\b", ".hidden", "a b", "x" * 201, "a\n"])
def test_a_label_that_is_no_file_name_is_refused(authority: FolderAuthority, outbox: Path, label: str) -> None:
    with pytest.raises(UsageError):
        authority.submit(new_csr(), label)
    assert not outbox.exists()


def test_what_is_no_csr_is_refused(authority: FolderAuthority, outbox: Path, ca: LabCA) -> None:
    with pytest.raises(BadCertificateFile):
        authority.submit(ca.root_pem, LABEL)
    assert not outbox.exists()


def test_an_outbox_that_cannot_be_made_is_named_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    authority = FolderAuthority(tmp_path / "file" / "outbox", tmp_path / "inbox")
    with pytest.raises(AuthorityFailed, match=r"file.*authority\.outbox"):
        authority.submit(new_csr(), LABEL)


def test_nothing_is_held_before_the_first_csr_and_only_that_ones_key_after_it(authority: FolderAuthority) -> None:
    csr = new_csr()
    assert authority.holds(csr, LABEL) is False
    authority.submit(csr, LABEL)
    assert authority.holds(csr, LABEL) is True
    assert authority.holds(csr, "london-EDGE") is False
    assert authority.holds(new_csr(), LABEL) is False


def test_there_is_no_reply_while_the_inbox_is_empty(authority: FolderAuthority) -> None:
    csr = new_csr()
    authority.submit(csr, LABEL)
    assert authority.collect(csr, LABEL) is None
    assert authority.notes == ()


def test_an_inbox_that_is_not_there_is_an_error_and_not_an_empty_one(authority: FolderAuthority) -> None:
    with pytest.raises(AuthorityFailed, match=r"inbox.*authority\.inbox"):
        authority.collect(new_csr(), LABEL)


@pytest.mark.parametrize("name", ["london-EDGE1.cer", "12345678_certificate (2).PEM", "noname", "Änderung.txt"])
def test_the_reply_is_found_by_key_whatever_its_file_is_called(
    authority: FolderAuthority, inbox: Path, ca: LabCA, name: str
) -> None:
    csr = new_csr()
    reply = b"Dear customer,\r\n" + ca.reply(ca.issue(csr)) + b"Yours\r\n"
    (inbox / "another.cer").write_bytes(ca.reply(ca.issue(new_csr("mx9.london.example.net"))))
    (inbox / name).write_bytes(reply)
    assert authority.collect(csr, LABEL) == reply
    assert texts(authority) == ("another.cer: nothing for this CSR's key",)


def test_a_reply_in_pkcs7_is_handed_on_as_it_came(authority: FolderAuthority, inbox: Path, ca: LabCA) -> None:
    csr = new_csr()
    reply = ca.reply(ca.issue(csr), shape="p7b")
    (inbox / "a.p7b").write_bytes(reply)
    assert authority.collect(csr, LABEL) == reply


def test_intermediates_of_other_files_come_behind_the_leaf_and_the_root_does_not(
    authority: FolderAuthority, inbox: Path, ca: LabCA
) -> None:
    csr = new_csr()
    leaf = ca.issue(csr)
    stranger = LabCA("stranger")
    (inbox / "1-root.crt").write_bytes(ca.root_pem.encode())
    (inbox / "2-intermediate.crt").write_bytes(ca.intermediate.public_bytes(Encoding.DER))
    (inbox / "3-stranger.crt").write_bytes(pem(stranger.intermediate))
    (inbox / "leaf.cer").write_bytes(leaf.public_bytes(Encoding.DER))
    reply = authority.collect(csr, LABEL)
    assert reply == pem(leaf) + pem(ca.intermediate)


def test_a_leaf_whose_intermediate_is_nowhere_comes_alone(authority: FolderAuthority, inbox: Path, ca: LabCA) -> None:
    csr = new_csr()
    leaf = ca.issue(csr).public_bytes(Encoding.DER)
    (inbox / "leaf.cer").write_bytes(leaf)
    (inbox / "stranger.crt").write_bytes(pem(LabCA().intermediate))
    assert authority.collect(csr, LABEL) == leaf


def test_of_two_replies_for_one_key_the_later_issued_counts(authority: FolderAuthority, inbox: Path, ca: LabCA) -> None:
    csr = new_csr()
    old = ca.issue(csr, not_before=datetime.now(UTC) - timedelta(days=3))
    new = ca.issue(csr)
    (inbox / "a-new.pem").write_bytes(ca.reply(new))
    (inbox / "b-old.pem").write_bytes(ca.reply(old))
    reply = authority.collect(csr, LABEL)
    assert reply is not None
    assert read_reply(reply)[0] == new.public_bytes(Encoding.DER)
    assert texts(authority) == ("b-old.pem: has a certificate for this key that was issued earlier",)


def test_what_is_passed_over_is_told_with_the_reason(authority: FolderAuthority, inbox: Path) -> None:
    csr = new_csr()
    (inbox / "csr.txt").write_text(csr, encoding="ascii")
    (inbox / "empty.cer").write_bytes(b"")
    (inbox / "large.cer").write_bytes(bytes(MAX_FILE + 1))
    (inbox / "folder.cer").mkdir()
    assert authority.collect(csr, LABEL) is None
    notes = dict(note.split(": ", 1) for note in texts(authority))
    assert list(notes) == ["csr.txt", "empty.cer", "large.cer"]
    assert "1 MiB" in notes["large.cer"]
    assert "request" in notes["csr.txt"].lower()


def test_a_file_that_may_not_be_read_is_told_and_the_others_are_read(
    authority: FolderAuthority, inbox: Path, ca: LabCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    csr = new_csr()
    (inbox / "a-locked.cer").write_bytes(b"")
    (inbox / "reply.cer").write_bytes(ca.reply(ca.issue(csr)))
    really_open = Path.open

    def open_unless_locked(path: Path, *args: object, **options: object) -> object:
        if path.name == "a-locked.cer":  # file modes would not keep root from reading
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_unless_locked)
    assert authority.collect(csr, LABEL) is not None
    assert texts(authority) == ("a-locked.cer: cannot be read (Permission denied)",)


def test_many_files_for_other_keys_make_one_note(authority: FolderAuthority, inbox: Path, ca: LabCA) -> None:
    for number in range(7):
        (inbox / f"{number}.cer").write_bytes(ca.reply(ca.issue(new_csr("mx9.london.example.net"))))
    assert authority.collect(new_csr(), LABEL) is None
    assert not any(note.concerns for note in authority.notes), "the replies of other servers are nobody's trouble"
    assert texts(authority) == ("0.cer, 1.cer, 2.cer, 3.cer, 4.cer and 2 more files: nothing for this CSR's key",)


def test_a_certificate_for_the_same_name_and_another_key_is_told_by_its_thumbprint(
    authority: FolderAuthority, inbox: Path, ca: LabCA
) -> None:
    old = ca.issue(new_csr())
    (inbox / "last-year.cer").write_bytes(ca.reply(old))
    assert authority.collect(new_csr(), LABEL) is None
    (note,) = authority.notes
    thumbprint = old.fingerprint(hashes.SHA1()).hex().upper()
    assert note.text.startswith(
        f"last-year.cer: a certificate for mx1.london.example.net with another key, thumbprint {thumbprint}"
    )
    assert note.concerns
    assert "this very CSR" in note.todo


def test_the_inbox_is_only_read(authority: FolderAuthority, inbox: Path, ca: LabCA) -> None:
    csr = new_csr()
    (inbox / "reply.cer").write_bytes(ca.reply(ca.issue(csr)))
    (inbox / "junk").write_bytes(b"junk")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in inbox.iterdir()}
    authority.collect(csr, LABEL)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in inbox.iterdir()} == before
