"""An error as a cmdlet gives it, and PowerShell's own texts."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass

_BINDING = "System.Management.Automation.ParameterBindingException"
_VALIDATION = "System.Management.Automation.ParameterBindingValidationException"
_TRANSFORMATION = "System.Management.Automation.ParameterBindingArgumentTransformationException"


@dataclass
class CmdletError(Exception):
    """An entry of the error stream; it ends the pipeline.

    Args:
        message: What the server says.
        kind: The .NET exception's type name.
        category: PowerShell's category.
        error_id: The fully qualified error id.
        target: What it is about, may be empty.
    """

    message: str
    kind: str = "System.InvalidOperationException"
    category: str = "NotSpecified"
    error_id: str = ""
    target: str = ""

    def __str__(self) -> str:
        return self.message

    def as_answer(self) -> dict[str, str]:
        """Give it as an answer frame's ``errors`` entry."""
        return asdict(self)


def hex_id(message: str) -> str:
    """Eight hex digits, the same for the same text, as Exchange's error ids begin."""
    return f"{zlib.crc32(message.encode()):08X}"


def not_simulated(what: str) -> CmdletError:
    """Say openly that the lab cannot do this; never a success that did nothing."""
    message = f"not simulated by the lab: {what}"
    return CmdletError(message, "System.NotImplementedException", "NotImplemented", "NotSimulatedByTheLab")


def unknown_command(name: str) -> CmdletError:
    """PowerShell does not know the cmdlet."""
    return CmdletError(
        f"The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program. "
        "Check the spelling of the name, or if a path was included, verify that the path is correct and try again.",
        "System.Management.Automation.CommandNotFoundException",
        "ObjectNotFound",
        "CommandNotFoundException",
        name,
    )


def unknown_parameter(cmdlet: str, name: str) -> CmdletError:
    """PowerShell does not know the parameter."""
    message = f"A parameter cannot be found that matches parameter name '{name}'."
    return CmdletError(message, _BINDING, "InvalidArgument", f"NamedParameterNotFound,{cmdlet}")


def ambiguous_parameter(cmdlet: str, name: str, matches: list[str]) -> CmdletError:
    """An abbreviated parameter name fits several."""
    found = " ".join(f"-{match}" for match in matches)
    message = (
        f"Parameter cannot be processed because the parameter name '{name}' is ambiguous. "
        f"Possible matches include: {found}."
    )
    return CmdletError(message, _BINDING, "InvalidArgument", f"AmbiguousParameter,{cmdlet}")


def bound_twice(cmdlet: str, name: str) -> CmdletError:
    """A parameter is given twice, under two spellings."""
    message = (
        f"Cannot bind parameter because parameter '{name}' is specified more than once. To provide multiple values "
        "to parameters that can accept multiple values, use the array syntax. For example, "
        '"-parameter value1,value2,value3".'
    )
    return CmdletError(message, _BINDING, "InvalidArgument", f"ParameterAlreadyBound,{cmdlet}")


def ambiguous_set(cmdlet: str) -> CmdletError:
    """No parameter set holds all that was given."""
    message = "Parameter set cannot be resolved using the specified named parameters."
    return CmdletError(message, _BINDING, "InvalidArgument", f"AmbiguousParameterSet,{cmdlet}")


def missing_mandatory(cmdlet: str, names: list[str]) -> CmdletError:
    """Mandatory parameters are missing, and a non-interactive host cannot ask for them."""
    listed = " ".join(names)
    message = f"Cannot process command because of one or more missing mandatory parameters: {listed}."
    return CmdletError(message, _BINDING, "InvalidArgument", f"MissingMandatoryParameter,{cmdlet}")


def null_argument(cmdlet: str, name: str, *, empty: bool) -> CmdletError:
    """A mandatory parameter got $null or an empty string."""
    what, identifier = ("an empty string", "EmptyString") if empty else ("null", "Null")
    message = f"Cannot bind argument to parameter '{name}' because it is {what}."
    return CmdletError(
        message, _VALIDATION, "InvalidData", f"ParameterArgumentValidationError{identifier}NotAllowed,{cmdlet}"
    )


def transformation(cmdlet: str, name: str, reason: str) -> CmdletError:
    """A value cannot become the parameter's type."""
    message = f"Cannot process argument transformation on parameter '{name}'. {reason}"
    return CmdletError(message, _TRANSFORMATION, "InvalidData", f"ParameterArgumentTransformationError,{cmdlet}")


def validation(cmdlet: str, name: str, reason: str) -> CmdletError:
    """A value has the right type and is not allowed."""
    message = f"Cannot validate argument on parameter '{name}'. {reason}"
    return CmdletError(message, _VALIDATION, "InvalidData", f"ParameterArgumentValidationError,{cmdlet}")
