"""The template's program: makes the names that every kernel refers to, before anything is imported; then the template.

A name is one object, made by the first code that has it; what a kernel does with it writes its reference count, and so
copies its page. Made one after the other before all code, the same names are on few pages instead of one each.

``hot-names.txt`` says which. It is measured, not written: ``python -m tests.benchmarks.hot``. A name that nothing has
any more costs its few bytes, once.
"""

from __future__ import annotations

import sys
from pathlib import Path

HOT_NAMES = Path(__file__).with_name("hot-names.txt")


def make_names() -> tuple[str, ...]:
    """Make the names; they last as long as what is returned."""
    return tuple(map(sys.intern, HOT_NAMES.read_text(encoding="utf-8").split()))


def main() -> None:
    """Be the template, on the connection whose file descriptor is the first argument."""
    kept = make_names()
    from tlsrunbook.run.kernels.template import main as be_the_template  # noqa: PLC0415 - the names come first

    be_the_template()
    del kept


if __name__ == "__main__":
    main()
