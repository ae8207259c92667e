"""Parameters that papermill injected: the misspelt ones are refused with what to write instead."""

from __future__ import annotations

import pytest

from tlsrunbook.errors import UsageError
from tlsrunbook.run.notebooks import PARAMETERS, notebook_path, refuse_unknown_parameters
from tlsrunbook.steps.registry import STEPS


def injected(**parameters: str) -> str:
    """The cell papermill makes."""
    return "# Parameters\n" + "".join(f"{name} = {value!r}\n" for name, value in parameters.items())


def test_the_parameters_there_are_pass() -> None:
    refuse_unknown_parameters(["", "import x", injected(**dict.fromkeys(PARAMETERS, "x")), "run = open_run()"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sever", "write server"),
        ("servers", "write server"),
        ("Server", "write server"),
        ("SITE", "write site"),
        ("sites", "write site"),
        ("modus", "write mode"),
        ("changes", "write change"),
        ("run", "write runs"),
        ("what_if", "the parameters are site, server, runs, change, mode"),
        ("x", "the parameters are site, server, runs, change, mode"),
    ],
)
def test_a_misspelt_parameter_is_refused_with_what_to_write(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_unknown_parameters(["mode = 'plan'", injected(site="a", **{name: "b"})])
    assert str(caught.value) == f"papermill: there is no parameter {name!r} -> {hint}"
    assert caught.value.exit_code == 2


def test_values_are_never_taken_for_parameters_nor_run() -> None:
    refuse_unknown_parameters([injected(site="sever = 1\n__import__('os').abort()", server="# Parameters\nx = 1")])


def test_cells_that_people_wrote_may_assign_what_they_like() -> None:
    refuse_unknown_parameters(["sever = 'EDGE1'", "# My Parameters\nsever = 1", "x = '# Parameters\\n'"])


def test_the_last_of_two_injections_counts_too() -> None:
    with pytest.raises(UsageError, match="'sever'"):
        refuse_unknown_parameters([injected(site="a"), injected(sever="b")])


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.id)
def test_every_step_has_its_notebook(step: object) -> None:
    assert notebook_path(step.notebook).is_file()  # type: ignore[attr-defined]


def test_a_notebook_that_is_missing_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"7-nothing\.ipynb is missing") as caught:
        notebook_path("7-nothing.ipynb")
    assert caught.value.todo == "install tlsrunbook again"
