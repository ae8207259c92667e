"""Which cmdlets and parameters a server of a given version and role has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from tlsrunbook.lab.exchange.builds import Build
from tlsrunbook.lab.exchange.tabledata import load

#: Bound when the named parameters leave the choice (general knowledge, the reference does not say).
DEFAULT_SETS = {
    "New-ExchangeCertificate": "Certificate",
    "Get-ExchangeCertificate": "Thumbprint",
    "Enable-ExchangeCertificate": "Thumbprint",
    "Remove-ExchangeCertificate": "Thumbprint",
    "Export-ExchangeCertificate": "Thumbprint",
    "Import-ExchangeCertificate": "FileData",
    "New-SendConnector": "AddressSpaces",
    "New-ReceiveConnector": "UsageType",
    "Get-ReceiveConnector": "Identity",
    "Get-ExchangeServer": "Identity",
    "Test-EdgeSynchronization": "Default",
    "Get-Queue": "Identity",
}

_2007_DEFAULT_SETS = {
    "New-ExchangeCertificate": "self-signed",
    "Import-ExchangeCertificate": "path",
    "Remove-ExchangeCertificate": "default",
}
_NOT_ON_EDGE = ("*-FrontendTransportService", "Start-EdgeSynchronization", "Test-EdgeSynchronization")
# The reference says it in words, without the flag that the table goes by.
_NOT_ON_EDGE_EITHER = {"TransportRole"}
_NOT_ON_2007 = {"IsCoexistenceConnector"}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a cmdlet.

    Args:
        name: As Exchange spells it.
        type: The .NET type's short name.
        sets: Parameter sets it is in; the value says whether it is mandatory there.
        aliases: Other names.
        values: What it may be, for enumerations and the like; empty when anything.
        range: Lowest and highest value, and sometimes a unit; empty when there are no limits.
        pipeline: Whether it takes pipeline input.
    """

    name: str
    type: str
    sets: Mapping[str, bool]
    aliases: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    range: tuple[str, ...] = ()
    pipeline: bool = False


def enums() -> dict[str, Any]:
    """Give the table of enumerations, by ``Object.Property``."""
    found: dict[str, Any] = load()["enums"]
    return found


def default_set(cmdlet: str, build: Build) -> str:
    """Give the default parameter set, empty when there is none."""
    if build.product == "2007" and cmdlet in _2007_DEFAULT_SETS:
        return _2007_DEFAULT_SETS[cmdlet]
    return DEFAULT_SETS.get(cmdlet, "")


def cmdlets_of(build: Build, is_edge: bool) -> tuple[str, ...]:
    """List the cmdlets of a server, of those this lab knows of."""
    return tuple(name for name in load()["cmdlets"] if _has_cmdlet(name, build, is_edge))


def _has_cmdlet(name: str, build: Build, is_edge: bool) -> bool:
    if is_edge and any(fnmatchcase(name, pattern) for pattern in _NOT_ON_EDGE):
        return False
    return _comparable(build.product) in load()["cmdlets"][name]["products"]


def _comparable(product: str) -> str:
    """2007 has what 2010 has, but for what the windows and its own table take away."""
    return "2010" if product == "2007" else product


@cache
def parameters_of(cmdlet: str, build: Build, is_edge: bool) -> Mapping[str, Parameter]:
    """Give a cmdlet's parameters on a server of this build and role; empty when it has no such cmdlet."""
    if cmdlet not in load()["cmdlets"] or not _has_cmdlet(cmdlet, build, is_edge):
        return {}
    raw = load()["cmdlets"][cmdlet]
    found = {name: _parameter(name, entry, raw["sets"]) for name, entry in raw["parameters"].items()}
    own = load()["exchange_2007"].get(cmdlet) if build.product == "2007" else None
    if own is not None:
        return _on_role(_of_2007(own, found), raw, is_edge)
    there = {name: value for name, value in found.items() if _present(cmdlet, name, raw, build)}
    if build.product == "2007" and _window(cmdlet, "FileName", "2007") == "as Path":
        there["Path"] = Parameter("Path", "String", dict.fromkeys(raw["sets"], False))
    return _on_role(there, raw, is_edge)


def _parameter(name: str, entry: Mapping[str, Any], all_sets: list[str]) -> Parameter:
    return Parameter(
        name=name,
        type=entry["type"],
        sets=entry.get("sets") or dict.fromkeys(all_sets, False),
        aliases=tuple(entry.get("aliases", ())),
        values=tuple(entry.get("values", ())),
        range=tuple(entry.get("range", ())),
        pipeline=entry.get("pipeline", False),
    )


def _window(cmdlet: str, parameter: str, product: str) -> bool | str | None:
    """What the version windows say of a parameter: a truth value, ``<build``, ``as Name``; None when nothing."""
    for window in load()["windows"]:
        if window["param"] == parameter and fnmatchcase(cmdlet, window["cmdlet"]):
            verdict: bool | str = window["present"][product]
            return verdict
    return None


def _present(cmdlet: str, parameter: str, raw: Mapping[str, Any], build: Build) -> bool:
    verdict = _window(cmdlet, parameter, build.product)
    if isinstance(verdict, bool):
        return verdict
    if isinstance(verdict, str):
        return verdict.startswith("<") and build < Build.of(verdict[1:])
    if build.product == "2007" and parameter in _NOT_ON_2007:
        return False
    there = raw["parameters"][parameter].get("products", raw["products"])
    return _comparable(build.product) in there


def _of_2007(own: Mapping[str, Any], later: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Build the parameters of a cmdlet that the facts list for 2007 by set, a star marking mandatory ones."""
    sets: dict[str, dict[str, bool]] = {}
    for set_name, members in own["sets"].items():
        for member in members:
            sets.setdefault(member.rstrip("*"), {})[set_name] = member.endswith("*")
    services = tuple(own.get("services", ()))
    return {
        name: Parameter(
            name=name,
            type=later[name].type if name in later else "String",
            sets=found,
            aliases=later[name].aliases if name in later else (),
            values=services if name == "Services" else (later[name].values if name in later else ()),
            range=later[name].range if name in later else (),
            pipeline=name in later and later[name].pipeline,
        )
        for name, found in sorted(sets.items())
    }


def _on_role(found: Mapping[str, Parameter], raw: Mapping[str, Any], is_edge: bool) -> dict[str, Parameter]:
    unwanted = "not-on-edge" if is_edge else "edge-only"
    return {
        name: parameter
        for name, parameter in found.items()
        if unwanted not in raw["parameters"].get(name, {}).get("flags", ())
        and not (is_edge and name in _NOT_ON_EDGE_EITHER)
    }
