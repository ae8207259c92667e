"""The command line as a process of its own, without any of the user's settings."""

from __future__ import annotations

import os
from pathlib import Path


def plain_environment(folder: Path, **more: str) -> dict[str, str]:
    """Give an environment for the command and all that it starts.

    Args:
        folder: For its configuration: signing key, IPython's files.
        more: Further variables.
    """
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    own = {
        "NO_PROXY": "*",
        "TERM": "dumb",
        "TLSRUNBOOK_CONFIG_DIR": str(folder / "config"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    return plain | own | more
