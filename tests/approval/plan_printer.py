"""Plans from a state in memory and prints the digest: ``python plan_printer.py FOLDER MINUTES``.

Run in a process of its own, so that hash seed, time zone, folder and clock differ from one run to the next.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

from worlds import AT, Given, ScriptedShell, make_context, make_site, make_state, make_wanted, probe, send

from tlsrunbook.adapters.store import RunStore
from tlsrunbook.run.change_plans import leave_plan
from tlsrunbook.run.recording import Circumstances, record_step
from tlsrunbook.steps.registry import step_of

STEPS = ("request", "install", "activate", "connectors")


class Later(Given):
    """A clock that is some minutes ahead."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return AT + self.ahead


def main(folder: Path, minutes: int) -> None:
    Later.ahead = timedelta(minutes=minutes)
    given = Later((probe(),), {})
    site = make_site(
        {"names": ["b.example.com", "a.example.com"], "address": f"10.0.0.{minutes % 250 + 1}"},
        authority={"kind": "folder", "outbox": str(folder / "out"), "inbox": str(folder / "in")},
    )
    state = make_state(send_connectors=(send("TLS required EDGE1", "partner.com"), send("other", "x.org")))
    store = RunStore(folder, "london")
    about = Circumstances({"user": str(folder), "host": str(minutes)}, {}, {})
    change = store.new_change(given.now(), {"servers": ["EDGE1"]})
    records = []
    for step in STEPS:
        for _ in range(1 + minutes % 2):  # once or twice: the attempt's number does not count
            context = make_context(ScriptedShell(state), make_wanted("plan", site=site), given=given)
            record, _attempt = record_step(step_of(step), context, store, change, about)
            records.append(record)
    plan = leave_plan(store, change, records, {"made": str(given.now())})
    assert plan is not None
    assert len(plan.changing) == len(STEPS)
    sys.stdout.write(plan.digest)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
