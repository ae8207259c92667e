"""Where an approval is demanded: the card says whose, and *Run All* of a step's notebook ends with one message."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.labpage import PATIENCE, as_text, saved_cell

STEP_NOTEBOOK = "2-request-certificate.ipynb"


@pytest.fixture
def alice(tmp_path: Path) -> str:
    """The public key of somebody else, as the site file names it."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    (tmp_path / "alice.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return 'approval = "required"\napprovers = ["alice.pem"]'


def test_a_closed_gate_says_who_opens_it_on_the_card_and_in_a_notebook(
    desk_on: Callable[..., Desk], alice: str
) -> None:
    desk = desk_on(server="EDGE1", edit=lambda text: text.replace('approval = "none"', alice))
    tab = desk.tab().open().run_all()
    tab.plan_and_apply("confirm")
    tab.press("request", "Plan")
    tab.wait_for_state("request", "planned")
    expect(tab.card("request")).to_contain_text("The site file demands an approval", timeout=PATIENCE)
    expect(tab.card("request")).to_contain_text("tlsrunbook approve")
    expect(tab.button("request", "Approve and apply")).to_be_disabled()
    tab.end_kernel()

    path = desk.jupyter.root / STEP_NOTEBOOK
    notebook = json.loads(path.read_bytes())
    parameters = saved_cell(notebook, "parameters")
    parameters["source"] = "".join(parameters["source"]) + '\nserver = "EDGE1"\nmode = "apply"'
    notebook["cells"] = [parameters if one["id"] == "parameters" else one for one in notebook["cells"]]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    step = desk.tab().open(STEP_NOTEBOOK).run_all()
    expect(step.cell("request")).to_contain_text("approv", timeout=PATIENCE)
    saved = step.save()
    (stopped,) = [one for one in saved_cell(saved, "request")["outputs"] if one["output_type"] == "error"]
    assert stopped["ename"] == "StepStopped"
    assert len("".join(stopped["traceback"]).splitlines()) <= 6, stopped["traceback"]
    assert not re.search(r"Traceback|---->|\x1b\[", as_text(saved))
    assert saved_cell(saved, "close")["execution_count"] is None
    assert desk.changed() == {}
