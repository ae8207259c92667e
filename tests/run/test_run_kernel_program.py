"""The kernel's program follows ipykernel: its two parts, before and after a fork, are the whole of its start."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from ipykernel.kernelapp import IPKernelApp

from tlsrunbook.run.kernels import kernel
from tlsrunbook.run.kernels.layout import hot, lay_out
from tlsrunbook.run.kernels.warm import number

#: Left out on purpose: see :meth:`RunbookApp.connect`. ``initialize`` is that of ipykernel's own base class.
LEFT_OUT = ["init_heartbeat", "init_extensions", "init_code"]


def parts(function: Any) -> list[str]:
    """Give the parts of a start that a method of an application goes through, in order."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith(PARTS)]
    return [node.attr for node in sorted(found, key=lambda node: (node.lineno, node.col_offset))]


PARTS = ("init_", "write_connection_file", "log_connection_info")


def test_nothing_of_ipykernels_start_is_missing_and_the_order_is_the_same() -> None:
    ours = parts(kernel.RunbookApp.prepare) + parts(kernel.RunbookApp.connect)
    assert ours == [part for part in parts(IPKernelApp.initialize) if part not in LEFT_OUT]
    assert set(LEFT_OUT) <= set(parts(IPKernelApp.initialize))


def test_a_kernel_built_before_the_fork_takes_over_all_that_ipykernel_hands_to_one_built_after() -> None:
    tree = ast.parse(textwrap.dedent(inspect.getsource(IPKernelApp.init_kernel)))
    (call,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "kernel_factory"
    ]
    handed = {word.arg for word in call.keywords}
    at_once = {"parent", "session", "log", "profile_dir", "user_ns"}
    source = inspect.getsource(kernel.RunbookKernel.connected)
    assert {name for name in handed - at_once if f'"{name}"' not in source} == set()


PROBE = """
import sys
from tlsrunbook.run.kernels.kernel import RunbookApp
from tlsrunbook.run.kernels.prepare import prepare
from tlsrunbook.run.kernels.template import threads
from tlsrunbook.run.kernels.warm import warm
prepare(); warm()
app = RunbookApp.instance()
app.prepare([]); app.build()
import zmq
print(threads(), [name for name in ("rfc3987_syntax", "debugpy", "papermill", "nbformat") if sys.modules.get(name)])
print(zmq.Context._instance, "tlsrunbook.wiring" in sys.modules)
"""


def test_a_template_that_is_ready_has_one_thread_no_context_and_the_helper_package() -> None:
    ran = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == ["1 []", "None True"]


LAYOUT = """
import sys
from tlsrunbook.run.kernels.names import make_names
names = make_names()
unused = [sys.getrefcount(name) for name in names]
from tlsrunbook.run.kernels import layout
from tlsrunbook.run.kernels.kernel import RunbookApp
from tlsrunbook.run.kernels.prepare import prepare
prepare()
app = RunbookApp.instance()
app.prepare([]); app.build()
now = [sys.getrefcount(name) for name in names]
print(layout.lay_out(layout.hot()), len(layout.hot()), sum(map(int.__gt__, now, unused)), len(names))
"""


def test_most_of_the_code_and_names_that_kernels_use_are_what_the_lists_say() -> None:
    ran = subprocess.run([sys.executable, "-c", LAYOUT], capture_output=True, text=True, check=True)
    moved, listed, used, named = map(int, ran.stdout.split())
    assert listed > 2000
    assert named > 2000
    assert moved > 0.8 * listed, "measure again: python -m tests.benchmarks.hot"
    assert used > 0.8 * named, "measure again: python -m tests.benchmarks.hot"


VALID_VERSION_TAG = 1 << 19  # CPython: Py_TPFLAGS_VALID_VERSION_TAG


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="later versions of CPython number types at other times")
def test_types_have_their_numbers_before_a_kernel_looks_into_them() -> None:
    made = type("Made", (), {})
    assert not made.__flags__ & VALID_VERSION_TAG
    number()
    assert made.__flags__ & VALID_VERSION_TAG


def test_numbering_passes_over_what_only_looks_like_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = type(sys)("empty")
    vars(empty).clear()
    for name, odd in (("odd.none", None), ("odd.object", object()), ("odd.empty", empty)):
        monkeypatch.setitem(sys.modules, name, odd)
    number()
    assert vars(empty) == {}


def test_a_function_whose_code_was_moved_is_the_same_and_does_the_same() -> None:
    before, code = example, example.__code__
    assert lay_out([(__name__, "example")]) == 1
    assert example is before
    assert example.__code__ is not code
    assert example.__code__ == code
    assert example(2) == [4, 6]
    assert all(" " not in name for _, name in hot())


def example(factor: int) -> list[int]:
    """Make functions of its own."""
    return list(map(lambda number: number * factor, [n for n in (2, 3)]))  # noqa: C416, C417 - both kinds
