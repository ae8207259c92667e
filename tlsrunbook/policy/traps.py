"""The traps of Exchange: what it does, what this package does about it, and the test that shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trap:
    """One trap.

    Args:
        name: A few words.
        exchange: What Exchange does.
        here: What tlsrunbook does.
        test: ``tests/...py::test_name``; it fails when the guard is taken out.
        fault: The lab's fault to rehearse it with, as ``lab --fault`` takes it; empty when a plain lab shows it.
    """

    name: str
    exchange: str
    here: str
    test: str
    fault: str = ""


_TRAPS = "tests/contract/test_contract_traps.py"
_RENEWALS = "tests/contract/test_contract_renewals.py"
_RETIRE = "tests/contract/test_contract_retire.py"
_SIX = "tests/contract/test_contract_six_steps.py"
_RULES = "tests/contract/test_contract_rules.py"
_EDGE = "tests/contract/test_contract_subscribed_edge.py"
_INTERNET = "tests/contract/test_contract_internet_connector.py"
_SHARED = "tests/contract/test_contract_shared_key.py"
_PAIRS = "tests/faults/test_faults_edge_and_shared.py"

TRAPS: tuple[Trap, ...] = (
    Trap(
        "The default SMTP certificate is overwritten",
        "`Enable-ExchangeCertificate -Services SMTP -Force` also makes the certificate the default SMTP certificate.",
        "`activate` reads the default, enables the new one, enables the old one again, and reads once more.",
        f"{_SIX}::test_the_default_smtp_certificate_is_kept_by_both_readings",
    ),
    Trap(
        "The default cannot be put back",
        "A default that is empty, missing or without its key cannot be enabled again.",
        "`activate` refuses before anything is sent.",
        f"{_TRAPS}::test_a_default_certificate_that_is_missing_is_refused_before_anything_is_enabled",
        "default-missing",
    ),
    Trap(
        "The put-back has no effect",
        "The second call answers without an error, and the default is still the new one.",
        "`activate` fails by its second reading; the next run puts it back.",
        f"{_TRAPS}::test_a_put_back_that_does_nothing_is_seen_by_the_second_reading",
        "put-back-ignored",
    ),
    Trap(
        "Replacing the default on a subscribed Edge",
        "The Edge Subscription trusts exactly the old default; mail from the Edge stops.",
        '`default_smtp_certificate = "replace"` is refused on a server with an Edge Subscription.',
        "tests/steps/test_steps_decide_activate.py::test_enabling_that_would_lose_the_default_is_refused",
    ),
    Trap(
        "A renewal of the same issuer and subject goes live at once",
        "A connector's `TlsCertificateName` finds the newest, with SMTP or without; TLS fails until SMTP is on.",
        "Import and enable travel as one pipeline.",
        f"{_SIX}::test_a_renewal_of_the_same_issuer_and_subject_is_one_pipeline",
    ),
    Trap(
        "That pipeline breaks in the middle",
        "The certificate is in the store, and SMTP or the old default may be missing.",
        "The record says failed or unknown; the next run looks and does what is left.",
        f"{_RENEWALS}::test_a_renewal_that_breaks_in_the_middle_of_its_pipeline_is_finished_by_the_next_run",
        "gone-after-run:Import-ExchangeCertificate",
    ),
    Trap(
        "The old twin cannot be removed",
        "While a send connector names issuer and subject, neither the old nor the new certificate can be removed.",
        "`retire` refuses, and shows Microsoft's order of commands; it does not do it by itself.",
        f"{_RETIRE}::test_a_twin_that_send_connectors_name_stays_with_the_order_to_go_by",
    ),
    Trap(
        "The CA has changed its intermediate",
        "`TlsCertificateName` names the old issuer: event 12014, no STARTTLS; sent mail queues (454 4.7.5).",
        "`activate` and `connectors` find every connector by what it names, and set its name alone.",
        f"{_RENEWALS}::test_a_changed_intermediate_takes_every_connector_along_whatever_it_is_called",
        "ca-new-intermediate",
    ),
    Trap(
        "The name is stale and the certificate gone",
        "No certificate bears the name any more, so no list of certificates leads to the connector.",
        "The name's subject tells whose it was, or an earlier record does; `verify` finds what was left behind.",
        f"{_RENEWALS}::test_names_whose_certificate_is_gone_are_found_by_their_subject",
        "name-stale",
    ),
    Trap(
        "A reply without its private key",
        "It imports without an error, is not listed, and cannot be enabled (PrivateKeyMissing).",
        "`install` compares the reply's key with the request's before anything is sent.",
        "tests/faults/test_faults_records.py::test_a_bad_reply_of_the_ca_is_blocked_before_anything_is_sent",
        "ca-wrong-key",
    ),
    Trap(
        "An underscore in a receive connector's Fqdn",
        "Enabling SMTP fails with 0xe0434352, whichever connector it is.",
        "`confirm` names the connector and refuses.",
        f"{_TRAPS}::test_an_underscore_in_any_connectors_fqdn_is_found_in_confirm",
        "fqdn-underscore",
    ),
    Trap(
        "ExchangeServer authentication fixes the Fqdn",
        "Such a connector may answer with the server's own name only.",
        "Its Fqdn is never altered; its TLS certificate name is used (2013 and later).",
        f"{_TRAPS}::test_exchange_server_authentication_leaves_the_fqdn_as_it_is",
    ),
    Trap(
        "The fixed Fqdn on 2007 and 2010",
        "There a connector names its certificate by its Fqdn alone, and the default connector's is fixed.",
        "`confirm` refuses and shows the command; with `internet_connector`, `activate` makes a separate one.",
        f"{_INTERNET}::test_without_it_confirm_refuses_and_proposes_the_exact_command",
    ),
    Trap(
        "One certificate for SMTP on 2007",
        "Enabling SMTP takes it from the default SMTP certificate; putting that one back takes it from the new one.",
        "`confirm` and `activate` refuse to keep the default; `replace` goes on, and says who is left without TLS.",
        "tests/contract/test_contract_2007.py::test_keeping_the_default_certificate_is_refused_at_the_first_step",
    ),
    Trap(
        "An empty identity means everything",
        "`Get-*` with an empty or unknown identity lists every object.",
        "The builders cannot make that call, and preflight refuses it.",
        "tests/exchange/test_exchange_cmdlets.py::test_an_empty_identity_cannot_be_sent",
    ),
    Trap(
        "A certificate arrives as raw data alone",
        "Without Exchange's types, PowerShell carries `RawData` and nothing of services or status.",
        "It is rebuilt from its bytes; what they cannot tell is unknown, and no step changes anything on it.",
        f"{_TRAPS}::test_raw_data_alone_is_unknown_and_no_step_assumes_anything",
        "certificates-raw-only",
    ),
    Trap(
        "Parameters that exclude each other, and limits",
        "Exchange refuses, often in words that do not say which rule.",
        "Preflight refuses by the rule's name; the lab refuses too.",
        f"{_RULES}::test_preflight_refuses_by_the_rules_name_or_says_why_it_cannot_judge",
    ),
    Trap(
        "The key's rights cannot be changed",
        "Enabling fails: Insufficient rights to grant Network Service access.",
        "The step fails in Exchange's own words, and nothing more is sent.",
        f"{_TRAPS}::test_a_key_whose_rights_cannot_be_changed_fails_in_exchanges_words",
        "key-acl-locked",
    ),
    Trap(
        "A more specific address space wins whatever its cost",
        "Another connector that names a partner's domain takes its mail past the wanted TLS.",
        "`connectors` shows for each domain the connector it takes, before and after, and refuses.",
        f"{_TRAPS}::test_the_most_specific_space_wins_across_all_connectors",
        "foreign-route",
    ),
    Trap(
        "A matching certificate without SMTP",
        "By `TlsCertificateName` it is taken all the same, and the handshake fails.",
        "`verify` explains the choice candidate by candidate, beside what the wire shows.",
        f"{_RENEWALS}::test_a_newer_twin_without_smtp_is_seen_on_the_wire_and_explained",
        "newer-twin",
    ),
    Trap(
        "The wire shows another certificate than the rules",
        "A service that was not restarted, another connector, or a device in between answers.",
        "`verify` works out what should be shown, and names the difference.",
        f"{_TRAPS}::test_a_wire_that_shows_another_certificate_than_the_rules_is_the_finding",
        "smtp-old-certificate",
    ),
    Trap(
        "An expired or self-signed certificate is picked",
        "Exchange offers STARTTLS with it (event 12016, or no valid one of a CA).",
        "`verify` names the pick and why it was taken.",
        "tests/policy/test_policy_choice.py::test_each_odd_pick_is_named",
    ),
    Trap(
        "An old certificate is removed too early",
        "Removing one that is still used stops TLS, IIS or mail.",
        "`retire` removes by thumbprint, only what nothing uses and whose successor was verified on the wire.",
        f"{_RETIRE}::test_before_verify_nothing_is_retired",
    ),
    Trap(
        "Send connectors of a subscribed Edge",
        "They cannot be altered there; they are made inside, with a certificate name that only the Edge spells.",
        "The site file's `send_through` names the Mailbox server that makes them, from the Edge's own record.",
        f"{_EDGE}::test_the_connectors_have_the_edge_as_source_and_its_own_spelling_of_the_certificate",
    ),
    Trap(
        "EdgeSync says that it is done",
        "The Edge has its copy some time after `Start-EdgeSynchronization` has answered, or never.",
        "`connectors` waits for the copy with a deadline, and `verify` reads it on the Edge.",
        f"{_PAIRS}::test_an_edgesync_that_never_ends_fails_at_the_deadline_and_is_started_again",
        "edgesync-stuck",
    ),
    Trap(
        "A default replaced half-way breaks EdgeSync",
        "An activation that was cut off leaves another default certificate, and the subscription does not trust it.",
        "`connectors` is blocked with what EdgeSync says; `activate` in the same change puts the default back.",
        f"{_PAIRS}::test_an_interrupted_activation_breaks_edgesync_which_says_so_until_it_is_put_back",
        "gone-after-run:Enable-ExchangeCertificate@EDGE1",
    ),
    Trap(
        "A key that cannot leave its server",
        "Whether a key may be exported is settled when it is requested.",
        "`install` with `share_from` asks first, and refuses before anything is sent.",
        f"{_SHARED}::test_a_key_that_was_requested_as_not_exportable_is_refused_before_anything_is_sent",
    ),
)


def trap_table() -> str:
    """Give all traps as a Markdown table."""
    rows = ["| trap | what Exchange does | what tlsrunbook does | test |", "|---|---|---|---|"]
    for trap in TRAPS:
        fault = f" Rehearse it: `lab --fault {trap.fault}`." if trap.fault else ""
        rows.append(f"| {trap.name} | {trap.exchange} | {trap.here}{fault} | `{trap.test}` |")
    return "\n".join(rows)
