"""``approve``: shows what was planned, asks, and signs the plan's digest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlsrunbook.cli.common import load, make_console, say
from tlsrunbook.cli.options import RUNS, KeyOption, RunsOption
from tlsrunbook.cli.plan_view import show_plan
from tlsrunbook.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from tlsrunbook.adapters.store import RunStore
    from tlsrunbook.evidence.change_plan import ChangePlan
    from tlsrunbook.evidence.dsse import Signer


def approve(
    change: Annotated[str, typer.Argument(metavar="CHANGE", help="Change id; see tlsrunbook status.")] = "",
    site: Annotated[
        Path | None, typer.Option("--site", metavar="SITE", help="Its site file, for the policy as it is now.")
    ] = None,
    runs: RunsOption = RUNS,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who approves; your user name if left out.")] = "",
    key: KeyOption = "",
    digest: Annotated[
        str, typer.Option("--digest", metavar="SHA256", help="Approve only if the newest plan has this digest.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; the plan was read elsewhere.")] = False,
    public_key: Annotated[
        bool, typer.Option("--public-key", help="Print the public key for policy.approvers, and end.")
    ] = False,
) -> None:
    """Show the newest plan of a change, and approve exactly it with a signature."""
    from tlsrunbook.adapters.keys import load_signer
    from tlsrunbook.cli.sealing import sealed

    signer = load_signer(key)
    if public_key:
        print(signer.public.pem.decode("ascii"), end="")
        return
    console = make_console()
    store = _store(change, site, runs.absolute())
    with sealed(console, "approve", [store.folder.name], runs.absolute(), changes=[change], key=key) as sealing:
        plan = _newest(store, change, digest)
        policy = _policy(plan, site)
        show_plan(console, plan, store.asked(change))
        if not plan.changing:
            sealing.outcome, sealing.reports = "nothing to approve", False
            say(console, "nothing would be changed, so there is nothing to approve")
            return
        _refuse_key(signer, policy, store, change)
        agreed = yes or typer.confirm(f"Approve change {change} with the key {signer.keyid[:16]}…?")
        if agreed:
            _write(console, store, plan, signer, by, str(policy["valid_for"]))
        sealing.outcome, sealing.reports = "approved" if agreed else "not approved", agreed
    if not agreed:
        say(console, "not approved; no approval was written")
        raise typer.Exit(3)


def _store(change: str, site: Path | None, runs: Path) -> RunStore:
    from tlsrunbook.adapters.store import RunStore
    from tlsrunbook.evidence.layout import CHANGE

    if not change:
        raise UsageError("no change is named", todo="give the id that run --plan printed; tlsrunbook status shows it")
    names = [one.name for one in load(site)] if site else sorted(path.name for path in runs.glob("*") if path.is_dir())
    having = [name for name in names if (runs / name / change / CHANGE).is_file()]
    if len(having) == 1:
        return RunStore(runs, having[0])
    if having:
        raise UsageError(f"{', '.join(having)} have a change {change}", where=str(runs), todo="name one with --site")
    todo = "name the folder of the evidence with --runs"
    raise UsageError(f"there is no change {change!r}", where=str(runs), todo=todo)


def _newest(store: RunStore, change: str, digest: str) -> ChangePlan:
    from tlsrunbook.adapters.origin import SystemClock, tool, who
    from tlsrunbook.evidence.data import utc_text
    from tlsrunbook.run.approving import plan_to_approve

    beside = {"made": utc_text(SystemClock().now()), "who": who(), "tool": tool()}
    return plan_to_approve(store, change, beside, digest)


def _policy(plan: ChangePlan, site: Path | None) -> dict[str, Any]:
    """Give the policy to approve under: the site file's as it is now, else the one the plan was made under."""
    from tlsrunbook.run.change_plans import policy_facts

    if site:
        return policy_facts(next(one for one in load(site) if one.name == plan.site))
    noted = plan.beside.get("policy")
    if noted is None:
        raise UsageError("this plan was made without the site file's policy", todo="name the site file with --site")
    return dict(noted)


def _refuse_key(signer: Signer, policy: dict[str, Any], store: RunStore, change: str) -> None:
    """Refuse at once what an apply would refuse later."""
    from tlsrunbook.run.approving import operators_of, refuse_key

    refuse_key(
        signer.keyid,
        policy["approvers"],
        operators_of(store, change),
        separate=policy["separate_approver"],
        site=store.folder.name,
        listing=signer.public.pem.decode("ascii"),
    )


def _write(console: Console, store: RunStore, plan: ChangePlan, signer: Signer, by: str, valid_for: str) -> None:
    from tlsrunbook.adapters.origin import SystemClock, who
    from tlsrunbook.evidence.data import utc_text
    from tlsrunbook.run.approving import file_approval
    from tlsrunbook.site.values import lasting

    at = SystemClock().now()
    path, approval = file_approval(store, plan, signer, by or who()["user"], at, lasting(valid_for))
    say(console, f"approved by {approval.by} until {utc_text(approval.expires)}: {path}")
