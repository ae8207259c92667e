"""``python -m tests.faults kill --runs N``: breaks runs off at random moments, and finishes them."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    if sys.argv[1:2] != ["kill"]:
        sys.exit("usage: python -m tests.faults kill [--runs N] [--seed N] [--keep DIR]")
    from tests.faults.kill import main

    sys.exit(main(sys.argv[2:]))
