"""Whether the extra ``cluster`` is installed. CI installs it, so nothing is skipped there."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

needs_distributed = pytest.mark.skipif(
    find_spec("distributed") is None and os.environ.get("CI") != "true",
    reason="distributed is not installed: pip install 'tlsrunbook[cluster]'",
)
