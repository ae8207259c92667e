"""Looks up, in the files of a change, whether what a step is about to do was approved. Public keys only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.errors import BadCertificateFile, EvidenceError, UsageError
from tlsrunbook.evidence.approval import Approval, Terms, plan_refusal, read_approval, refusal, signer_of
from tlsrunbook.evidence.change_plan import ChangePlan, PlannedStep, read_plan
from tlsrunbook.evidence.data import readable_json, utc_text
from tlsrunbook.evidence.dsse import PublicKey, public_key_from_pem
from tlsrunbook.evidence.layout import APPROVAL, CHANGE_PLAN, OPERATOR, TRANSCRIPT
from tlsrunbook.evidence.record import plan_data
from tlsrunbook.plan.approved import differences
from tlsrunbook.plan.later import Known
from tlsrunbook.plan.model import Plan
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.ports import Clock, EvidenceStore
from tlsrunbook.site import Policy, Site
from tlsrunbook.steps.model import Verdict

#: The step that makes requests, and the file it keeps the CSR in.
_REQUEST, CSR_FILE = "request", "request.csr"
#: What makes a request on the server.
_MAKES = b'"New-ExchangeCertificate"'


def approver_keys(policy: Policy) -> tuple[PublicKey, ...]:
    """Read the public keys that the site file lists.

    Raises:
        UsageError: A file is missing, or holds no public key on P-256.
    """
    return tuple(_public_key(entry, number) for number, entry in enumerate(policy.approvers))


def _public_key(entry: Path | str, number: int) -> PublicKey:
    where = f"policy.approvers[{number}]"
    todo = "put the approver's public key there: tlsrunbook approve --public-key prints it"
    where += f" = {entry}" if isinstance(entry, Path) else ""
    try:
        return public_key_from_pem(entry.encode("ascii") if isinstance(entry, str) else entry.read_bytes())
    except OSError as error:
        what = f"the approver's public key cannot be read: {error.strerror or error}"
        raise UsageError(what, where=where, todo=todo) from error
    except EvidenceError as error:
        raise UsageError(error.what, where=where, todo=todo) from error


def terms_of(site: Site, store: EvidenceStore, change: str) -> Terms:
    """Give what the site file asks of an approval of this change.

    Raises:
        UsageError: A listed key cannot be read.
    """
    return Terms(
        site=site.name,
        change=change,
        approvers=approver_keys(site.policy),
        separate=site.policy.separate_approver,
        operators=frozenset(path.stem for path in store.filed(change, OPERATOR)),
        valid_for=site.policy.approval_lasts,
    )


@dataclass(frozen=True)
class FiledApprovals:
    """The approvals of one change, for one server: see :class:`tlsrunbook.steps.model.Approvals`."""

    store: EvidenceStore
    change: str
    site: Site
    server: str
    clock: Clock

    def judge(self, step: str, plan: Plan, known: Known) -> Verdict:
        """Say whether this plan of this step may be applied; the newest approval that counts for the step decides."""
        try:
            terms = terms_of(self.site, self.store, self.change)
        except UsageError as error:
            return _refused([f"{error.where}: {error.what}"], error.todo)
        if not terms.approvers:
            todo = "put the approver's public key into policy.approvers: tlsrunbook approve --public-key prints it"
            return _refused(["the site file lists no approvers"], todo)
        reasons = []
        for path in reversed(self.store.filed(self.change, APPROVAL)):
            found = counted(path, self.store, terms, self.clock.now())
            one = found if isinstance(found, str) else found[1].step(self.server, step)
            if isinstance(one, PlannedStep) and not isinstance(found, str):
                return self._compared(*found, one, plan, known)
            reason = one if isinstance(one, str) else f"its plan has no step {step} for {self.server}"
            reasons.append(f"approvals/{path.name}: {reason}")
        todo = f"plan it (tlsrunbook run SITE --plan --change {self.change}), then tlsrunbook approve {self.change}"
        return _refused(reasons or [f"the change {self.change} has no approval"], todo)

    def _compared(
        self, approval: Approval, approved: ChangePlan, one: PlannedStep, plan: Plan, known: Known
    ) -> Verdict:
        keys = self._own_requests() | {approved.requests.get(self.server, "")} - {""}
        found = differences(one.plan, plan_data(plan), known, keys)
        todo = (
            f"find out who changed it; to apply it as it is now: run SITE --plan --change {self.change}, and have the "
            "new plan approved"
        )
        findings = tuple(
            Finding("not-as-approved", Severity.REFUSE, f"not what was approved: {each}", todo, each.target)
            for each in found
        )
        return Verdict(findings, approval.data())

    def _own_requests(self) -> frozenset[str]:
        """Give the keys of the requests that this change has made on this server."""
        folders = [a.folder for a in self.store.attempts(self.change, self.server) if a.step == _REQUEST]
        if not any(_MAKES in _content(folder / TRANSCRIPT) for folder in folders):
            return frozenset()
        return frozenset(key for folder in folders for key in _keys(folder / CSR_FILE))


def counted(path: Path, store: EvidenceStore, terms: Terms, at: datetime) -> tuple[Approval, ChangePlan] | str:
    """Give an approval that counts, with its plan; else the reason why it does not.

    Args:
        path: The approval's file.
        terms: See :func:`terms_of`.
        at: Now, UTC.
    """
    try:
        envelope, approval = read_approval(path.read_bytes())
        signer = signer_of(envelope, terms)
        if isinstance(signer, str):
            return signer
        reason = refusal(approval, terms, at)
        if reason:
            return reason
        plan = read_plan(filed_plan(store, terms.change, approval.plan))
    except EvidenceError as error:
        return error.what
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    return plan_refusal(approval, plan) or (replace(approval, keyid=signer.keyid), plan)


def filed_plan(store: EvidenceStore, change: str, number: int) -> bytes:
    """Give the bytes of a plan of a change.

    Raises:
        EvidenceError: It is not there.
    """
    path = store.folder / change / CHANGE_PLAN.format(number)
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"its plan {number} cannot be read: {error.strerror or error}", where=str(path)) from error


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _keys(path: Path) -> Iterator[str]:
    try:
        yield read_csr(_content(path)).spki_sha256
    except BadCertificateFile:
        return


def _refused(reasons: list[str], todo: str) -> Verdict:
    text = "; ".join(reasons)
    return Verdict((Finding("not-approved", Severity.REFUSE, f"not approved: {text}", todo, "the approval"),))


def add_operator(store: EvidenceStore, change: str, keyid: str, who: Mapping[str, str], at: datetime) -> None:
    """Write down, once, that who signs with this key runs this change; a separate approver is somebody else."""
    store.file(change, OPERATOR.format(keyid), readable_json({"keyid": keyid, "who": who, "at": utc_text(at)}))
