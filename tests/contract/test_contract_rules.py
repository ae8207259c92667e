"""Every rule of the facts, on both sides: preflight refuses before anything is sent, and the simulated Exchange refuses
(or does what Exchange does instead)."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from exchange_world import World, error, ok, one, run
from lab_shell import seen_on

from tlsrunbook.exchange.command import Command
from tlsrunbook.lab.exchange.edge_sync import subscribe
from tlsrunbook.lab.exchange.stores import thumbprint_of
from tlsrunbook.lab.exchange.world import LabServer
from tlsrunbook.policy.finding import Severity
from tlsrunbook.policy.preflight import NOT_JUDGED, preflight

CASES: dict[str, dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "cases" / "exchange_rules.toml").read_text(encoding="utf-8")
)
FACTS = Path(__file__).parents[2].parent / "shared" / "facts" / "cmdlets.json"


class Stage:
    """A server of the lab, prepared for one rule."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.world = World("SE", *case.get("faults", ()))
        where = case.get("on", "mailbox")
        self.server: LabServer = self.world.mailbox if where == "mailbox" else self.world.edge
        self.public = self.world.installed(self.server)
        name = self.server.stores.my[self.public].tls_certificate_name
        self.stranger = self.world.ca.issue(self.world.keys(2048).public_key())
        self._values = {
            "$null": None,
            "$public": self.public,
            "$internal": self.server.internal_thumbprint,
            "$name": name,
            "$keyless": thumbprint_of(self.stranger),
            "$stranger": self.stranger.public_bytes(Encoding.DER),
        }
        if "$keyless" in case["parameters"].values():
            self.server.install(self.stranger, None)
        for cmdlet, parameters in case.get("before", ()):
            ok(self.server, cmdlet, **self.filled(parameters))
        if where == "subscribed edge":
            subscribe(self.world.organization, self.world.edge, self.world.now)
            self.world.edge.directory.subscribed = True  # type: ignore[attr-defined]
        self.parameters = self.filled(case["parameters"])

    def filled(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return {
            key: self._values.get(value, value) if isinstance(value, str) else value
            for key, value in parameters.items()
        }


def command_of(case: dict[str, Any], parameters: dict[str, Any]) -> Command:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in parameters.items()}
    return Command(case["cmdlet"], tuple(values.items()))


@pytest.mark.parametrize("rule", CASES)
def test_preflight_refuses_by_the_rules_name_or_says_why_it_cannot_judge(rule: str) -> None:
    case = CASES[rule]
    stage = Stage(case)
    findings = preflight((command_of(case, stage.parameters),), seen_on(stage.server).state)
    found = {finding.rule for finding in findings}
    if case.get("judged", True):
        assert rule in found
        assert all(finding.severity is Severity.REFUSE and finding.todo for finding in findings)
    else:
        assert rule not in found
        assert NOT_JUDGED[rule]


@pytest.mark.parametrize("rule", [rule for rule in CASES if "models" not in CASES[rule]])
def test_the_simulated_exchange_refuses_it_and_changes_nothing(rule: str) -> None:
    case = CASES[rule]
    stage = Stage(case)
    assert case["says"] in error(stage.server, case["cmdlet"], **stage.parameters)["message"]


def staged(rule: str) -> tuple[dict[str, Any], Stage]:
    return CASES[rule], Stage(CASES[rule])


def test_an_ignored_tls_domain_is_taken() -> None:
    case, stage = staged("sc-tlsdomain-only")
    ok(stage.server, case["cmdlet"], **stage.parameters)
    shown = one(stage.server, "Get-SendConnector", ("TlsDomain", "TlsAuthLevel"), Identity="a")
    assert shown == {"TlsDomain": "a.example", "TlsAuthLevel": "EncryptionOnly"}


def test_an_import_without_a_key_is_swallowed() -> None:
    case, stage = staged("cert-import-no-key")
    ok(stage.server, case["cmdlet"], **stage.parameters)
    thumbprint = thumbprint_of(stage.stranger)
    listed = ok(stage.server, "Get-ExchangeCertificate", ("Thumbprint",))
    assert thumbprint not in {entry["Thumbprint"] for entry in listed}
    said = error(stage.server, "Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True)
    assert "PrivateKeyMissing" in said["message"]


def test_a_name_that_leads_nowhere_is_taken() -> None:
    case, stage = staged("sc-tlscertname-missing")
    ok(stage.server, case["cmdlet"], **stage.parameters)
    name = stage.parameters["TlsCertificateName"]
    ok(stage.server, "Set-ReceiveConnector", Identity="MBX1\\Default Frontend MBX1", TlsCertificateName=name)
    assert stage.server.inbound(25).events == ("12014",)


def test_the_newest_of_a_name_is_shown_without_smtp() -> None:
    case, stage = staged("rc-tlscertname-selection")
    ok(stage.server, case["cmdlet"], **stage.parameters)
    shown = stage.server.inbound(25)
    assert shown.certificate is not None
    assert (thumbprint_of(shown.certificate), shown.usable) == (stage.public, False)


def test_an_empty_identity_lists_everything() -> None:
    case, stage = staged("cert-get-null-identity")
    assert len(ok(stage.server, case["cmdlet"], ("Name",), **stage.parameters)) == 2
    every = run(stage.server, "Get-ExchangeCertificate", ("Thumbprint",), Thumbprint=None)["objects"]
    assert len(every) == 2


def test_every_model_named_here_is_a_test() -> None:
    named = {case["models"] for case in CASES.values() if "models" in case}
    assert {f"test_{name}" for name in named} <= set(globals())


@pytest.mark.skipif(not FACTS.exists(), reason="the facts are not beside this checkout")
def test_the_cases_are_all_the_rules_of_the_facts() -> None:
    assert list(CASES) == [rule["id"] for rule in json.loads(FACTS.read_text("utf-8"))["rules"]]
