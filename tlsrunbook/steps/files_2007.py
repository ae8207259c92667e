"""The files that Exchange 2007 reads and writes: put there for one command, and taken away again."""

from __future__ import annotations

from collections.abc import Iterable

from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.cmdlets_file import CERTIFICATE, CSR, server_file
from tlsrunbook.exchange.command import Later
from tlsrunbook.exchange.decode_file import ServerFile, serves_pending
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.version import Target
from tlsrunbook.plan.model import Change, Compensate, PlanItem, Reverse
from tlsrunbook.steps.model import Seen, Wanted


def certificate_path(seen: Seen, wanted: Wanted) -> str:
    """Give the file that Exchange 2007 imports from, empty where it takes the bytes.

    Raises:
        UsageError: The server did not say where such files lie.
    """
    if cmdlets.takes_certificate_as_bytes(seen.target):
        return ""
    key_size = wanted.site.certificate.key_size
    return server_file(seen.greeting.folder, wanted.server.all_names, key_size, CERTIFICATE)


def put_item(target: Target, path: str, data: bytes | Later, what: str | Later) -> PlanItem:
    """Give the item that puts a certificate where Exchange 2007 reads it.

    Args:
        what: Which certificate, for people.
    """
    return PlanItem(
        "Put the certificate where Exchange 2007 reads it: its cmdlet takes a path and no bytes",
        (cmdlets.set_server_file(target, path, data),),
        (Change(f"file {path}", "content", None, what),),
        Reverse(((cmdlets.remove_server_file(target, path),),)),
    )


def tidy_items(target: Target, files: Iterable[ServerFile], path: str) -> tuple[PlanItem, ...]:
    """Give the items that take the runbook's files away when the certificate at ``path`` is imported.

    The CSR goes with it: the import uses its pending request up. Nothing where there is no path (2010 and later).
    """
    if not path:
        return ()
    stem = path.rpartition(".")[0].lower()
    used = [file.path for file in files if file.path.rpartition(".")[0].lower() == stem]
    return tuple(_remove(target, one) for one in {one.lower(): one for one in (path, *used)}.values())


def later_tidy_items(target: Target, path: str) -> tuple[PlanItem, ...]:
    """Give what :func:`tidy_items` will give when the CSR's file is there; nothing where there is no path."""
    return tuple(_remove(target, one) for one in (path, f"{path.rpartition('.')[0]}.{CSR}")) if path else ()


def leftover_items(target: Target, files: Iterable[ServerFile], state: ServerState) -> tuple[PlanItem, ...]:
    """Give the items that take away what an earlier run, cut off half-way, left behind."""
    return tuple(_remove(target, file.path) for file in files if not serves_pending(file, state.certificates))


def _remove(target: Target, path: str) -> PlanItem:
    return PlanItem(
        "Take the file away that Exchange 2007 needed",
        (cmdlets.remove_server_file(target, path),),
        (Change(f"file {path}", "content", "CSR" if path.lower().endswith(".req") else "certificate", None),),
        Compensate((), "it was a copy: the record keeps what was in it"),
    )
