"""What starts when somebody only asks what there is: the list of imports, not the time they take."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROBE = """
import contextlib, io, json, sys
sys.argv = ["tlsrunbook", *{arguments}]
from tlsrunbook.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(json.dumps([name for name in sys.modules if sys.modules[name]]))
"""

#: Other packages that the command line is made of, with what they themselves import.
ITS_OWN = {
    "annotated_doc",
    "attr",
    "click",
    "colorama",
    "markdown_it",
    "mdurl",
    "pygments",
    "rich",
    "shellingham",
    "tlsrunbook",
    "typer",
    "typing_extensions",
}

#: Part of the standard library, and slow.
SLOW = {"asyncio", "multiprocessing", "sqlite3", "ssl", "xml", "unittest"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_to_ask_for_help_imports_the_command_line_and_nothing_that_works(arguments: list[str]) -> None:
    probe = PROBE.format(arguments=arguments)
    ran = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    names = set(json.loads(ran.stdout))
    tops = {name.partition(".")[0] for name in names}
    strangers = {name for name in tops - sys.stdlib_module_names - ITS_OWN if not name.startswith(("_", "__"))}
    assert strangers == set()
    assert tops & SLOW == set()
    own = {name for name in names if name.startswith("tlsrunbook.")}
    beyond = {name for name in own if name.split(".")[1] not in ("cli", "about", "errors")}
    assert beyond == set(), "a command imports what it needs when it runs"
