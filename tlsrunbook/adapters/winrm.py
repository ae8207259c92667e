"""PowerShell on a server over WinRM: one session, one script, every request carried out exactly once."""

from __future__ import annotations

import threading
from functools import partial

from tlsrunbook.adapters.winrm_conversation import Conversation
from tlsrunbook.adapters.winrm_errors import Trouble, WireError, opening_failed
from tlsrunbook.adapters.winrm_wire import Access, Wire
from tlsrunbook.errors import CommandFailed, DecodeError, OutcomeUnknown, SessionLost
from tlsrunbook.exchange.command import Greeting, Pipeline, Reply
from tlsrunbook.exchange.frames import greeting_of, reply_of, run_request
from tlsrunbook.secret import Credential

__all__ = ["WinrmShell"]


class WinrmShell:
    """A :class:`tlsrunbook.ports.Shell` through pywinrm.

    The first call connects. A session that has died is cleaned up, and the next call makes a new one: so the server
    can be looked at after an unknown outcome. TLS is always verified.

    Args:
        server: The server's name in messages.
        endpoint: ``https://host:port/wsman``.
        method: ``ntlm``, ``kerberos``, ``credssp``, ``certificate`` or ``basic``.
        credential: For the logon, and for the session with Exchange that the script opens on a Mailbox server.
        ca_file: PEM file with the CAs to trust for WinRM; None for those the system trusts.
        operation_timeout: How long the server holds a request when there is nothing to say, seconds.
        command_deadline: How long one pipeline may take, seconds.
        open_deadline: How long connecting and loading Exchange may take together, seconds.
        certificate_file: Client certificate as PEM, for the method ``certificate``.
        key_file: Its key.

    Raises:
        UsageError: The arguments cannot be used.
    """

    def __init__(
        self,
        server: str,
        endpoint: str,
        method: str,
        credential: Credential,
        *,
        ca_file: str | None = None,
        operation_timeout: float = 15.0,
        command_deadline: float = 180.0,
        open_deadline: float = 120.0,
        certificate_file: str | None = None,
        key_file: str | None = None,
    ) -> None:
        self._access = Access(
            server, endpoint, method, credential, ca_file, operation_timeout, certificate_file, key_file
        )
        self._command_deadline = command_deadline
        self._open_deadline = open_deadline
        self._lock = threading.Lock()
        self._session: tuple[Conversation, Greeting] | None = None

    def open(self) -> Greeting:
        """Connect, load Exchange, and tell what the server can. Repeated calls give the same greeting.

        Raises:
            ConnectionFailed: The server could not be reached; :class:`LogonFailed` and :class:`UntrustedServer` too.
            CommandFailed: Exchange's cmdlets could not be loaded.
            DecodeError: The answer was not understood.
            UsageError: The way to log on needs a package that is not installed.
        """
        with self._lock:
            return self._ready()[1]

    def run(self, pipeline: Pipeline) -> Reply:
        """Run one or two commands, exactly once. Errors of the server are in the reply.

        Raises:
            SessionLost: The session ended, and nothing was changed.
            OutcomeUnknown: The session ended after a change was sent.
            DecodeError: The answer was not understood.
            ConnectionFailed: As for :meth:`open`, when there was no session yet.
            CommandFailed: As for :meth:`open`.
            ValueError: The pipeline cannot be sent as it is.
        """
        with self._lock:
            conversation, _ = self._ready()
            try:
                answer = conversation.ask(lambda: run_request(pipeline), self._command_deadline)
                return reply_of(answer, secret=pipeline[-1].secret)
            except WireError as error:
                lost = self._lost(pipeline, error, conversation.may_have_run)
                self._drop()
                raise lost from error
            except DecodeError:
                self._drop()
                raise

    def read(self, *pipelines: Pipeline) -> tuple[Reply, ...]:
        """Run pipelines that only read, in order; they travel together. Errors of the server are in the replies.

        Where a connection breaks, what was not answered is asked again.

        Raises:
            SessionLost: The session ended.
            DecodeError: An answer was not understood.
            ConnectionFailed: As for :meth:`open`, when there was no session yet.
            CommandFailed: As for :meth:`open`.
            ValueError: One of them changes something, or cannot be sent as it is.
        """
        if any(command.changes for pipeline in pipelines for command in pipeline):
            raise ValueError("what changes something travels alone")
        with self._lock:
            conversation, _ = self._ready()
            try:
                makes = [partial(run_request, pipeline) for pipeline in pipelines]
                answers = conversation.ask_all(makes, self._command_deadline * max(1, len(pipelines)))
                return tuple(
                    reply_of(answer, secret=pipeline[-1].secret)
                    for answer, pipeline in zip(answers, pipelines, strict=True)
                )
            except WireError as error:
                lost = self._lost(tuple(command for pipeline in pipelines for command in pipeline), error, True)
                self._drop()
                raise lost from error
            except DecodeError:
                self._drop()
                raise

    def close(self) -> None:
        """End the PowerShell and the session, whatever state they are in. Never raises."""
        with self._lock:
            self._drop()

    def _ready(self) -> tuple[Conversation, Greeting]:
        if self._session is None:
            conversation = Conversation(Wire(self._access))
            try:
                self._session = conversation, self._greet(conversation)
            finally:
                if self._session is None:
                    conversation.end()
        return self._session

    def _greet(self, conversation: Conversation) -> Greeting:
        access = self._access
        try:
            reply = reply_of(conversation.open(access.credential, self._open_deadline))
        except WireError as error:
            raise opening_failed(
                error,
                where=access.where,
                method=access.method,
                credential=access.credential.name,
                user=access.credential.user,
            ) from error
        if reply.failed:
            fault = reply.errors[0]
            raise CommandFailed(
                f"Exchange's cmdlets could not be loaded: {fault.message}",
                where=access.where,
                todo=f"check that {access.credential.user} may administer Exchange, and that its services run",
                category=fault.category,
                error_id=fault.error_id,
            )
        return greeting_of(reply)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session[0].end()

    def _lost(self, pipeline: Pipeline, error: WireError, may_have_run: bool) -> SessionLost | OutcomeUnknown:
        names = " | ".join(command.name for command in pipeline)
        if may_have_run and any(command.changes for command in pipeline):
            return OutcomeUnknown(
                f"{names} was sent and its outcome is not known: {error.detail}",
                where=self._access.where,
                todo="look at the server before anything is sent again; running the step again does that",
            )
        when = "before its answer" if may_have_run else "before it could be sent, so nothing was changed"
        advice = "run the step again"
        if error.trouble is Trouble.LOGON:
            advice = f"check the credential {self._access.credential.name!r}, then run the step again"
        return SessionLost(
            f"{names}: the session ended {when}: {error.detail}", where=self._access.where, todo=error.todo or advice
        )
