"""``due``, and the page of ``status --html``: the whole fleet, from what is on record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlsrunbook.cli.common import load, make_console, say
from tlsrunbook.cli.options import RUNS, JsonOption, RunsOption, SiteArgument

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.evidence.fleet_due import Due
    from tlsrunbook.evidence.fleet_model import Fleet, FleetServer
    from tlsrunbook.site import Site

#: Exit codes of ``due``.
SOME_DUE, SOME_UNKNOWN = 3, 4


def write_page(console: Console, sites: Sequence[Site], runs: Path, out: Path) -> None:
    """Write the fleet's page whole, in place of an earlier one, and say where it is and what it says.

    Raises:
        UsageError: It cannot be written there.
    """
    from tlsrunbook.evidence.fleet_page import fleet_html
    from tlsrunbook.evidence.fleet_tables import counted
    from tlsrunbook.evidence.page import page_bytes
    from tlsrunbook.wiring_fleet import fleet_of, write_whole

    fleet = fleet_of(sites, runs.absolute())
    write_whole(out.absolute(), page_bytes(fleet_html(fleet)))
    stand = ", ".join(f"{count} {verdict.value}" for verdict, count in counted(fleet).items())
    say(console, f"{len(fleet.servers)} servers: {stand}")
    say(console, f"page: {out}")


def due(
    site: SiteArgument,
    within: Annotated[
        str,
        typer.Option(
            "--within",
            metavar="TIME",
            help="What ends within this time, such as 30d or 12h. Else each site's renew_before_days.",
        ),
    ] = "",
    runs: RunsOption = RUNS,
    as_json: JsonOption = False,
) -> None:
    """List certificates in use that end soon, from what is on record; for a nightly job.

    Exit codes: 0 none is due, 3 some are, 4 none is and of some servers nothing is known.
    """
    from tlsrunbook.evidence import fleet_due
    from tlsrunbook.wiring_fleet import fleet_of

    time = _time(within)
    console = make_console(as_json)
    fleet = fleet_of(load(site), runs.absolute())
    found, unknown = fleet_due.due(fleet, time), fleet_due.not_known(fleet)
    if as_json:
        print(json.dumps(fleet_due.due_data(fleet, within, found), ensure_ascii=False))
    else:
        _tell(console, fleet, found, unknown, within or "the site's renew_before_days")
    raise typer.Exit(SOME_DUE if found else SOME_UNKNOWN if unknown or fleet.trouble else 0)


def _time(within: str) -> timedelta | None:
    from tlsrunbook.errors import UsageError
    from tlsrunbook.site import values

    if not within:
        return None
    try:
        return values.lasting(values.duration(within))
    except ValueError:
        todo = 'write hours or days, at most a year: "12h", "30d"'
        raise UsageError(f"{within!r} is no time", where="--within", todo=todo) from None


def _tell(console: Console, fleet: Fleet, found: Sequence[Due], unknown: Sequence[FleetServer], within: str) -> None:
    from rich.table import Table

    from tlsrunbook.evidence import fleet_due

    if found:
        table = Table(box=None, pad_edge=False)
        for head in ("server", "FQDN", "ends", "days left", "used", "certificate", "open change"):
            table.add_column(head, overflow="fold", no_wrap=head in ("ends", "days left"))
        for one in found:
            table.add_row(*_row(one, fleet.at))
        console.print(table)
    certain = len(fleet.servers) - len(unknown)
    count = f"{len(found)} due" if found else "none due"
    say(console, f"{count} within {within}, of {certain} servers whose certificates are on record")
    for server in unknown:
        say(console, f"? {server.site} / {server.server}: {fleet_due.unknown_because(server)}")
    for text in fleet.trouble:
        say(console, f"? {text}")


def _row(one: Due, fleet_at: datetime) -> tuple[str, ...]:
    from rich.markup import escape

    server = one.server
    ends = f"{one.ends:%Y-%m-%d}" if one.ends else "none"
    left = "-" if one.days_left is None else str(one.days_left)
    sign = "!" if one.ends and one.ends > fleet_at else "✗"
    thumbprint = f"{one.thumbprint[:8]}…" if one.thumbprint else "-"
    change = f"{one.change} ({server.verdict.value})" if one.change else "none"
    used = one.uses[0] + (f", and {len(one.uses) - 1} more" if len(one.uses) > 1 else "")
    texts = (f"{server.site} / {server.server}", server.fqdn, ends, f"{sign} {left}", used)
    return tuple(escape(text) for text in (*texts, thumbprint, change))
