"""Reads a server's whole state: every read works, or the step fails."""

from __future__ import annotations

from tlsrunbook.errors import CommandFailed
from tlsrunbook.exchange import cmdlets, decode
from tlsrunbook.exchange.command import Command, Reply
from tlsrunbook.exchange.decode_file import ServerFile
from tlsrunbook.exchange.version import ExchangeVersion, Target
from tlsrunbook.ports import Shell
from tlsrunbook.steps.model import Seen


def ask(shell: Shell, *pipeline: Command) -> Reply:
    """Run a pipeline and give its reply.

    Raises:
        CommandFailed: The server answered with an error; the first one is told in its own words.
    """
    reply = shell.run(pipeline)
    if reply.errors:
        fault = reply.errors[0]
        raise CommandFailed(
            fault.message,
            where=pipeline[-1].name if len(pipeline) == 1 else " | ".join(command.name for command in pipeline),
            todo="read the server's message; nothing else of this step was sent after it",
            category=fault.category,
            error_id=fault.error_id,
        )
    return reply


def observe_server(shell: Shell) -> Seen:
    """Read everything the steps decide on.

    Raises:
        ConnectionFailed: The server could not be reached.
        CommandFailed: A read was answered with an error.
        DecodeError: An answer was not understood.
    """
    greeting = shell.open()
    first = Target(greeting.computer, greeting.is_edge, ExchangeVersion(0, 0, 0, 0), greeting.parameters)
    facts = decode.decode_exchange_server(ask(shell, cmdlets.get_exchange_server(first)), greeting.computer)
    target = Target(greeting.computer, facts.is_edge, facts.version, greeting.parameters)
    store = decode.decode_store(ask(shell, cmdlets.get_store_certificates(target)))
    files = observe_files(shell, target, greeting.folder)
    certificates = decode.decode_certificates(ask(shell, cmdlets.get_certificates(target)))
    state = decode.server_state(
        facts,
        edge_subscriptions=decode.decode_edge_subscriptions(ask(shell, cmdlets.get_edge_subscriptions(target))),
        certificates=decode.with_requests(certificates, files),
        internal_transport_thumbprint=decode.decode_transport_service(
            ask(shell, cmdlets.get_transport_service(target))
        ),
        receive_connectors=decode.decode_receive_connectors(ask(shell, cmdlets.get_receive_connectors(target))),
        send_connectors=decode.decode_send_connectors(ask(shell, cmdlets.get_send_connectors(target))),
        store=store,
    )
    return Seen(greeting, target, state, tuple(der for _, der in store), files=files)


def observe_files(shell: Shell, target: Target, folder: str) -> tuple[ServerFile, ...]:
    """Read the runbook's own files where Exchange writes a CSR to a file (2007); no other version has any."""
    if cmdlets.gives_csr_as_text(target) or not folder:
        return ()
    return decode.decode_files(ask(shell, cmdlets.get_server_files(target, folder)))
