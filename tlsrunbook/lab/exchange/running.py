"""Loading the cmdlets, and running pipelines of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tlsrunbook.lab.exchange import (
    certificate_enable,
    certificate_get,
    certificate_import,
    certificate_new,
    edge_cmdlets,
    file_cmdlets,
    receive_connectors,
    send_connectors,
    server_cmdlets,
    store_cmdlets,
)
from tlsrunbook.lab.exchange.binder import Bound, bind
from tlsrunbook.lab.exchange.call import Call, Handler
from tlsrunbook.lab.exchange.failure import CmdletError, not_simulated, unknown_command
from tlsrunbook.lab.exchange.psobject import PSObject, project
from tlsrunbook.lab.exchange.table import Parameter, cmdlets_of, default_set, parameters_of

if TYPE_CHECKING:
    from tlsrunbook.lab.exchange.world import LabServer

_HANDLERS: dict[str, Handler] = {
    "New-ExchangeCertificate": certificate_new.new_certificate,
    "Get-ExchangeCertificate": certificate_get.get_certificates,
    "Import-ExchangeCertificate": certificate_import.import_certificate,
    "Export-ExchangeCertificate": certificate_get.export_certificate,
    "Enable-ExchangeCertificate": certificate_enable.enable,
    "Remove-ExchangeCertificate": certificate_enable.remove,
    "New-SendConnector": send_connectors.new_send,
    "Get-SendConnector": send_connectors.get_send,
    "Set-SendConnector": send_connectors.set_send,
    "Remove-SendConnector": send_connectors.remove_send,
    "New-ReceiveConnector": receive_connectors.new_receive,
    "Get-ReceiveConnector": receive_connectors.get_receive,
    "Set-ReceiveConnector": receive_connectors.set_receive,
    "Remove-ReceiveConnector": receive_connectors.remove_receive,
    "Get-ExchangeServer": server_cmdlets.get_servers,
    "Get-TransportService": server_cmdlets.get_transport,
    "Get-TransportServer": server_cmdlets.get_transport,
    "Get-AcceptedDomain": server_cmdlets.get_accepted_domains,
    "Get-Queue": server_cmdlets.get_queues,
    "Test-SmtpConnectivity": server_cmdlets.test_smtp,
    "Get-EdgeSubscription": edge_cmdlets.get_subscription,
    "New-EdgeSubscription": edge_cmdlets.new_subscription,
    "Remove-EdgeSubscription": edge_cmdlets.remove_subscription,
    "Start-EdgeSynchronization": edge_cmdlets.start_synchronization,
    "Test-EdgeSynchronization": edge_cmdlets.test_synchronization,
    "Get-StoreCertificate": store_cmdlets.get_store,
    "Add-StoreCertificate": store_cmdlets.add_store,
    "Remove-StoreCertificate": store_cmdlets.remove_store,
    "Get-ServerFile": file_cmdlets.get_files,
    "Set-ServerFile": file_cmdlets.set_file,
    "Remove-ServerFile": file_cmdlets.remove_file,
}

#: Cmdlets that the table knows and the lab answers with an error of its own, because the runbook has no use for them.
NOT_SIMULATED = (
    "Set-ExchangeServer",
    "Set-TransportService",
    "Set-TransportServer",
    "Get-FrontendTransportService",
    "Set-FrontendTransportService",
    "Get-TransportConfig",
    "Set-TransportConfig",
)


def answer(
    objects: Sequence[Mapping[str, Any]], warnings: Sequence[str] = (), errors: Sequence[CmdletError] = ()
) -> dict[str, Any]:
    """Make the body of an answer frame."""
    return {
        "ok": not errors,
        "objects": [dict(item) for item in objects],
        "warnings": list(warnings),
        "errors": [error.as_answer() for error in errors],
    }


def load(server: LabServer, user: str, password: str) -> dict[str, Any]:
    """Load Exchange: on Edge by snap-in, on a Mailbox server through a session that needs the credential."""
    if not server.is_edge:
        # Exchange 2007 has no remote shell to log on to: its snap-in runs as whoever WinRM let in.
        wrong = server.build.product != "2007" and not server.check_credential(user, password)
        if wrong or server.faults.hits("hop-refused", server.name):
            return answer((), errors=(_access_denied(server),))
    was = server.reported
    known: Mapping[str, Iterable[str]] = (
        was.parameters
        if was
        else {
            name: parameters_of(name, server.build, server.is_edge) for name in cmdlets_of(server.build, server.is_edge)
        }
    )
    greeting = {
        "Computer": server.name,
        "PowerShell": was.powershell if was else server.build.powershell,
        "IsEdge": str(server.is_edge),
        "Exchange": was.exchange if was else server.build.file_version,
        "Parameters": [f"{name}={','.join(sorted(parameters))}" for name, parameters in known.items()],
        "Folder": server.folder,
    }
    return answer((greeting,))


def _access_denied(server: LabServer) -> CmdletError:
    return CmdletError(
        f"[{server.fqdn}] Connecting to remote server {server.fqdn} failed with the following error message : Access "
        "is denied. For more information, see the about_Remote_Troubleshooting Help topic.",
        "System.Management.Automation.Remoting.PSRemotingTransportException",
        "OpenError",
        "AccessDenied,PSSessionOpenFailed",
    )


def execute(server: LabServer, commands: Sequence[Mapping[str, Any]], select: Sequence[str]) -> dict[str, Any]:
    """Run one command, or two of which the first feeds the second."""
    warnings: list[str] = []
    objects: list[PSObject] = []
    with server.lock:
        try:
            _pipeline(server, commands, objects, warnings)
        except CmdletError as error:
            return answer([project(item, select) for item in objects], warnings, (error,))
        return answer([project(item, select) for item in objects], warnings)


def _pipeline(
    server: LabServer, commands: Sequence[Mapping[str, Any]], objects: list[PSObject], warnings: list[str]
) -> None:
    if not 1 <= len(commands) <= 2:
        raise not_simulated(f"a pipeline of {len(commands)} commands")
    steps = [_Step(server, command) for command in commands]
    if len(steps) == 1:
        objects.extend(steps[0].run(None, warnings))
        return
    # PowerShell binds what is named in the second command before the first one runs.
    steps[1].bind_ahead()
    for item in steps[0].run(None, warnings):
        objects.extend(steps[1].run(item, warnings))


class _Step:
    """One command of a pipeline."""

    def __init__(self, server: LabServer, command: Mapping[str, Any]) -> None:
        self._server = server
        self._given: Sequence[Mapping[str, Any]] = command["parameters"]
        self._name, self._known = self._resolve(str(command["name"]))

    def _resolve(self, wanted: str) -> tuple[str, Mapping[str, Parameter]]:
        for name, own in {**store_cmdlets.STORE_PARAMETERS, **file_cmdlets.FILE_PARAMETERS}.items():
            if name.lower() == wanted.lower():
                return name, own
        was = self._server.reported
        for name in cmdlets_of(self._server.build, self._server.is_edge):
            if name.lower() == wanted.lower() and (was is None or name in was.parameters):
                return name, parameters_of(name, self._server.build, self._server.is_edge)
        raise unknown_command(wanted)

    def bind_ahead(self) -> None:
        """Bind what is named, taking for granted that the pipeline brings the rest."""
        self._bind({name: None for name, parameter in self._known.items() if parameter.pipeline})

    def _bind(self, piped: Mapping[str, Any] | None) -> Bound:
        return bind(self._name, self._known, default_set(self._name, self._server.build), self._given, piped)

    def run(self, item: PSObject | None, warnings: list[str]) -> list[PSObject]:
        """Run for one pipeline object, or without any."""
        takes = {name for name, parameter in self._known.items() if parameter.pipeline}
        offered = {name: value for name, value in item.pipeline.items() if name in takes} if item else None
        bound = self._bind(offered)
        if self._server.faults.hits("exchange-error", self._server.name, self._name):
            message = "The directory service is unavailable. (This is the lab's fault exchange-error.)"
            raise Call(self._server, bound).error(message, "ResourceUnavailable")
        handler = _HANDLERS.get(self._name)
        if handler is None:
            raise not_simulated(self._name)
        return list(handler(Call(self._server, bound, warnings)))
