"""Which Exchange a simulated server is, from a product's name or an exact build."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from tlsrunbook.errors import UsageError
from tlsrunbook.lab.exchange.tabledata import load

PRODUCTS = ("2007", "2010", "2013", "2016", "2019", "SE")

# The facts name no build of 2007; these are its last service pack and its last rollup.
_2007 = ("8.3.83.6", "8.3.517.0")
_BUILD = re.compile(r"(\d+)\.(\d+)\.(\d+)\.(\d+)\Z")
_MINORS = {0: "2013", 1: "2016", 2: "2019"}


@dataclass(frozen=True, order=True)
class Build:
    """Four numbers, such as 15.2.2562.17."""

    major: int
    minor: int
    build: int
    revision: int

    @classmethod
    def of(cls, text: str) -> Build:
        """Read ``15.1.2507.6`` or ``15.01.2507.006``.

        Raises:
            ValueError: It is neither.
        """
        match = _BUILD.match(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not four numbers")
        return cls(*(int(number) for number in match.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.build}.{self.revision}"

    @property
    def product(self) -> str:
        """``2007`` to ``SE``; empty for what is no Exchange of these."""
        if self.major == 15 and self.minor == 2 and self >= Build.of(load()["se_min"]):
            return "SE"
        if self.major == 15:
            return _MINORS.get(self.minor, "")
        return {8: "2007", 14: "2010"}.get(self.major, "")

    @property
    def file_version(self) -> str:
        """What ``ExSetup.exe`` says, security updates included: ``15.02.2562.017``."""
        return f"{self.major:02d}.{self.minor:02d}.{self.build:04d}.{self.revision:03d}"

    @property
    def display(self) -> str:
        """``AdminDisplayVersion``: the service pack or cumulative update, whatever updates came after it."""
        return f"Version {self.major}.{self.minor} (Build {self._base()})"

    def _base(self) -> str:
        known = [b for b in known_builds() if (b.major, b.minor) == (self.major, self.minor)]
        # Until 2010 rollups left the number alone; since 2013 every cumulative update has its own build.
        same = [b for b in known if self.major < 15 or b.build == self.build]
        base = min([*same, self])
        return f"{base.build}.{base.revision}"

    @property
    def has_edge(self) -> bool:
        """Whether this build has the Edge Transport role: 2013 was without it until its first service pack."""
        return self.product != "2013" or self >= EDGE_RETURNS

    @property
    def self_signs_with_sha1(self) -> bool:
        """Whether a fresh installation of this build signs its own certificate with SHA-1."""
        first: str = load()["sha256_since"].get(self.product, "")
        return self < Build.of(first) if first else self.product in ("2007", "2010", "2013")

    @property
    def powershell(self) -> str:
        """The Windows PowerShell such a server usually has."""
        return {"2007": "2.0", "2010": "2.0", "2013": "4.0"}.get(self.product, "5.1.20348.2760")


#: The first build of 2013 with an Edge Transport role.
EDGE_RETURNS = Build(15, 0, 847, 32)


@cache
def known_builds() -> tuple[Build, ...]:
    """All builds of the table, ascending."""
    return tuple(sorted(Build.of(text) for text in (*_2007, *(text for _, text in load()["builds"]))))


def latest(product: str) -> Build:
    """Give the newest build of a product, ``2007`` to ``SE``."""
    return max(build for build in known_builds() if build.product == product)


def parse_version(text: str) -> Build:
    """Read what ``lab --exchange`` takes: a product (its newest build), or an exact build.

    Raises:
        UsageError: It is neither.
    """
    word = text.strip().upper()
    if word in PRODUCTS:
        return latest(word)
    try:
        build = Build.of(word)
    except ValueError:
        build = Build(0, 0, 0, 0)
    if not build.product:
        raise UsageError(
            f"{text!r} is no Exchange version",
            todo=f"write one of {', '.join(PRODUCTS)}, or an exact build such as 15.1.2507.6",
        )
    return build
