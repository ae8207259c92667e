"""Signs an approval in a process of its own: the signing key never comes into a notebook's kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tlsrunbook.errors import UsageError
from tlsrunbook.evidence.dsse import KEY_VARIABLE
from tlsrunbook.site import Site

#: So long it may take; it reads, signs and seals.
_SECONDS = 120


def approve(site: Site, runs: Path, change: str, digest: str) -> None:
    """Approve the newest plan of a change, if it is the one that was read, with the user's own key.

    Args:
        digest: Of the plan.

    Raises:
        UsageError: It was refused, in the words of ``tlsrunbook approve``.
    """
    call = [sys.executable, "-m", "tlsrunbook", "approve", change, "--digest", digest, "--yes"]
    call += ["--site", str(site.path), "--runs", str(runs.absolute())]
    environment = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    try:
        done = subprocess.run(  # noqa: S603 - this very Python and this very package, no shell
            call, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False, encoding="utf-8"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        what = f"the approval could not be signed: {type(error).__name__}"
        raise UsageError(what, todo=f"run it yourself: tlsrunbook approve {change}") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        what = lines[-1].removeprefix("tlsrunbook: ") if lines else f"exit code {done.returncode}"
        raise UsageError(f"the approval was not signed: {what}", todo=f"see tlsrunbook approve {change}")
