"""A plan is a value."""

from __future__ import annotations

import pickle

from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.plan.model import Change, Irreversible, Plan, PlanItem, Submit


def test_plans_are_equal_by_value_and_survive_pickling() -> None:
    def make() -> Plan:
        change = Change("authority folder", "CSR", None, Later("the CSR"))
        submit = PlanItem("why", Submit("folder", Later("the CSR")), (change,), Irreversible("it was handed over"))
        command = PlanItem("why", (Command.of("Set-X", A=True),), (change,), Irreversible("gone"))
        return Plan((submit, command), "the CA")

    assert make() == make()
    assert pickle.loads(pickle.dumps(make())) == make()


def test_an_empty_plan_waits_for_nothing() -> None:
    assert (Plan().items, Plan().waiting_for) == ((), "")
