"""Walks once, before kernels are forked, the paths that every kernel would walk for the first time."""

from __future__ import annotations

import ast
import json
import tokenize
from io import StringIO

from IPython.core.inputtransformer2 import TransformerManager
from jupyter_client.session import Session

_CELL = "run.confirm()\n"


def warm() -> None:
    """Compile what is compiled lazily, such as the patterns of the tokenizer. Leaves no thread and no connection."""
    TransformerManager().transform_cell(_CELL)  # type: ignore[no-untyped-call]
    list(tokenize.generate_tokens(StringIO(_CELL).readline))
    compile(ast.parse(_CELL), "cell", "exec")
    session = Session()
    session.serialize(session.msg("status", json.loads('{"execution_state": "idle"}')))
