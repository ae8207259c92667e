"""Binds the parameters of a frame to a cmdlet, as strictly as PowerShell does in a non-interactive host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tlsrunbook.lab.exchange import failure
from tlsrunbook.lab.exchange.convert import convert
from tlsrunbook.lab.exchange.table import Parameter

#: PowerShell's common parameters that a frame might carry, with their aliases; they are not for binding here.
COMMON = {
    "Verbose": "vb",
    "Debug": "db",
    "ErrorAction": "ea",
    "WarningAction": "wa",
    "ErrorVariable": "ev",
    "WarningVariable": "wv",
    "OutVariable": "ov",
    "OutBuffer": "ob",
}


@dataclass(frozen=True)
class Bound:
    """A cmdlet's parameters, bound.

    Args:
        cmdlet: The cmdlet's name, in its own spelling.
        parameter_set: The set that was chosen.
        values: Converted values by the parameters' own spelling; what was not given is not there.
    """

    cmdlet: str
    parameter_set: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def get(self, name: str, default: Any = None) -> Any:
        """Give a value, or the default when the parameter was not given."""
        return self.values.get(name, default)

    def on(self, name: str) -> bool:
        """Whether a switch or Boolean was given and is true."""
        return bool(self.values.get(name, False))

    @property
    def what_if(self) -> bool:
        """Whether nothing may change."""
        return self.on("WhatIf")


def bind(
    cmdlet: str,
    known: Mapping[str, Parameter],
    default_set: str,
    given: Sequence[Mapping[str, Any]],
    piped: Mapping[str, Any] | None = None,
) -> Bound:
    """Bind what was given.

    Args:
        cmdlet: The cmdlet's name.
        known: Its parameters on this server.
        default_set: Its default parameter set, may be empty.
        given: The frame's ``parameters``: ``name``, ``type`` and ``value`` each.
        piped: What the pipeline object offers, by parameter name, ready to use; None without a pipeline.

    Raises:
        CmdletError: PowerShell refuses it.
    """
    values: dict[str, Any] = {}
    for item in given:
        parameter = _named(cmdlet, known, str(item["name"]))
        if parameter.name in values:
            raise failure.bound_twice(cmdlet, parameter.name)
        values[parameter.name] = convert(cmdlet, parameter, str(item["type"]), item.get("value"))
    chosen = _choose_set(cmdlet, known, default_set, values, piped or {})
    for name, value in (piped or {}).items():
        if name not in values and name in known and chosen in known[name].sets:
            values[name] = value
    return Bound(cmdlet, chosen, values)


def _named(cmdlet: str, known: Mapping[str, Parameter], name: str) -> Parameter:
    """Find a parameter by name, alias, or unambiguous beginning."""
    wanted = name.lower()
    for parameter in known.values():
        if wanted in (parameter.name.lower(), *parameter.aliases):
            return parameter
    for common, alias in COMMON.items():
        if wanted in (common.lower(), alias):
            raise failure.not_simulated(f"the common parameter {common} of {cmdlet}")
    starting = [parameter for parameter in known.values() if parameter.name.lower().startswith(wanted)]
    if not starting or not wanted:
        raise failure.unknown_parameter(cmdlet, name)
    matches = [parameter.name for parameter in starting]
    matches += [common for common in COMMON if common.lower().startswith(wanted)]
    if len(matches) > 1:
        raise failure.ambiguous_parameter(cmdlet, name, matches)
    return starting[0]


def _choose_set(
    cmdlet: str,
    known: Mapping[str, Parameter],
    default_set: str,
    values: Mapping[str, Any],
    piped: Mapping[str, Any],
) -> str:
    every = sorted({name for parameter in known.values() for name in parameter.sets})
    fitting = [name for name in every if all(name in known[bound].sets for bound in values)]
    if not fitting:
        raise failure.ambiguous_set(cmdlet)
    if default_set in fitting:
        # The default is kept unless the pipeline alone decides for another.
        fitting = [default_set]
    missing = {name: _missing(known, name, values, piped) for name in fitting}
    complete = [name for name in fitting if not missing[name]]
    if len(complete) == 1:
        return complete[0]
    if len(complete) > 1 or len(fitting) > 1:
        raise failure.ambiguous_set(cmdlet)
    raise failure.missing_mandatory(cmdlet, missing[fitting[0]])


def _missing(
    known: Mapping[str, Parameter], set_name: str, values: Mapping[str, Any], piped: Mapping[str, Any]
) -> list[str]:
    return [
        parameter.name
        for parameter in known.values()
        if parameter.sets.get(set_name) and parameter.name not in values and parameter.name not in piped
    ]
