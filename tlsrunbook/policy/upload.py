"""A file somebody gives as the CA's answer: what it is and what is wrong with it, before it goes anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tlsrunbook.certificates.csr import Csr
from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.certificates.reply import holds_private_key, read_reply
from tlsrunbook.errors import BadCertificateFile
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.reply import judge_reply
from tlsrunbook.policy.reply_contents import chain_text, order_of, reply_rows

#: What the folder of an authority takes; a real reply has a few KiB.
MAX_BYTES = 1024 * 1024

_KEY = "send it nowhere, and delete it: the private key of an Exchange request never leaves its server"
_REVOKE = "; if the key is in use anywhere, have its certificate revoked"


@dataclass(frozen=True)
class Wanted:
    """What the answer should be.

    Args:
        csr: This server's request in this change.
        names: Wanted FQDNs, the connector's first.
        at: Now, with time zone.
        roots: DER of the trusted roots; give the same objects each time.
        known: DER of certificates that are known from elsewhere, such as the server's intermediate store.
        installed: Thumbprints that are on the server already.
        requested: When the request was made, if known.
        whose: Key of other known requests -> whose it is.
    """

    csr: Csr
    names: tuple[str, ...]
    at: datetime
    roots: Sequence[bytes]
    known: Sequence[bytes] = ()
    installed: frozenset[str] = frozenset()
    requested: datetime | None = None
    whose: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inspection:
    """What a file is.

    Args:
        certificates: DER of what may be handed on as the authority's answer; empty when it is refused.
        message: One sentence for people: what it is, or why it is refused.
        todo: What to do; empty when nothing.
        facts: ``order`` and ``chain``, in words; empty when there is no certificate in it.
        rows: One per certificate, as of :func:`~tlsrunbook.policy.reply_contents.reply_rows`.
        findings: What the rules saw, refusals first.
    """

    certificates: tuple[bytes, ...]
    message: str
    todo: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[Mapping[str, str]] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether it may be handed on as the authority's answer."""
        return bool(self.certificates)


def inspect_upload(files: Sequence[tuple[str, bytes]], wanted: Wanted) -> Inspection:
    """Look at files, together one answer; nothing of a private key in them comes into the result.

    Args:
        files: Name and content of each, as they were given; at least one.
        wanted: What it should be.
    """
    ders: list[bytes] = []
    for name, data in files:
        refused, found = _read(data)
        if refused:
            return replace(refused, message=f"{name}: {refused.message}")
        ders += found
    return _judged(tuple(dict.fromkeys(ders)), wanted)


def _read(data: bytes) -> tuple[Inspection | None, tuple[bytes, ...]]:
    """Give the certificates of one file, or why it is refused."""
    if len(data) > MAX_BYTES:
        return Inspection((), "it is larger than 1 MiB, which no CA's answer is", "give the CA's file alone"), ()
    key = holds_private_key(data)
    try:
        ders = read_reply(data)
    except BadCertificateFile as error:
        what = error.what[:1].lower() + error.what[1:]
        return Inspection((), f"{what}; nothing of it was kept", _KEY + _REVOKE if key else error.todo), ()
    if key:
        what = "a private key is in it, beside the certificate; nothing of it was kept"
        return Inspection((), what, f"{_KEY}{_REVOKE}. Then give the certificate alone"), ()
    return None, ders


def _judged(ders: tuple[bytes, ...], wanted: Wanted) -> Inspection:
    spki = wanted.csr.spki_sha256
    verdict = judge_reply(
        ders,
        wanted.csr,
        wanted.names,
        wanted.at,
        wanted.roots,
        known=wanted.known,
        installed=wanted.installed,
        requested=wanted.requested,
    )
    facts = {"order": order_of(ders, spki)}
    chain = chain_text(ders, spki, wanted.known, wanted.roots, wanted.at, wanted.names[0])
    if chain:
        facts["chain"] = chain
    rows = reply_rows(ders, spki, wanted.whose)
    order = (Severity.REFUSE, Severity.ERROR, Severity.WARNING, Severity.INFO)
    findings = tuple(sorted(map(_left_to_install, verdict.findings), key=lambda one: order.index(one.severity)))
    refusal = next((finding for finding in findings if finding.severity is Severity.REFUSE), None)
    if refusal or verdict.leaf is None:
        told = (refusal.message, refusal.todo) if refusal else (facts["order"], "")
        message, todo = _elsewhere(ders, wanted) or told
        return Inspection((), message, todo, facts, rows, findings)
    leaf = certificate_facts(verdict.leaf)
    message = (
        f"It is the certificate for this request: {', '.join(leaf.names)}, valid {leaf.not_before:%Y-%m-%d} to "
        f"{leaf.not_after:%Y-%m-%d}, thumbprint {leaf.thumbprint}"
    )
    return Inspection(ders, message, "", facts, rows, findings)


def _left_to_install(finding: Finding) -> Finding:
    """Let the step install decide on a missing intermediate: it alone sees what is in the server's own store."""
    if finding.rule != "chain-incomplete" or finding.severity is not Severity.REFUSE:
        return finding
    todo = "give the intermediate together with the certificate, unless the server has it in its store already"
    return replace(finding, severity=Severity.WARNING, todo=todo)


def _elsewhere(ders: Sequence[bytes], wanted: Wanted) -> tuple[str, str] | None:
    """Say whose answer it is, when another request of the site has its key."""
    keys = {certificate_facts(der).spki_sha256 for der in ders}
    if wanted.csr.spki_sha256 in keys:
        return None
    owner = next((whose for key, whose in wanted.whose.items() if key in keys), None)
    if owner is None:
        return None
    return f"It is the answer to another request: that of {owner}", f"give it on the card of {owner}"
