"""Which servers come in which wave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlsrunbook.errors import UsageError
from tlsrunbook.run.waves import AT_ONCE, Sizes, read_waves, sizes_for, waves_of

USUAL: Sizes = (1, "25%", "100%")


def named(count: int) -> list[str]:
    return [f"S{number}" for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "sizes", "expected"),
    [
        (1, USUAL, [1]),
        (2, USUAL, [1, 1]),
        (4, USUAL, [1, 3]),
        (5, USUAL, [1, 1, 3]),
        (40, USUAL, [1, 9, 30]),
        (40, (1, 5, "100%"), [1, 4, 35]),
        (40, ("10%", "50%", "100%"), [4, 16, 20]),
        (3, (10, "100%"), [3]),
        (3, ("34%", "100%"), [2, 1]),
        (7, AT_ONCE, [7]),
        (7, ("1%", "100%"), [1, 6]),
        (0, USUAL, []),
    ],
)
def test_each_entry_says_how_many_are_done_after_its_wave(count: int, sizes: Sizes, expected: list[int]) -> None:
    waves = waves_of(named(count), sizes)
    assert [len(wave) for wave in waves] == expected
    assert [name for wave in waves for name in wave] == named(count), "in order, the first one first"


def test_a_server_takes_those_it_waits_for_into_its_wave() -> None:
    needs = {"EDGE1": ["MBX2"], "MBX2": ["MBX3", "ELSEWHERE"]}
    order = ["EDGE1", "MBX1", "MBX2", "MBX3"]
    assert waves_of(order, USUAL, needs) == (("EDGE1", "MBX2", "MBX3"), ("MBX1",))


def test_servers_that_wait_for_each_other_come_together() -> None:
    needs = {"EDGE1": ["MBX1"], "MBX1": ["EDGE1", "EDGE2"], "EDGE2": ["MBX1"]}
    assert waves_of(["EDGE1", "EDGE2", "EDGE3", "MBX1"], (1, "100%"), needs) == (
        ("EDGE1", "EDGE2", "MBX1"),
        ("EDGE3",),
    )


def test_one_that_waits_comes_later_when_what_it_waits_for_is_done() -> None:
    assert waves_of(["EDGE1", "EDGE2"], USUAL, {"EDGE2": ["EDGE1"]}) == (("EDGE1",), ("EDGE2",))


@given(
    count=st.integers(0, 60),
    shares=st.lists(st.integers(1, 100), max_size=4),
    numbers=st.lists(st.integers(1, 70), max_size=3),
    pairs=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=40),
)
def test_every_server_comes_once_and_never_before_one_it_waits_for(
    count: int, shares: list[int], numbers: list[int], pairs: list[tuple[int, int]]
) -> None:
    servers = named(count)
    sizes: Sizes = (*sorted(numbers), *(f"{share}%" for share in sorted(shares)), "100%")
    needs: dict[str, list[str]] = {}
    for one, other in pairs:
        needs.setdefault(f"S{one + 1}", []).append(f"S{other + 1}")
    waves = waves_of(servers, sizes, needs)
    assert sorted(name for wave in waves for name in wave) == sorted(servers)
    assert all(waves)
    at = {name: number for number, wave in enumerate(waves) for name in wave}
    for name, others in needs.items():
        assert all(at[other] <= at[name] for other in others if name in at and other in at)


@pytest.mark.parametrize("steps", [("confirm", "request"), ("verify",), ("confirm",)])
def test_what_changes_nothing_that_mail_goes_through_needs_no_waves(steps: tuple[str, ...]) -> None:
    assert sizes_for(USUAL, steps, "apply") == AT_ONCE


@pytest.mark.parametrize("step", ["install", "activate", "connectors", "retire"])
def test_what_changes_a_server_comes_in_waves_and_planning_it_does_not(step: str) -> None:
    assert sizes_for(USUAL, ("confirm", step), "apply") == USUAL
    assert sizes_for(USUAL, ("confirm", step), "plan") == AT_ONCE


@pytest.mark.parametrize(
    ("text", "sizes"), [("1,25%,100%", USUAL), (" 1 , 25% , 100% ", USUAL), ("100%", AT_ONCE), ("5,100%", (5, "100%"))]
)
def test_waves_are_read_from_the_command_line(text: str, sizes: Sizes) -> None:
    assert tuple(read_waves(text)) == sizes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,25%", "do not end with the whole site"),
        ("25%,1%,100%", "shrink"),
        ("half,100%", "is not a wave"),
        ("0,100%", "is not a wave"),
        ("", "is not a wave"),
        ("1,,100%", "is not a wave"),
    ],
)
def test_what_is_no_waves_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read_waves(text)
    assert caught.value.where == "--waves"
    assert "--waves 1,25%,100%" in caught.value.todo
