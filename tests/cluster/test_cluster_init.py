"""``cluster init``: a CA for one cluster, a certificate per part, configurations with what is fixed for changes."""

from __future__ import annotations

import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from typer.testing import CliRunner

from tlsrunbook.adapters.cluster_config import make_cluster, scheduler_address
from tlsrunbook.cli import app
from tlsrunbook.errors import UsageError

PARTS = ("scheduler", "controller", "sites/london", "sites/berlin")


def made(folder: Path, *sites: str, **options: object) -> dict[str, str]:
    done = make_cluster(folder, "sched.example.net", sites or ("london", "berlin"), **options)  # type: ignore[arg-type]
    return {one.path.relative_to(folder).as_posix(): one.state for one in done}


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def certificate(folder: Path, part: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / part / "cert.pem").read_bytes())


@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_a_key_that_fits_its_certificate_of_the_one_ca(tmp_path: Path, part: str) -> None:
    made(tmp_path)
    own = certificate(tmp_path, part)
    key = load_pem_private_key((tmp_path / part / "key.pem").read_bytes(), None)
    assert own.public_key() == key.public_key()
    ca = x509.load_pem_x509_certificate((tmp_path / "ca" / "ca.pem").read_bytes())
    own.verify_directly_issued_by(ca)
    assert (tmp_path / part / "ca.pem").read_bytes() == (tmp_path / "ca" / "ca.pem").read_bytes()
    assert not (tmp_path / part / "ca-key.pem").exists()
    assert timedelta(days=396) < own.not_valid_after_utc - datetime.now(UTC) < timedelta(days=398)


def test_the_controllers_certificate_is_good_for_dialling_only(tmp_path: Path) -> None:
    made(tmp_path)
    usages = {
        part: set(certificate(tmp_path, part).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
        for part in PARTS
    }
    both = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert usages == dict.fromkeys(PARTS, both) | {"controller": {ExtendedKeyUsageOID.CLIENT_AUTH}}


@pytest.mark.skipif(os.name != "posix", reason="Windows has access lists instead of modes")
def test_no_key_can_be_read_by_others(tmp_path: Path) -> None:
    made(tmp_path)
    keys = [path for path in tmp_path.rglob("*key.pem") if path.is_file()]
    assert len(keys) == 1 + len(PARTS)
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_a_second_time_keeps_everything_and_adds_what_is_missing(tmp_path: Path) -> None:
    made(tmp_path, "london")
    before = files(tmp_path)
    states = made(tmp_path, "london", "paris")
    assert states.pop("sites/paris/key.pem") == states.pop("sites/paris/cluster.yaml") == "made"
    assert set(states.values()) == {"kept"}
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    certificate(tmp_path, "sites/paris").verify_directly_issued_by(x509.load_pem_x509_certificate(before["ca/ca.pem"]))


def test_renew_makes_new_keys_for_what_is_named_under_the_same_ca(tmp_path: Path) -> None:
    made(tmp_path)
    before = files(tmp_path)
    states = made(tmp_path, "london", renew=True)
    assert states["sites/london/key.pem"] == states["controller/key.pem"] == "renewed"
    after = files(tmp_path)
    changed = {name for name in before if before[name] != after[name]}
    assert {"scheduler/key.pem", "controller/key.pem", "sites/london/key.pem", "sites/london/cert.pem"} <= changed
    assert not {name for name in changed if name.startswith(("ca/", "sites/berlin/"))}


def test_a_certificate_that_ends_soon_and_another_scheduler_are_told(tmp_path: Path) -> None:
    made(tmp_path, "london", days=5)
    done = make_cluster(tmp_path, "other.example.net:9000", ("london",))
    notes = {one.path.relative_to(tmp_path).as_posix(): one.note for one in done}
    assert "ends on" in notes["sites/london/key.pem"]
    assert "--renew" in notes["sites/london/cluster.yaml"]


def test_a_ca_whose_key_was_taken_away_says_what_to_do(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "ca" / "ca-key.pem").unlink()
    with pytest.raises(UsageError, match=r"put ca\.pem and ca-key\.pem back"):
        made(tmp_path)


def test_the_ca_of_another_cluster_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    made(tmp_path / "a")
    made(tmp_path / "b")
    (tmp_path / "a" / "ca" / "ca-key.pem").write_bytes((tmp_path / "b" / "ca" / "ca-key.pem").read_bytes())
    with pytest.raises(UsageError, match="is not the key of"):
        made(tmp_path / "a")


GOOD = {
    "sched": "tls://sched:8786",
    "sched.example.net:9000": "tls://sched.example.net:9000",
    "tls://10.0.0.5:8786": "tls://10.0.0.5:8786",
    "[2001:db8::5]": "tls://[2001:db8::5]:8786",
    "[2001:db8::5]:99": "tls://[2001:db8::5]:99",
}
BAD = ["tcp://sched:8786", "http://sched", "", "tls://", ":8786", "sched:x", "2001:db8::5", "a b", "sched:8786/x"]


@pytest.mark.parametrize(("text", "address"), GOOD.items())
def test_a_schedulers_address_is_made_whole(text: str, address: str) -> None:
    assert scheduler_address(text) == address


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_address_over_tls_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        scheduler_address(text)


def test_the_command_prints_how_to_start_and_whom_one_trusts(tmp_path: Path) -> None:
    arguments = ["cluster", "init", str(tmp_path), "--scheduler", "sched.example.net", "--site", "london"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert f"tlsrunbook cluster scheduler {tmp_path / 'scheduler' / 'cluster.yaml'}" in done.output
    place = tmp_path / "sites" / "london" / "cluster.yaml"
    assert f"tlsrunbook cluster worker {place} --site london" in done.output
    assert "--executor tls://sched.example.net:8786" in done.output
    assert "can run code on every worker" in done.output
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0
    assert "made" not in again.output


@pytest.mark.parametrize("name", ["London", "a_b", "../x", ""])
def test_a_site_is_named_as_in_its_site_file(tmp_path: Path, name: str) -> None:
    done = CliRunner().invoke(app, ["cluster", "init", str(tmp_path), "--scheduler", "s", "--site", name])
    assert isinstance(done.exception, UsageError)
    assert not (tmp_path / "sites").exists()


@pytest.mark.parametrize("part", PARTS)
def test_openssl_takes_the_certificates(tmp_path: Path, part: str) -> None:
    made(tmp_path)
    context = ssl.create_default_context(cafile=str(tmp_path / part / "ca.pem"))
    context.load_cert_chain(tmp_path / part / "cert.pem", tmp_path / part / "key.pem")
