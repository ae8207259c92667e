"""The prober against a real postfix: one instance, a port for each chain.

It needs postfix installed (not running) and root. Without them it is skipped, but in CI that is a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from odd_certificates import NAME, World

from tlsrunbook.adapters.smtp import Patience, SmtpProber
from tlsrunbook.policy.wire import Expected, judge_probe
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome

# An address of this worker's own, so that no other test's server can take a port before postfix does.
ADDRESS = f"127.{1 + (os.getpid() >> 16) % 250}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"

pytestmark = pytest.mark.xdist_group("postfix")

#: Port's name -> chain it shows, further settings of that port.
PORTS: dict[str, tuple[str, str]] = {
    "good": ("good", ""),
    "leaf-only": ("leaf-only", ""),
    "disordered": ("disordered", ""),
    "root-sent": ("root-sent", ""),
    "expired": ("expired", ""),
    "self-signed": ("self-signed", ""),
    "tls-1.2": ("good", "-o smtpd_tls_protocols=TLSv1.2"),
    "tls-1.0": (
        "good",
        "-o smtpd_tls_protocols=TLSv1 -o tls_medium_cipherlist=ALL:@SECLEVEL=0",
    ),
    "other-name": ("good", "-o myhostname=internal.example.lan"),
    "no-tls": ("good", "-o smtpd_tls_security_level=none"),
    "rejects": ("good", "-o smtpd_delay_reject=no -o smtpd_client_restrictions=reject"),
}

MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {name}
mydestination =
alias_maps =
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtpd_tls_protocols = >=TLSv1
"""
MASTER = """\
postlog   unix-dgram n - n - 1 postlogd
tlsmgr    unix - - n 1000? 1 tlsmgr
anvil     unix - - n - 1 anvil
rewrite   unix - - n - - trivial-rewrite
proxymap  unix - - n - - proxymap
"""


def _why_not() -> str:
    if not shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return "postfix is not installed"
    return "" if os.geteuid() == 0 else "postfix can only be started by root"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def ports(world: World) -> Iterator[dict[str, int]]:
    """Start the instance and give its ports by name."""
    reason = _why_not()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true demands it")
    if reason:
        pytest.skip(reason)
    home = Path(tempfile.mkdtemp(prefix="postfix-"))
    home.chmod(0o755)  # its daemons run as another user
    try:
        found = _configure(home, world)
        _postfix(home, "start")
        try:
            yield found
        finally:
            _postfix(home, "stop")
    finally:
        shutil.rmtree(home)


def _postfix(home: Path, what: str) -> None:
    command = ["/usr/sbin/postfix", "-c", home / "etc", what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    log = home / "log"
    assert done.returncode == 0, done.stdout + done.stderr + (log.read_text() if log.exists() else "")


def _configure(home: Path, world: World) -> dict[str, int]:
    for folder in ("etc", "queue", "data", "tls"):
        (home / folder).mkdir(mode=0o755)
    shutil.chown(home / "data", "postfix")
    (home / "tls").chmod(0o700)
    found = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
    lines = []
    for name, (chain, more) in PORTS.items():
        file = home / "tls" / f"{name}.pem"
        file.write_bytes(world.chain(chain).pem)
        lines.append(f"{ADDRESS}:{found[name]} inet n - n - - smtpd -o smtpd_tls_chain_files={file} {more}\n")
    (home / "etc" / "main.cf").write_text(MAIN.format(home=home, name=NAME))
    (home / "etc" / "master.cf").write_text(MASTER + "".join(lines))
    return found


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server((ADDRESS, 0)) for _ in range(count)]
    numbers = [listener.getsockname()[1] for listener in held]
    for listener in held:
        listener.close()
    return numbers


def look(port: int) -> ProbeFacts:
    (facts,) = SmtpProber(patience=Patience(step=15, total=30)).probe(f"{ADDRESS}:{port}", NAME)
    return facts


@pytest.mark.parametrize(
    ("name", "chain"), [(name, chain) for name, (chain, _) in PORTS.items() if name not in ("no-tls", "rejects")]
)
def test_the_chain_is_seen_as_postfix_sends_it(name: str, chain: str, ports: dict[str, int], world: World) -> None:
    facts = look(ports[name])
    assert (facts.outcome, facts.detail) == (ProbeOutcome.TLS, "")
    assert facts.chain == world.chain(chain).sent
    assert "ESMTP Postfix" in facts.banner
    assert "PIPELINING" in facts.extensions
    assert facts.offered_starttls
    expected = {"tls-1.2": "TLSv1.2", "tls-1.0": "TLSv1"}
    assert facts.protocol == expected.get(name, "TLSv1.3")


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("good", []),
        ("leaf-only", ["chain-incomplete"]),
        ("disordered", ["chain-disordered"]),
        ("root-sent", ["root-sent"]),
        ("expired", ["expired"]),
        ("self-signed", ["self-signed"]),
        ("tls-1.2", []),
        ("tls-1.0", ["tls-too-old"]),
        ("other-name", ["ehlo-name-differs"]),
        ("no-tls", ["starttls-not-offered"]),
        ("rejects", ["smtp-rejected"]),
    ],
)
def test_each_fault_is_one_finding(name: str, rules: list[str], ports: dict[str, int], world: World) -> None:
    expected = Expected(fqdn=NAME, names=(NAME,), ehlo_names=(NAME,))
    findings = judge_probe(look(ports[name]), expected, datetime.now(UTC), world.roots)
    assert [finding.rule for finding in findings] == rules
