"""The gates of a certificate: is this the right request, and then, is this what was asked for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tlsrunbook.certificates.chain import intermediates_of, leaf_for
from tlsrunbook.certificates.csr import Csr
from tlsrunbook.certificates.facts import CertificateFacts, certificate_facts, names_cover, normal_name
from tlsrunbook.certificates.trust import Trust, judge_trust
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.policy import certificate_rules
from tlsrunbook.policy.certificate_rules import certificate_findings, key_weakness, trust_findings
from tlsrunbook.policy.finding import Finding, Severity

#: Rule id -> what it sees, for the docs.
RULES: dict[str, str] = {
    "wrong-key": "No certificate in the reply holds the key of the request.",
    "several": "More than one certificate in the reply holds the key of the request; the newest is taken.",
    "old-file": "The reply is an earlier one: already installed, or older than the request.",
    **certificate_rules.RULES,
    "no-clientauth-mutual-tls": "A send connector uses mutual TLS, and the certificate has no clientAuth.",
    "csr-signature": "The request is not signed by its own key.",
    "csr-names": "The request does not ask for every wanted FQDN.",
    "csr-extra-names": "The request asks for names that are not wanted.",
    "csr-internal-names": "The request asks for a name that no public CA issues.",
    "csr-key-size": "The key has another size than the site file says.",
    "csr-weak-key": "No public CA signs a key as short as this, or of this kind.",
    "csr-subject": "The subject is not the one of the site file.",
}

#: Endings that do not exist on the Internet, so that no public CA issues them.
_INTERNAL_ENDINGS = frozenset(
    {"local", "localdomain", "lan", "internal", "intranet", "corp", "home", "private", "test"}
)


@dataclass(frozen=True)
class ReplyVerdict:
    """What was found in a reply.

    Args:
        leaf: DER of the certificate for the request's key; None when there is none.
        chain: DER of the intermediates to install, those nearest to the leaf first, without a root.
        findings: What the rules saw; a ``refuse`` among them means: do not import.
    """

    leaf: bytes | None
    chain: tuple[bytes, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Whether it must not be imported."""
        return any(finding.severity is Severity.REFUSE for finding in self.findings)


def judge_reply(
    certificates: Sequence[bytes],
    csr: Csr,
    names: Sequence[str],
    at: datetime,
    roots: Sequence[bytes],
    known: Sequence[bytes] = (),
    *,
    installed: frozenset[str] = frozenset(),
    requested: datetime | None = None,
) -> ReplyVerdict:
    """Judge a CA's reply.

    Args:
        certificates: DER, any order, as :func:`~tlsrunbook.certificates.reply.read_reply` gives them.
        csr: What was asked for.
        names: Wanted FQDNs; the first is the connector's.
        at: Now, with time zone.
        roots: DER of the trusted roots.
        known: DER of certificates known from elsewhere that may complete the chain.
        installed: Thumbprints that are on the server already.
        requested: When the request was made, if known; a certificate cannot be much older.
    """
    candidates = leaf_for(certificates, csr.spki_sha256)
    if not candidates:
        return ReplyVerdict(None, (), _no_leaf(certificates, names, installed, requested))
    leaf, facts = candidates[0], certificate_facts(candidates[0])
    trust = judge_trust(leaf, certificates, known, roots, at, names[0])
    findings = [
        *_several(candidates),
        *_old_file(facts, installed, requested),
        *certificate_findings(facts, names, at, hard=Severity.REFUSE),
        *_chain_findings(facts, trust, at),
    ]
    findings.extend(_silent_refusal(trust, findings))
    used = [der for der in trust.path if der in known]
    return ReplyVerdict(leaf, intermediates_of(leaf, (*certificates, *used)), tuple(findings))


def judge_csr(
    csr: Csr, names: Sequence[str], key_size: int, subject: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """Judge a request before it goes to the authority.

    Args:
        csr: The request.
        names: Wanted FQDNs; the first is the connector's.
        key_size: Bits the site file asks for.
        subject: Parts the subject must have, such as ``{"C": "DE", "O": "Example"}``; others are not looked at.
    """
    found: list[Finding] = []
    if not csr.signature_valid:
        message = "The request is not signed by its own key: it is damaged, or was altered on the way"
        found.append(Finding("csr-signature", Severity.REFUSE, message, "make a new request"))
    weakness = key_weakness(csr.key_kind, csr.key_size)
    if weakness:
        message = f"No public CA signs this request: {weakness}"
        found.append(Finding("csr-weak-key", Severity.REFUSE, message, "make a new request with 2048 or 4096 bits"))
    if csr.key_kind == "RSA" and csr.key_size != key_size:
        message = f"The request's key has {csr.key_size} bits, the site file says {key_size}"
        found.append(Finding("csr-key-size", Severity.REFUSE, message, "make a new request"))
    return (*found, *_csr_names(csr, names), *_csr_subject(csr, names[0], subject or {}))


def mutual_tls(leaf: CertificateFacts, state: ServerState) -> tuple[Finding, ...]:
    """Say which connectors of this server a certificate without clientAuth matters to.

    Args:
        leaf: The certificate that is about to be installed.
        state: The server it is for.
    """
    if not leaf.ekus or not {"clientAuth", "anyExtendedKeyUsage"}.isdisjoint(leaf.ekus):
        return ()
    sending = [connector.name for connector in state.send_connectors if connector.domain_secure_enabled]
    if not sending:
        return ()
    message = (
        f"{_names(sending)} of {state.name} shows this server's certificate to partners (mutual TLS, "
        "DomainSecureEnabled), and the certificate has no clientAuth: a partner that checks it may refuse the mail"
    )
    todo = "have each partner of TLSSendDomainSecureList prove that mail still arrives, or ask the CA for clientAuth"
    return (Finding("no-clientauth-mutual-tls", Severity.INFO, message, todo, f"server {state.name}"),)


def _names(connectors: Sequence[str]) -> str:
    return ("send connector " if len(connectors) == 1 else "send connectors ") + ", ".join(connectors)


def _no_leaf(
    certificates: Sequence[bytes], names: Sequence[str], installed: frozenset[str], requested: datetime | None
) -> tuple[Finding, ...]:
    """Say what is in a reply that is not for this request."""
    facts = [certificate_facts(der) for der in certificates]
    leaves = [one for one in facts if not one.is_ca] or facts
    what = "; ".join(f"{one.title} (thumbprint {one.thumbprint}, from {one.not_before:%Y-%m-%d})" for one in leaves[:5])
    message = f"No certificate in the reply is for this request's key. It holds: {what or 'none'}"
    todo = "find the CA's reply to this very request; a certificate for another key cannot be used on this server"
    found = [Finding("wrong-key", Severity.REFUSE, message, todo)]
    for one in leaves:
        if names_cover(one.names, names[0]):
            found.extend(_old_file(one, installed, requested, Severity.REFUSE))
    return tuple(found)


def _several(candidates: Sequence[bytes]) -> tuple[Finding, ...]:
    if len(candidates) == 1:
        return ()
    first, *others = [certificate_facts(der) for der in candidates]
    message = (
        f"{len(candidates)} certificates are for this request's key; the newest is taken, {first.thumbprint}, "
        f"not {', '.join(one.thumbprint for one in others)}"
    )
    return (Finding("several", Severity.WARNING, message, "see that the newest is the one that is meant"),)


def _old_file(
    facts: CertificateFacts,
    installed: frozenset[str],
    requested: datetime | None,
    severity: Severity = Severity.INFO,
) -> tuple[Finding, ...]:
    todo = "see that it is the reply to this request, and not the one of last time"
    if facts.thumbprint in installed:
        message = f"{facts.title}: the certificate {facts.thumbprint} is on this server already"
        return (Finding("old-file", severity, message, todo if severity is Severity.REFUSE else ""),)
    # CAs date certificates back by an hour or so.
    if requested is not None and (requested - facts.not_before).days >= 1:
        message = (
            f"{facts.title}: the certificate {facts.thumbprint} is from {facts.not_before:%Y-%m-%d}, "
            f"the request from {requested:%Y-%m-%d}"
        )
        return (Finding("old-file", max(severity, Severity.WARNING, key=_weight), message, todo),)
    return ()


def _weight(severity: Severity) -> int:
    return (Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.REFUSE).index(severity)


def _chain_findings(facts: CertificateFacts, trust: Trust, at: datetime) -> tuple[Finding, ...]:
    """Judge the path, unless the leaf's own signature already says why there is none."""
    if facts.self_signed or facts.signature_hash in certificate_rules.WEAK_HASHES:
        return ()
    return trust_findings(trust, at, hard=Severity.REFUSE, short_chain=Severity.WARNING)


def _silent_refusal(trust: Trust, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Catch what no rule explains: nothing the verifier refuses may pass silently."""
    if not trust.verifier or any(finding.severity is Severity.REFUSE for finding in findings):
        return ()
    message = f"The certificate is refused by a strict verifier: {trust.verifier}"
    return (Finding("verifier", Severity.REFUSE, message, "show this to the CA, and have it issued again"),)


def _csr_names(csr: Csr, names: Sequence[str]) -> tuple[Finding, ...]:
    found: list[Finding] = []
    wanted = tuple(map(normal_name, names))
    missing = [name for name in wanted if name not in csr.asked_names]
    if missing:
        message = (
            f"The request does not ask for {', '.join(missing)}; it asks for {', '.join(csr.asked_names) or 'none'}"
        )
        found.append(Finding("csr-names", Severity.REFUSE, message, "make a new request with every name"))
    extra = [name for name in csr.asked_names if name not in wanted]
    if extra:
        message = f"The request also asks for {', '.join(extra)}, which the site file does not name"
        found.append(Finding("csr-extra-names", Severity.WARNING, message, "make a new request without them"))
    internal = [name for name in csr.asked_names if name.rsplit(".", 1)[-1] in _INTERNAL_ENDINGS or "." not in name]
    if internal:
        message = f"The request asks for {', '.join(internal)}, which no public CA issues"
        found.append(Finding("csr-internal-names", Severity.WARNING, message, "ask for names of the Internet only"))
    return tuple(found)


def _csr_subject(csr: Csr, fqdn: str, subject: Mapping[str, str]) -> tuple[Finding, ...]:
    has = dict(csr.attributes)
    wrong = [
        f"{part} is “{has.get(part, '')}”, not “{value}”" for part, value in subject.items() if has.get(part) != value
    ]
    if csr.common_name and normal_name(csr.common_name) != normal_name(fqdn) and "CN" not in subject:
        wrong.append(f"CN is “{csr.common_name}”, not “{fqdn}”")
    if not csr.common_name and "CN" not in subject:
        wrong.append(f"there is no CN; it shall be “{fqdn}”")
    if not wrong:
        return ()
    message = f"The request's subject is not the one of the site file: {'; '.join(wrong)}"
    return (Finding("csr-subject", Severity.REFUSE, message, "make a new request"),)
