"""What the engine and the kernels say to each other, besides Jupyter's own messages."""

from __future__ import annotations

import sys
from collections.abc import Sequence

#: A request on the kernel's shell channel, and its answer; the request's ``do`` names one of the verbs below.
REQUEST = "tlsrunbook_request"
REPLY = "tlsrunbook_reply"

#: Take over environment variables, once, before the first notebook.
ADOPT = "adopt"
#: Begin a notebook: an empty name space, the folder and the environment as they were adopted.
BEGIN = "begin"
#: End what the helper package kept: the PowerShell session with the server.
PART = "part"

#: Set in a kernel whose engine ends the session with the server itself, when the last notebook is done.
KEEP_SESSION = "TLSRUNBOOK_KEEP_SESSION"

#: How the names of this package's temporary folders begin.
FOLDERS = "tlsrb-"

#: For the executor, the template and its kernels: to take memory from one place, whatever the thread, and give it back.
FEW_ARENAS = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_TOP_PAD_": "16384",
}

#: Parts of the command line of processes that a notebook may be executed in: Jupyter's own kernels, and ours, the
#: forked ones of which carry that of the template they were forked from.
_PROGRAMS = ("ipykernel", "tlsrunbook.run.kernels.")

#: Imported by ``jsonschema`` where it is installed, to check IRIs: compiling its grammar takes a second of CPU.
GRAMMAR_COMPILER = "rfc3987_syntax"


def do_without(*modules: str) -> None:
    """Let optional modules look as if they were not installed, unless they are imported already."""
    for name in modules:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def is_kernel(command_line: Sequence[str]) -> bool:
    """Whether a process is a kernel, by its command line."""
    return any(program in part for part in command_line for program in _PROGRAMS)
