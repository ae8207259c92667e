r"""The one script that is sent to a server, as it is sent.

It comes in two files, because a command line of cmd.exe ends at 8191 characters:

* ``launcher.ps1`` is the ``-EncodedCommand``. It holds the SHA-256 of the other, so what runs is fixed by this one.
* ``bootstrap.ps1`` is the first line on stdin, and runs only when its hash is right.

What appears on stdin, in order (``frames`` describes the lines):

1. :func:`script_line`: ``\n0 1 1 <base64 of the bootstrap script as UTF-8>\n``. It may come twice (a Send that timed
   out is repeated): the launcher takes the first whole one, and the bootstrap passes over every line with id 0.
2. The ``open`` request with id 1, then ``run`` requests with ids 2, 3 ..., then ``close``.

How the bootstrap reads numbered lines; whoever plays it natively must do the same:

* A line that is not ``<id> <seq> <total> <base64>``, or whose id is lower than the last answered one, is passed over.
* An id higher than the one being collected starts a new collection; a piece that comes again replaces the earlier one.
* A collection is complete when all pieces are there **and** they decode to a JSON object; until then nothing is said.
* A line with the last answered id and ``seq == total`` makes it write the last answer again, and runs nothing.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

#: Longest command line this package sends; cmd.exe stops at 8191.
CEILING = 8000

_PLACE = "{sha256 of bootstrap.ps1}"


def compact(text: str) -> str:
    """Drop comment lines, blank lines and indentation, and end lines with a line feed. Nothing else."""
    lines = (line.strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


def _file(name: str) -> str:
    return resources.files("tlsrunbook.exchange").joinpath(name).read_text(encoding="ascii")


@cache
def script() -> str:
    """Give the bootstrap script as it is sent."""
    return compact(_file("bootstrap.ps1"))


def script_sha256() -> str:
    """SHA-256 of the bootstrap script as it is sent (UTF-8), 64 upper-case hex digits."""
    return hashlib.sha256(script().encode()).hexdigest().upper()


@cache
def launcher() -> str:
    """Give the launcher as it is sent, with the bootstrap's SHA-256 in it."""
    return compact(_file("launcher.ps1")).replace(_PLACE, script_sha256())


#: SHA-256 of the launcher as it is sent (UTF-8), lower-case hex. It names both scripts, since the launcher holds the
#: bootstrap's SHA-256.
BOOTSTRAP_SHA256 = hashlib.sha256(launcher().encode()).hexdigest()


@cache
def encoded_command() -> str:
    """Give the argument of ``-EncodedCommand``: base64 of the launcher in UTF-16LE."""
    return base64.b64encode(launcher().encode("utf-16-le")).decode("ascii")


def arguments() -> list[str]:
    """Give all arguments of ``powershell.exe``."""
    switches = ["-NoLogo", "-NoProfile", "-NonInteractive", "-OutputFormat", "Text"]
    return [*switches, "-EncodedCommand", encoded_command()]


@cache
def script_line() -> bytes:
    """Give the first line for stdin: the bootstrap script, numbered ``0 1 1``."""
    return b"\n0 1 1 %s\n" % base64.b64encode(script().encode())
