"""An exception nobody foresaw: few lines in a notebook, name and text as they are, nothing of what the frames hold."""

from __future__ import annotations

import pytest

from tlsrunbook.errors import SiteFileError, StepStopped, UsageError
from tlsrunbook.run.short_traceback import lines, short_tracebacks, shorten

SECRET = "s3cret-in-a-local-4711"


@short_tracebacks()
def broken(depth: int = 0) -> None:
    password = SECRET
    if depth:
        inner(depth - 1, password)
    raise KeyError(f"no {len(password)}")


def inner(depth: int, password: str) -> None:
    if depth:
        inner(depth - 1, password)
    raise LookupError("the inner one")


def rendered(error: BaseException) -> list[str]:
    told: list[str] = error._render_traceback_()  # type: ignore[attr-defined]
    return told


def test_few_lines_say_what_and_where_and_what_to_do() -> None:
    with pytest.raises(KeyError) as caught:
        broken()
    told = rendered(caught.value)
    assert told[0] == "✗ KeyError: 'no 22'"
    assert any("tests/run/test_run_short_traceback.py" in line and "in broken" in line for line in told)
    assert told[-1].startswith("  What to do: run the step again")
    assert SECRET not in "\n".join(told)
    assert "password" not in "\n".join(told), "no source and no arguments either"


def test_a_deep_one_is_short_too() -> None:
    with pytest.raises(LookupError) as caught:
        broken(40)
    told = rendered(caught.value)
    assert len(told) <= 12
    assert SECRET not in "\n".join(told)


def test_no_place_of_this_computer_is_told() -> None:
    with pytest.raises(KeyError) as caught:
        broken()
    assert not any(line.strip().startswith(("/", "C:")) for line in rendered(caught.value))


def test_an_interruption_is_no_fault() -> None:
    assert lines(KeyboardInterrupt()) == [
        "✗ Interrupted",
        "  What to do: run the step again: it looks at the server first",
    ]


def test_our_own_errors_say_themselves_how_they_are_shown() -> None:
    error = UsageError("server is empty", where="parameter server", todo="give a server's name")
    shorten(error)
    assert rendered(error) == [
        "✗ UsageError: server is empty",
        "  Where: parameter server",
        "  What to do: give a server's name",
    ]
    problems = rendered(SiteFileError("a.toml", ("name: is empty -> write a name", "dns: x -> y")))
    assert problems[0] == "✗ SiteFileError: 2 problems in the site file"
    assert problems[-2:] == ["  name: is empty -> write a name", "  dns: x -> y"]


def test_a_stopped_step_tells_title_what_was_seen_and_what_to_do() -> None:
    error = StepStopped(
        "no request waits",
        status="blocked",
        where="london / EDGE1 / install",
        todo="run request first",
        title="⊘ Install on EDGE1",
    )
    assert rendered(error) == [
        "⊘ Install on EDGE1: blocked",
        "  What was seen: no request waits",
        "  What to do: run request first",
    ]
    assert str(error) == "london / EDGE1 / install: no request waits -> run request first"
    assert rendered(StepStopped("x", status="unknown", where="a / b / c")) == [
        "a / b / c: unknown",
        "  What was seen: x",
    ]


def test_an_exception_that_takes_no_attribute_goes_through_as_it_is() -> None:
    class Closed(Exception):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "_render_traceback_":
                raise AttributeError(name)
            super().__setattr__(name, value)

    with pytest.raises(Closed), short_tracebacks():
        raise Closed
