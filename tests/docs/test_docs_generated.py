"""The docs say what the code says, and every test they name is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.docs.generate import BLOCKS, DOCS, filled
from tlsrunbook.exchange.bootstrap import BOOTSTRAP_SHA256, script_sha256
from tlsrunbook.lab.conditions import CONDITIONS
from tlsrunbook.lab.faults import FAULTS, FaultBoard
from tlsrunbook.policy.traps import TRAPS, Trap

ROOT = DOCS.parent


@pytest.mark.parametrize("page", BLOCKS)
def test_the_generated_parts_are_not_stale(page: str) -> None:
    current = (DOCS / page).read_text(encoding="utf-8")
    assert current == filled(page, current), "stale: run python -m tests.docs.generate"


def test_a_page_without_its_block_is_told() -> None:
    with pytest.raises(ValueError, match="has no block 'traps'"):
        filled("traps.md", "# Traps\n")


def test_the_scripts_are_named_by_what_is_really_sent() -> None:
    text = (DOCS / "lab.md").read_text(encoding="utf-8")
    assert BOOTSTRAP_SHA256 in text
    assert script_sha256().lower() in text


def test_every_fault_is_listed_and_can_be_set() -> None:
    text = (DOCS / "lab.md").read_text(encoding="utf-8")
    for name in FAULTS:
        assert f"| `{name}" in text
        assert FaultBoard(name).hits(name)
    assert set(CONDITIONS) <= set(FAULTS)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_the_test_that_a_trap_names_is_there(trap: Trap) -> None:
    file, name = trap.test.split("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert not trap.fault or FaultBoard(trap.fault)


def test_every_fault_is_used_by_a_test() -> None:
    own = Path(__file__)
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py") if path != own]
    assert [name for name in FAULTS if not any(name in text for text in texts)] == []


def test_the_pages_link_to_pages_that_are_there() -> None:
    for page in DOCS.glob("*.md"):
        for part in page.read_text(encoding="utf-8").split("](")[1:]:
            target = part.partition(")")[0].partition("#")[0]
            if target and "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
                assert Path(target).suffix
