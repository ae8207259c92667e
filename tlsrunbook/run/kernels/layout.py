"""Lays the code that every kernel runs side by side in memory, before kernels are forked.

CPython writes into a code object whenever it is used: its reference count, its counters. So each kernel gets a copy of
every page of the template with such code on it. Code lies in the order of its import, what is used among what is not;
next to each other, the same code is on far fewer pages: 3 MB less for each kernel.

``hot.txt`` says what is used, one module per line with its functions. It is measured, not written:
``python -m tests.benchmarks.hot``. A name that is not there any more costs nothing but the gain.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FunctionType

_HOT = Path(__file__).with_name("hot.txt")

#: The code that was replaced: freed, its memory would be used again, and so be written to, by every kernel.
_replaced: list[CodeType] = []


def hot() -> frozenset[tuple[str, str]]:
    """Give the functions that every kernel runs, as pairs of module and qualified name."""
    lines = (line.split() for line in _HOT.read_text(encoding="utf-8").splitlines())
    return frozenset((module, name) for module, *names in lines for name in names)


def lay_out(wanted: Iterable[tuple[str, str]]) -> int:
    """Move the code of these functions to one place. The functions stay the same objects, and do the same.

    Returns:
        How many were moved.
    """
    names = frozenset(wanted)
    found = [
        one for one in gc.get_objects() if isinstance(one, FunctionType) and (one.__module__, one.__qualname__) in names
    ]
    for function in found:
        _replaced.append(function.__code__)
        function.__code__ = _moved(function.__code__)
    return len(found)


def _moved(code: CodeType) -> CodeType:
    """Give a copy, with copies of the functions that it makes."""
    return code.replace(co_consts=tuple(_moved(one) if isinstance(one, CodeType) else one for one in code.co_consts))
