"""The install card's own part: give the CA's answer, and see at once what it is, before anything is sent.

Nothing of a file stays in the notebook: the control is emptied before the file is looked at, and what is shown is an
ordinary output. The evidence is what the step install records when it takes the answer from the inbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tlsrunbook.adapters.authority_folder import FolderAuthority
from tlsrunbook.adapters.origin import SystemClock
from tlsrunbook.adapters.roots import trusted_roots
from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.errors import BadCertificateFile, TlsRunbookError
from tlsrunbook.evidence.answers import Answer
from tlsrunbook.evidence.upload_answer import upload_answer
from tlsrunbook.policy.upload import Inspection, Wanted, inspect_upload
from tlsrunbook.run.approvals import CSR_FILE
from tlsrunbook.ui.cards import paragraph
from tlsrunbook.ui.cards_request import csr_of
from tlsrunbook.ui.extras import CardContext

if TYPE_CHECKING:
    import ipywidgets

#: Name of the ordinary output that says what the file is.
ANSWER = "ca-answer"
_SHAPES = ".pem,.crt,.cer,.der,.p7b,.p7c,.zip,.txt"
_HINT = (
    "The CA's answer for {server}: PEM, DER, PKCS #7 or ZIP, one file or several (the certificate with its "
    "intermediates). It is looked at here and nothing is sent to the server. Never a PFX or a private key."
)


def extra(context: CardContext) -> ipywidgets.Widget | None:
    """Give the control that takes the CA's answer; None where nothing is to be given."""
    if not takes_upload(context):
        return None
    import ipywidgets  # noqa: PLC0415 - only a notebook has it

    upload = ipywidgets.FileUpload(
        accept=_SHAPES,
        multiple=True,
        description="Give the CA's answer…",
        tooltip=f"Choose the files that the CA sent for {context.server.name}",
        layout={"width": "max-content"},
    )
    said = ipywidgets.HTML()
    upload.observe(lambda change: _given(context, upload, said, change["new"]), "value")
    return ipywidgets.VBox([ipywidgets.HTML(paragraph(_HINT.format(server=context.server.name))), upload, said])


def takes_upload(context: CardContext) -> bool:
    """Whether an answer is waited for that a person brings."""
    record = context.latest.get("install")
    done = record is not None and record.mode == "apply" and record.status.done
    return isinstance(_authority(context), FolderAuthority) and bool(csr_of(context)) and not done


def _authority(context: CardContext) -> object:
    return context.make_authority() if context.make_authority else None


def _given(
    context: CardContext, upload: ipywidgets.FileUpload, said: ipywidgets.HTML, value: Sequence[Mapping[str, Any]]
) -> None:
    files = [(str(one["name"]), bytes(one["content"])) for one in value]
    if not files:
        return
    upload.value = ()  # what was given must not stay in a widget: a notebook may be saved with its widgets
    # At once, whatever else is at work: it takes a moment, asks no server, and what was given must not be lost.
    answer = take_in(context, files)
    said.value = paragraph(f"{answer.title}. More below.", role="status")  # the output may be off the screen
    context.show(ANSWER, answer)


def take_in(context: CardContext, files: Sequence[tuple[str, bytes]]) -> Answer:
    """Look at files and, where they are this request's answer, put the certificates into the authority's inbox.

    Args:
        files: Name and content of each.

    Returns:
        What they are and what became of them.
    """
    names = ", ".join(name for name, _ in files)
    try:
        authority = _authority(context)
        inspection = _inspected(context, files)
        if not inspection.accepted or not isinstance(authority, FolderAuthority):
            return upload_answer(inspection, names)
        label = f"{context.site.name}-{context.server.name.lower()}"
        place = authority.take_in(inspection.certificates, label)
    except TlsRunbookError as error:
        seen = f"{error.where}: {error.what}" if error.where else error.what
        return Answer("bad", f"Not taken: {names}", seen, error.todo)
    return upload_answer(inspection, names, f"{place.parent.name}/{place.name}")


def _inspected(context: CardContext, files: Sequence[tuple[str, bytes]]) -> Inspection:
    csr = read_csr(csr_of(context))
    same = [record for record in context.records if record.facts.get("CSR") == csr.pem]
    wanted = Wanted(
        csr=csr,
        names=context.server.all_names,
        at=SystemClock().now(),
        roots=trusted_roots(context.site),
        requested=datetime.fromisoformat(same[0].started) if same else None,
    )
    seen = inspect_upload(files, wanted)
    if seen.accepted or not seen.rows:
        return seen
    return inspect_upload(files, replace(wanted, whose=_other_requests(context, csr.spki_sha256)))


def _other_requests(context: CardContext, own: str) -> dict[str, str]:
    """Give the keys of all other requests of the site on record, with whose they are."""
    found = {}
    for change in context.store.changes():
        for attempt in context.store.attempts(change):
            if attempt.step != "request" or CSR_FILE not in attempt.files:
                continue
            try:
                key = read_csr((attempt.folder / CSR_FILE).read_bytes()).spki_sha256
            except (BadCertificateFile, OSError):
                continue
            if key != own:
                found[key] = f"{attempt.server} (change {change})"
    return found
