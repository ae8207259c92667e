"""Reads a server's whole state: every read works, or the step fails."""

from __future__ import annotations

from collections.abc import Sequence

from tlsrunbook.errors import CommandFailed, DecodeError
from tlsrunbook.exchange import cmdlets, decode
from tlsrunbook.exchange.command import Command, Greeting, Pipeline, Reply
from tlsrunbook.exchange.decode_file import ServerFile
from tlsrunbook.exchange.version import ExchangeVersion, Target
from tlsrunbook.ports import Shell
from tlsrunbook.steps.model import Seen


def ask(shell: Shell, *pipeline: Command) -> Reply:
    """Run a pipeline and give its reply.

    Raises:
        CommandFailed: The server answered with an error; the first one is told in its own words.
    """
    return _answered(shell.run(pipeline), pipeline, "nothing else of this step was sent after it")


def ask_all(shell: Shell, *reads: Command) -> tuple[Reply, ...]:
    """Run commands that only read, together, and give their replies.

    Raises:
        CommandFailed: The server answered one with an error; the first one is told in its own words.
    """
    replies = shell.read(*((command,) for command in reads))
    return tuple(_read_well(reply, command) for reply, command in zip(replies, reads, strict=True))


def _read_well(reply: Reply, command: Command) -> Reply:
    return _answered(reply, (command,), "nothing of this step was sent after it that changes anything")


def _answered(reply: Reply, pipeline: Pipeline, meaning: str) -> Reply:
    if reply.errors:
        fault = reply.errors[0]
        raise CommandFailed(
            fault.message,
            where=pipeline[-1].name if len(pipeline) == 1 else " | ".join(command.name for command in pipeline),
            todo=f"read the server's message; {meaning}",
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
    facts, target, replies = _read(shell, greeting)
    store_reply, listed, subscriptions, transport, receive, send, *own = replies
    store = decode.decode_store(store_reply)
    files = _read_files(own)
    state = decode.server_state(
        facts,
        edge_subscriptions=decode.decode_edge_subscriptions(subscriptions),
        certificates=decode.with_requests(decode.decode_certificates(listed), files),
        internal_transport_thumbprint=decode.decode_transport_service(transport),
        receive_connectors=decode.decode_receive_connectors(receive),
        send_connectors=decode.decode_send_connectors(send),
        store=store,
    )
    return Seen(greeting, target, state, tuple(der for _, der in store), files=files)


def _read(shell: Shell, greeting: Greeting) -> tuple[decode.ServerFacts, Target, Sequence[Reply]]:
    """Ask who the server is, and in the same go what a server is asked of the version that its files have.

    Should it then name another version that is asked otherwise, that is asked anew.
    """
    guess = Target(greeting.computer, greeting.is_edge, _file_version(greeting), greeting.parameters)
    who, asked = cmdlets.get_exchange_server(guess), _reads(guess, greeting.folder)
    own, *replies = shell.read((who,), *((read,) for read in asked))
    facts = decode.decode_exchange_server(_read_well(own, who), greeting.computer)
    target = Target(greeting.computer, facts.is_edge, facts.version, greeting.parameters)
    wanted = _reads(target, greeting.folder)
    if wanted != asked:
        return facts, target, ask_all(shell, *wanted)
    return facts, target, [_read_well(reply, read) for reply, read in zip(replies, asked, strict=True)]


def _file_version(greeting: Greeting) -> ExchangeVersion:
    try:
        return ExchangeVersion.parse(greeting.exchange)
    except DecodeError:
        return ExchangeVersion(0, 0, 0, 0)


def _reads(target: Target, folder: str) -> tuple[Command, ...]:
    return (
        cmdlets.get_store_certificates(target),
        cmdlets.get_certificates(target),
        cmdlets.get_edge_subscriptions(target),
        cmdlets.get_transport_service(target),
        cmdlets.get_receive_connectors(target),
        cmdlets.get_send_connectors(target),
        *_files(target, folder),
    )


def _files(target: Target, folder: str) -> tuple[Command, ...]:
    """Where Exchange writes a CSR to a file (2007), the runbook's own files are read; no other version has any."""
    if cmdlets.gives_csr_as_text(target) or not folder:
        return ()
    return (cmdlets.get_server_files(target, folder),)


def _read_files(replies: Sequence[Reply]) -> tuple[ServerFile, ...]:
    return tuple(file for reply in replies for file in decode.decode_files(reply))
