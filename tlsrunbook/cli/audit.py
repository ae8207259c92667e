"""``audit``: verify, list, show, export and seal the evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlsrunbook.cli.common import make_console, say
from tlsrunbook.cli.options import JsonOption, KeyOption

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.evidence.chain import Verdict
    from tlsrunbook.evidence.dsse import PublicKey

audit = typer.Typer(no_args_is_help=True, help="Verify, list, show and export the sealed evidence.")

PathArgument = Annotated[
    Path, typer.Argument(metavar="PATH", help="runs/<site>, a folder of sites, or an export.", show_default=False)
]


@audit.command()
def verify(
    path: PathArgument,
    head: Annotated[
        str, typer.Option("--head", metavar="DIGEST", help="A head digest you kept: the chain must contain it.")
    ] = "",
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE", help="Public key (PEM) to trust, and no other; repeatable."),
    ] = None,
    timestamp_ca: Annotated[
        list[Path] | None,
        typer.Option("--timestamp-ca", metavar="FILE", help="Root (PEM) of the time-stamping authority; repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what was edited, deleted, added, moved or cut off since it was sealed; exit code 1 when anything was."""
    from tlsrunbook.adapters.export import opened, site_folders
    from tlsrunbook.adapters.timestamp import read_roots
    from tlsrunbook.errors import UsageError
    from tlsrunbook.wiring_evidence import verify_site

    roots = read_roots(timestamp_ca or [])
    keys = [_public_key(one) for one in key or ()]
    console = make_console(as_json)
    with opened(path) as folder:
        sites = site_folders(folder)
        if head and len(sites) > 1:
            raise UsageError("--head belongs to one site", where=str(path), todo=f"name one, such as {sites[0]}")
        verdicts = {site.name: verify_site(site, head=head, keys=keys, timestamp_roots=roots) for site in sites}
    if as_json:
        print(json.dumps([_verdict_data(site, verdict) for site, verdict in verdicts.items()]))
    for site_name, verdict in verdicts.items():
        _tell(console, site_name, verdict)
    raise typer.Exit(0 if all(verdict.whole for verdict in verdicts.values()) else 1)


def _public_key(path: Path) -> PublicKey:
    from tlsrunbook.errors import UsageError
    from tlsrunbook.evidence.dsse import public_key_from_pem

    try:
        return public_key_from_pem(path.read_bytes(), where=str(path))
    except OSError as error:
        raise UsageError(f"the key cannot be read: {error.strerror or error}", where=f"--key {path}") from error


def _tell(console: Console, site: str, verdict: Verdict) -> None:
    from tlsrunbook.wiring_evidence import flaw_lines

    for line in flaw_lines(verdict):
        say(console, f"{site}/{_printable(line)}")
    for note in verdict.notes:
        say(console, f"{site}: note: {_printable(note)}")
    found = "whole" if verdict.whole else f"NOT WHOLE, {len(verdict.flaws)} thing(s) wrong"
    head = f", head {verdict.head.sha256}" if verdict.head else ""
    say(console, f"{site}: {found}: {verdict.files} files under {len(verdict.seals)} seal(s){head}")


def _printable(text: str) -> str:
    """Show control characters and broken encodings in file names instead of obeying them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)


def _verdict_data(site: str, verdict: Verdict) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "site": site,
        "whole": verdict.whole,
        "head": asdict(verdict.head) if verdict.head else None,
        "files": verdict.files,
        "seals": len(verdict.seals),
        "flaws": [asdict(flaw) for flaw in verdict.flaws],
        "notes": list(verdict.notes),
    }


@audit.command("list")
def list_changes(path: PathArgument, as_json: JsonOption = False) -> None:
    """List all changes of a site, failed and aborted ones too."""
    from tlsrunbook.adapters.export import opened, site_folders
    from tlsrunbook.wiring_evidence import change_rows

    with opened(path) as folder:
        rows = [{"site": site.name, **row} for site in site_folders(folder) for row in change_rows(site)]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    _table(("site", "change", "asked", "user", "ticket", "mode", "servers", "outcome", "rolled_back", "seals"), rows)


@audit.command()
def show(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="runs/<site>/<change>.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Show one change: who asked for it and why, every attempt, and the seals that cover it."""
    from tlsrunbook.wiring_evidence import change_shown

    shown = change_shown(path.absolute())
    if as_json:
        print(json.dumps(shown, ensure_ascii=False))
        return
    console = make_console()
    for name in ("change", "asked", "user", "host", "ticket", "reason", "mode", "servers", "outcome", "rolled_back"):
        say(console, f"{name:11} {_text(shown[name])}")
    _table(("server", "step", "attempt", "mode", "status", "finished", "summary"), shown["steps"])
    if shown["sessions"]:
        _table(("number", "server", "finished", "user", "rendering", "why", "notebook", "sha256"), shown["sessions"])
    _table(("number", "what", "outcome", "sealed", "files", "keyid", "digest"), shown["sealed"])


@audit.command()
def export(
    site: Annotated[Path, typer.Argument(metavar="SITE", help="runs/<site>, or the site file.", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder, or NAME.tar.gz.", show_default=False)],
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Folder for the evidence, for a site file.")
    ] = Path("runs"),
    key: KeyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Pack a site's evidence for an auditor, who can check it with sha256sum and openssl alone."""
    from tlsrunbook.wiring_evidence import export_site, load_signer

    console = make_console(as_json)
    folder = _site_folder(site, runs)
    verdict, rows = export_site(folder, out.absolute(), load_signer(key))
    if as_json:
        print(json.dumps({**_verdict_data(folder.name, verdict), "out": str(out), "changes": rows}, ensure_ascii=False))
    _tell(console, folder.name, verdict)
    say(console, f"{folder.name}: {len(rows)} change(s) exported to {out}; keep the head digest somewhere else")
    raise typer.Exit(0 if verdict.whole else 1)


@audit.command()
def seal(
    site: Annotated[Path, typer.Argument(metavar="SITE", help="runs/<site>, or the site file.", show_default=False)],
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Folder for the evidence, for a site file.")
    ] = Path("runs"),
    key: KeyOption = "",
) -> None:
    """Seal what no seal covers yet: notebooks run by hand, or a run whose computer died."""
    from tlsrunbook.cli.sealing import sealed

    console = make_console()
    folder = _site_folder(site, runs)
    with sealed(console, "seal", [folder.name], folder.parent, key=key) as sealing:
        sealing.outcome = "found"
    if not sealing.seals:
        say(console, f"{folder.name}: everything is sealed")


def _site_folder(site: Path, runs: Path) -> Path:
    """Give the evidence's folder for itself, or for a site file."""
    from tlsrunbook.adapters.export import is_site
    from tlsrunbook.errors import UsageError

    folder = site
    if site.is_file():
        from tlsrunbook.site import load_site

        folder = runs / load_site(site).name
    folder = folder.absolute()
    if folder.is_dir() and is_site(folder):
        return folder
    raise UsageError(
        "there is no evidence of a site here", where=str(folder), todo="name runs/<site>, or the site file"
    )


def _table(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_printable(_text(row.get(column, "")))) for column in columns))
    make_console().print(table)


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value)
