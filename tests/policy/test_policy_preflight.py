import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from policy_states import INTERNAL, PUBLIC, certificate, csr, edge, issued, mailbox, private_key

from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.exchange.decode import thumbprint_of
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.policy.finding import Severity
from tlsrunbook.policy.preflight import NOT_JUDGED, RULES, preflight, preflight_all
from tlsrunbook.secret import Secret

CASES = tomllib.loads((Path(__file__).parent / "cases" / "preflight.toml").read_text("utf-8"))["case"]
FACTS = Path(__file__).parents[2].parent / "shared" / "facts" / "cmdlets.json"
OWN = {
    "cert-keysize",
    "edge-no-transportrole",
    "rc-tlscertname-missing",
    "rc-unknown",
    "rc-usage",
    "sc-unknown",
}
NAME = "<I>CN=Example CA<S>CN=mail.example.com"


def value_of(raw: Any) -> Any:
    if raw == "$null":
        return None
    if isinstance(raw, str):
        return raw.replace("$public", PUBLIC).replace("$internal", INTERNAL)
    return tuple(raw) if isinstance(raw, list) else raw


def changed(part: Any, changes: dict[str, Any]) -> Any:
    flags = {key for key, value in vars(part).items() if isinstance(value, frozenset)}
    read = {key: frozenset(raw) if key in flags and raw != "$null" else value_of(raw) for key, raw in changes.items()}
    return replace(part, **read)


def state_of(case: dict[str, Any]) -> ServerState:
    state = edge() if case.get("server") == "edge" else mailbox()
    first, *others = state.certificates
    return replace(
        state,
        **case.get("state", {}),
        receive_connectors=(changed(state.receive_connectors[0], case.get("receive", {})),),
        send_connectors=(changed(state.send_connectors[0], case.get("send", {})),),
        certificates=(changed(first, case.get("certificate", {})), *others),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_command_is_refused_by_exactly_these_rules(case: dict) -> None:
    parameters = tuple((name, value_of(raw)) for name, raw in case.get("parameters", {}).items())
    findings = preflight((Command(case["command"], parameters),), state_of(case))
    assert [finding.rule for finding in findings] == case.get("refused", [])
    assert case.get("says", "") in " / ".join(finding.message for finding in findings)
    for finding in findings:
        assert finding.severity is Severity.REFUSE
        assert finding.todo
        assert finding.target


def test_every_rule_refuses_in_some_case_and_lets_its_cmdlet_pass_in_another() -> None:
    refused = {rule for case in CASES for rule in case.get("refused", [])}
    passing = {case["command"] for case in CASES if not case.get("refused")}
    assert refused | {"cert-import-no-key"} == set(RULES)  # that one has tests of its own, below
    assert {case["command"] for case in CASES} - passing <= {"Get-ExchangeCertificate", "Remove-SendConnector"}


@pytest.mark.skipif(not FACTS.exists(), reason="the facts are not beside this checkout")
def test_every_rule_of_exchange_is_judged_or_said_not_to_be() -> None:
    facts = {rule["id"] for rule in json.loads(FACTS.read_text("utf-8"))["rules"]}
    assert set(RULES) - OWN | set(NOT_JUDGED) == facts
    assert not set(RULES) & set(NOT_JUDGED)


def test_each_rule_has_one_id_and_a_whole_sentence() -> None:
    assert all(sentence.endswith(".") and sentence[0].isupper() for sentence in [*RULES.values(), *NOT_JUDGED.values()])


def test_what_is_known_later_is_not_judged() -> None:
    later = Later("TLS certificate name of the certificate to be issued")
    for command in (
        Command.of("Set-ReceiveConnector", Identity="Default Frontend MBX1", TlsCertificateName=later),
        Command.of("Set-SendConnector", Identity="To Internet", TlsCertificateName=later),
        Command.of("Enable-ExchangeCertificate", Thumbprint=later, Services="SMTP"),
        Command.of("Import-ExchangeCertificate", FileData=later),
    ):
        assert preflight((command,), mailbox()) == ()


def waiting(request_key: int) -> ServerState:
    """The Mailbox server with a pending request for a key."""
    pending = replace(
        certificate("C" * 40, "CN=mail.example.com", "CN=mail.example.com", request=csr(private_key(request_key))),
        status="PendingRequest",
    )
    held = tuple(
        replace(c, raw=issued(private_key(5 + number)).public_bytes(Encoding.DER))
        for number, c in enumerate(mailbox().certificates)
    )
    return replace(mailbox(), certificates=(*held, pending))


def answer(key: int, shape: str) -> bytes:
    chain = [issued(private_key(9), "Example CA"), issued(private_key(key))]
    if shape == "der":
        return chain[1].public_bytes(Encoding.DER)
    if shape == "pem":
        return b"\n".join(c.public_bytes(Encoding.PEM) for c in chain)
    return pkcs7.serialize_certificates(chain, Encoding.PEM if shape == "p7b-pem" else Encoding.DER)


@pytest.mark.parametrize("shape", ["der", "pem", "p7b", "p7b-pem"])
def test_an_answer_is_imported_where_its_key_is_and_nowhere_else(shape: str) -> None:
    command = Command.of("Import-ExchangeCertificate", FileData=answer(0, shape))
    assert preflight((command,), waiting(request_key=0)) == ()
    (finding,) = preflight((command,), waiting(request_key=1))
    assert finding.rule == "cert-import-no-key"
    assert "MBX1 holds no private key for any certificate in the file" in finding.message


def test_on_2007_the_same_is_said_before_the_file_is_put_there() -> None:
    command = Command.of("Set-ServerFile", Path="C:\\x\\tlsrunbook-0123456789abcdef.cer", Data=answer(0, "der"))
    assert preflight((command,), waiting(request_key=0)) == ()
    (finding,) = preflight((command,), waiting(request_key=1))
    assert finding.rule == "cert-import-no-key"


def test_an_import_is_not_judged_where_nobody_can_tell() -> None:
    pfx = Command.of("Import-ExchangeCertificate", FileData=answer(0, "der"), Password=Secret("x"))
    assert preflight((pfx,), waiting(request_key=1)) == ()
    untold = Command.of("Import-ExchangeCertificate", FileData=answer(0, "der"))
    assert preflight((untold,), mailbox()) == ()  # its certificates came without their bytes
    other = Command.of("Import-ExchangeCertificate", FileData=b"not a certificate")
    assert preflight((other,), waiting(request_key=1)) == ()


def test_both_commands_of_a_pipeline_are_judged() -> None:
    pipeline = (
        Command.of("Import-ExchangeCertificate", FileData=answer(0, "der"), FriendlyName="x" * 64),
        Command.of("Enable-ExchangeCertificate", Services="SMTP", Force=True),
    )
    state = waiting(request_key=0)
    state = replace(state, receive_connectors=(replace(state.receive_connectors[0], fqdn="a_b.example"),))
    assert [finding.rule for finding in preflight(pipeline, state)] == ["cert-friendlyname", "rc-fqdn-chars"]


def test_a_sequence_is_judged_on_what_each_part_leaves() -> None:
    thumbprint = thumbprint_of(data := answer(0, "der"))
    sequence = [
        (Command.of("Import-ExchangeCertificate", FileData=data),),
        (Command.of("Enable-ExchangeCertificate", Thumbprint=thumbprint, Services="SMTP", Force=True),),
        (Command.of("Remove-ExchangeCertificate", Thumbprint=thumbprint, Confirm=False),),
    ]
    # It is there once it is imported; and then it is the default SMTP certificate until another is put back.
    assert [f.rule for f in preflight(sequence[1], waiting(0))] == ["cert-enable-privatekey"]
    assert [f.rule for f in preflight_all(sequence, waiting(0))] == ["cert-remove-internal"]
    put_back = (Command.of("Enable-ExchangeCertificate", Thumbprint=INTERNAL, Services="SMTP", Force=True),)
    assert preflight_all([*sequence[:2], put_back, sequence[2]], waiting(0)) == ()


def test_clearing_the_name_lets_the_certificate_go_and_a_new_connector_can_be_changed() -> None:
    state = mailbox()
    named = replace(state, send_connectors=(replace(state.send_connectors[0], tls_certificate_name=NAME),))
    remove = (Command.of("Remove-ExchangeCertificate", Thumbprint=PUBLIC, Confirm=False),)
    clear = (Command.of("Set-SendConnector", Identity="To Internet", TlsCertificateName=None),)
    assert [f.rule for f in preflight_all([remove], named)] == ["cert-remove-tagged"]
    assert preflight_all([clear, remove], named) == ()
    make = (Command.of("New-SendConnector", Name="B", AddressSpaces=("b.example",)),)
    alter = (Command.of("Set-SendConnector", Identity="B", RequireTLS=True),)
    gone = (Command.of("Remove-SendConnector", Identity="B", Confirm=False),)
    assert preflight_all([make, alter, gone], state) == ()
    assert [f.rule for f in preflight_all([make, gone, alter], state)] == ["sc-unknown"]


def test_a_piped_import_and_enable_leaves_the_new_certificate_as_the_default() -> None:
    data = answer(0, "p7b")
    pipeline = (
        Command.of("Import-ExchangeCertificate", FileData=data),
        Command.of("Enable-ExchangeCertificate", Services="SMTP", Force=True),
    )
    remove_old = (Command.of("Remove-ExchangeCertificate", Thumbprint=INTERNAL, Confirm=False),)
    assert [f.rule for f in preflight_all([remove_old], waiting(0))] == ["cert-remove-internal"]
    assert preflight_all([pipeline, remove_old], waiting(0)) == ()
