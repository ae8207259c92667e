"""``python -m tests.benchmarks NAME``: prints what one benchmark measures."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m tests.benchmarks {'|'.join(NAMES)}")
    importlib.import_module(f"tests.benchmarks.{sys.argv[1]}").main()
