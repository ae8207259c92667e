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
        plan = _newest(store, change)
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


def _newest(store: RunStore, change: str) -> ChangePlan:
    """Give the newest plan; from the records where notebooks were planned one by one."""
    from tlsrunbook.adapters.origin import SystemClock, tool, who
    from tlsrunbook.evidence.data import utc_text
    from tlsrunbook.run.change_plans import leave_plan, newest_plan

    plan = newest_plan(store, change)
    if plan is None:
        beside = {"made": utc_text(SystemClock().now()), "who": who(), "tool": tool()}
        plan = leave_plan(store, change, store.records(change), beside)
    if plan is None:
        raise UsageError(
            f"the change {change} has no plan", where=str(store.folder), todo=f"run SITE --plan --change {change}"
        )
    return plan


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
    from tlsrunbook.evidence.layout import OPERATOR

    if signer.keyid not in policy["approvers"]:
        raise UsageError(
            f"your key {signer.keyid[:16]}… is not among the approvers of site {store.folder.name}",
            where="policy.approvers",
            todo=f"have its public key listed there, then plan again:\n{signer.public.pem.decode('ascii')}",
        )
    operators = {path.stem for path in store.filed(change, OPERATOR)}
    if policy["separate_approver"] and signer.keyid in operators:
        raise UsageError(
            f"your key {signer.keyid[:16]}… has run this change, and the site file wants a separate approver",
            where="policy.separate_approver",
            todo="let another approver do it, with a key of their own",
        )


def _write(console: Console, store: RunStore, plan: ChangePlan, signer: Signer, by: str, valid_for: str) -> None:
    from tlsrunbook.adapters.origin import SystemClock, who
    from tlsrunbook.evidence.approval import PAYLOAD_TYPE, approval_payload, read_approval
    from tlsrunbook.evidence.data import utc_text
    from tlsrunbook.evidence.dsse import sign
    from tlsrunbook.evidence.layout import APPROVAL
    from tlsrunbook.site.values import lasting

    payload = approval_payload(plan, by or who()["user"], SystemClock().now(), lasting(valid_for))
    content = sign(payload, signer, PAYLOAD_TYPE).encoded()
    number = len(store.filed(plan.change, APPROVAL)) + 1
    while not store.file(plan.change, APPROVAL.format(number), content):
        number += 1
    _, approval = read_approval(content)
    path = store.folder / plan.change / APPROVAL.format(number)
    say(console, f"approved by {approval.by} until {utc_text(approval.expires)}: {path}")
