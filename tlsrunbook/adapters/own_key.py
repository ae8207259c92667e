"""The public half of the user's own signing key: all of it that a notebook's kernel may read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.dsse import PublicKey, public_key_from_pem

#: Environment variable that moves the user's configuration folder.
FOLDER_VARIABLE = "TLSRUNBOOK_CONFIG_DIR"

_FILE = "signing-key.pub.pem"


def config_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Give the user's configuration folder; it need not exist."""
    named = (os.environ if environ is None else environ).get(FOLDER_VARIABLE, "")
    if named:
        return Path(named).expanduser()
    import platformdirs  # noqa: PLC0415 - only needed where nothing is named

    return platformdirs.user_config_path("tlsrunbook", appauthor=False)


def leave_public_half(folder: Path, key: PublicKey) -> None:
    """Write the public half beside the private one. A folder that cannot be written is no reason to stop."""
    path = folder / _FILE
    with contextlib.suppress(OSError):
        if not path.is_file() or path.read_bytes() != key.pem:
            path.write_bytes(key.pem)


def own_keyid(environ: Mapping[str, str] | None = None) -> str:
    """Give the id of the user's own key; empty while there is none."""
    try:
        return public_key_from_pem((config_folder(environ) / _FILE).read_bytes()).keyid
    except (OSError, EvidenceError):
        return ""
