"""What the cmdlets for send and for receive connectors have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tlsrunbook.lab.exchange.call import Call
from tlsrunbook.lab.exchange.connector_rules import Rule
from tlsrunbook.lab.exchange.directory import Connector
from tlsrunbook.lab.exchange.failure import CmdletError
from tlsrunbook.lab.exchange.psobject import PSObject

_VALIDATION = "Microsoft.Exchange.Data.DataValidationException"
_EXISTS = "Microsoft.Exchange.Data.Directory.ADObjectAlreadyExistsException"


def refuse(call: Call, message: str, connector: Connector | None = None) -> CmdletError:
    """The directory would not take the object."""
    return call.error(message, "InvalidOperation", kind=_VALIDATION, target=connector.identity if connector else "")


def already_exists(call: Call, name: str) -> CmdletError:
    """There is an object of this name."""
    where = "localhost" if call.server.is_edge else f"dc01.{call.server.domain}"
    return call.error(
        f"Active Directory operation failed on {where}. The object '{name}' already exists.", "WriteError", kind=_EXISTS
    )


def check(call: Call, rules: Iterable[Rule], connector: Connector, touched: Iterable[str]) -> None:
    """Refuse a connector, as it would become, by the first rule it breaks.

    Raises:
        CmdletError: With the rule's text.
    """
    names = set(touched)
    for rule in rules:
        if rule.touches & names and rule.broken(connector):
            raise call.error(rule.message, "InvalidOperation", target=connector.identity)


def alter(connector: Connector, values: Mapping[str, Any]) -> Connector:
    """Give a connector as it will be when these parameters are applied."""
    changed = connector.copy()
    changed.properties.update({name: value for name, value in values.items() if name in connector.properties})
    changed.name = str(values.get("Name") or connector.name)
    return changed


def warn_if_same(call: Call, before: Connector, after: Connector) -> bool:
    """Warn when a Set command changes nothing; says whether it does not."""
    same = before.properties == after.properties and before.name == after.name
    if same:
        call.warnings.append(
            f"The command completed successfully but no settings of '{before.identity}' have been modified."
        )
    return same


def connector_object(connector: Connector, kind: str, extra: Mapping[str, object]) -> PSObject:
    """Show a connector."""
    properties = {
        **connector.properties,
        "Name": connector.name,
        "Identity": connector.identity,
        "Guid": connector.guid,
        "IsValid": True,
        **extra,
    }
    return PSObject(kind, properties, {"Identity": connector.identity})
