"""A site's evidence leaving the house: found on disk, copied, packed and unpacked."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from tlsrunbook.adapters.archive import SiteArchive
from tlsrunbook.errors import EvidenceError, UsageError
from tlsrunbook.evidence.layout import CHANGE
from tlsrunbook.evidence.rollup import ROLLUP
from tlsrunbook.evidence.statement import SEALS

_PACKED = (".tar.gz", ".tgz")


def is_packed(path: Path) -> bool:
    """Whether the name says that it is packed into one file."""
    return path.name.lower().endswith(_PACKED)


def is_site(folder: Path) -> bool:
    """Whether a folder looks like the evidence of a site: it has seals, or changes."""
    return (folder / SEALS).is_dir() or any(folder.glob(f"*/{CHANGE}"))


def site_folders(path: Path) -> list[Path]:
    """Give the sites' folders that a path means: the folder itself, or those in it.

    Raises:
        UsageError: There is none.
    """
    if path.name == SEALS and path.is_dir():
        path = path.parent
    if is_site(path):
        return [path]
    found = sorted(one for one in path.iterdir() if one.is_dir() and is_site(one)) if path.is_dir() else []
    if found:
        return found
    inside = (path / CHANGE).is_file()
    todo = f"name the site's folder, {path.parent}" if inside else "name runs/<site>, a folder of sites, or an export"
    what = "this is one change; the seals are the whole site's" if inside else "there is no evidence here"
    raise UsageError(what, where=str(path), todo=todo)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Give a folder for a path; a packed export is unpacked for as long as it is looked at.

    Raises:
        UsageError: There is nothing at this path.
        EvidenceError: The file is no packed export.
    """
    if not path.exists():
        raise UsageError("there is nothing here", where=str(path), todo="name runs/<site> or an export")
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tlsrunbook-audit-") as folder:
        try:
            with tarfile.open(path) as packed:
                packed.extractall(folder, filter="data")
        except (OSError, EOFError, tarfile.TarError) as error:
            raise EvidenceError(f"this is no packed export: {error}", where=str(path)) from error
        inside = list(Path(folder).iterdir())
        yield inside[0] if len(inside) == 1 and inside[0].is_dir() else Path(folder)


def verify_text(facts: Mapping[str, str]) -> bytes:
    """Give the instructions for an auditor without this package, with these facts filled in."""
    text = resources.files("tlsrunbook.evidence").joinpath("VERIFY.md").read_text(encoding="utf-8")
    for name, value in facts.items():
        text = text.replace(f"@{name}@", value)
    return text.encode("utf-8")


def write_export(archive: SiteArchive, out: Path, files: Mapping[str, bytes], names: list[str]) -> None:
    """Write an export, whole or not at all: a folder, or one file when the name ends with ``.tar.gz``.

    Args:
        archive: The site.
        out: Must not exist.
        files: What is in it besides the site's own files, by path.
        names: The site's files, by path below its folder.

    Raises:
        UsageError: It exists.
        EvidenceError: The disk refuses.
    """
    if out.exists():
        raise UsageError("this exists already", where=str(out), todo="give a new name; an export is never overwritten")
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        _fill(archive, part, files, names)
        if is_packed(out):
            _pack(part, out)
        else:
            part.rename(out)
    except OSError as error:
        raise EvidenceError(f"cannot be written: {error.strerror or error}", where=str(out)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _fill(archive: SiteArchive, folder: Path, files: Mapping[str, bytes], names: list[str]) -> None:
    (folder / ROLLUP).mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    site = folder / archive.folder.name
    for parent in sorted({(site / name).parent for name in names}):
        parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copyfile(archive.folder / name, site / name)


def _pack(folder: Path, out: Path) -> None:
    top = next(out.name[: -len(end)] for end in _PACKED if out.name.lower().endswith(end))
    packed = folder.with_name(f"{folder.name}.tar")

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    try:
        with tarfile.open(packed, "x:gz") as tar:
            tar.add(folder, arcname=top, filter=anonymous)
        packed.rename(out)
    finally:
        packed.unlink(missing_ok=True)
