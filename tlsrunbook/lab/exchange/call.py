"""One cmdlet call on its way: who runs it, with what, and how it says no."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from tlsrunbook.lab.exchange.binder import Bound
from tlsrunbook.lab.exchange.failure import CmdletError, hex_id, not_simulated
from tlsrunbook.lab.exchange.psobject import PSObject

if TYPE_CHECKING:
    from tlsrunbook.lab.exchange.world import LabServer

_TASKS = "Microsoft.Exchange.Management.SystemConfigurationTasks"
_HOST = (
    "A command that prompts the user failed because the host program or the command type does not support user "
    "interaction. The host was attempting to request confirmation with the following message: "
)


@dataclass
class Call:
    """A bound cmdlet call on a server.

    Args:
        server: Where it runs.
        bound: Its parameters.
        warnings: The warning stream, to be added to.
    """

    server: LabServer
    bound: Bound
    warnings: list[str] = field(default_factory=list)

    @property
    def cmdlet(self) -> str:
        """Its name."""
        return self.bound.cmdlet

    def get(self, name: str, default: Any = None) -> Any:
        """Give a parameter's value, or the default when it was not given."""
        return self.bound.get(name, default)

    def error(
        self,
        message: str,
        category: str = "InvalidOperation",
        *,
        kind: str = "InvalidOperationException",
        target: str = "",
    ) -> CmdletError:
        """Make an error with Exchange's kind of id.

        Args:
            message: Exchange's words.
            category: PowerShell's category.
            kind: The exception's type; ``System.`` is added when it has no namespace.
            target: What it is about.
        """
        full = kind if "." in kind else f"System.{kind}"
        short = full.rsplit(".", 1)[1]
        task = f"{hex_id(message)},{_TASKS}.{self.cmdlet.replace('-', '')}"
        if self.server.build.product in ("2007", "2010"):
            return CmdletError(message, full, category, task, target)
        stamp = self.server.us_date(self.server.now())
        place = f"[Server={self.server.name},RequestId={uuid.uuid4()},TimeStamp={stamp}]"
        return CmdletError(message, full, category, f"{place} [FailureCategory=Cmdlet-{short}] {task}", target)

    def rpc_error(self, message: str, category: str = "NotSpecified") -> CmdletError:
        """Make an error of the certificate cmdlets, which work through RPC since 2010."""
        prefix = (
            "" if self.server.build.product == "2007" else f"A special Rpc error occurs on server {self.server.name}: "
        )
        return self.error(prefix + message, category)

    def not_found(self, identity: str) -> CmdletError:
        """No object of this identity."""
        where = "localhost" if self.server.is_edge else f"dc01.{self.server.domain}"
        kind = "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException"
        message = f"The operation couldn't be performed because object '{identity}' couldn't be found on '{where}'."
        return self.error(message, "NotSpecified", kind=kind)

    def ask(self, question: str) -> None:
        """Ask a person, of whom there is none: always fails.

        Raises:
            CmdletError: PowerShell's host error.
        """
        task = f"{_TASKS}.{self.cmdlet.replace('-', '')}"
        kind = "System.Management.Automation.Host.HostException"
        raise CmdletError(_HOST + question, kind, "NotImplemented", f"HostFunctionNotImplemented,{task}")

    def confirm(self, question: str, *, always: bool = False) -> None:
        """Ask for confirmation, when the cmdlet does so by itself or was told to.

        Args:
            question: What it would ask.
            always: Whether it asks unless told ``-Confirm:$false``.
        """
        if not self.bound.what_if and self.get("Confirm", always):
            self.ask(question)

    def check_server(self) -> None:
        """Refuse a ``-Server`` that is not the server the cmdlet runs on."""
        wanted = self.get("Server")
        if wanted is not None and not self.server.is_called(str(wanted)):
            raise self.other_server(str(wanted))

    def other_server(self, wanted: str) -> CmdletError:
        """The cmdlet names another server."""
        if self.server.organization is not None and self.server.organization.find(wanted) is not None:
            return not_simulated(f"{self.cmdlet} on another server than {self.server.name}")
        return self.not_found(wanted)


#: What runs a cmdlet.
Handler: TypeAlias = Callable[[Call], Iterable[PSObject]]
