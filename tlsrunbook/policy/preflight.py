"""What would be refused or go wrong is said before it is sent.

Each command is judged by the object it would leave behind: the connector as it is with the command's parameters over
it, or the defaults of a new one. The state has to be the one the command will meet; :func:`preflight_all` judges a
sequence.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from tlsrunbook.exchange.command import Command, Pipeline
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.policy.expected import after
from tlsrunbook.policy.finding import Finding, Severity
from tlsrunbook.policy.preflight_case import Case, Rule
from tlsrunbook.policy.preflight_certificate import CERTIFICATE_RULES
from tlsrunbook.policy.preflight_receive import RECEIVE_RULES
from tlsrunbook.policy.preflight_send import SEND_RULES
from tlsrunbook.policy.preflight_server import SERVER_RULES

_RULES: tuple[Rule, ...] = (*RECEIVE_RULES, *SEND_RULES, *SERVER_RULES, *CERTIFICATE_RULES)

#: Rule id -> what it demands, for the docs.
RULES: dict[str, str] = {rule.id: rule.sentence for rule in _RULES}

#: Exchange's rules that nobody can judge from a command and the server's state, and why.
NOT_JUDGED: dict[str, str] = {
    "cert-network-service-acl": "Whether the account may change the private key's access list shows when it is tried.",
    "rc-tlscertname-selection": "Which certificate is taken shows at run time; verify judges it on the wire.",
}


def preflight(pipeline: Pipeline, state: ServerState) -> tuple[Finding, ...]:
    """Judge a pipeline before it is sent.

    Args:
        pipeline: One or two commands. Values that are known later are not judged.
        state: The server as the pipeline will meet it.

    Returns:
        One finding of severity ``refuse`` per problem; empty when the pipeline may be sent.
    """
    return tuple(finding for command in pipeline for finding in _judge(Case(command, state)))


def preflight_all(pipelines: Iterable[Pipeline], state: ServerState) -> tuple[Finding, ...]:
    """Judge pipelines that are sent one after the other, each on the state the ones before it leave."""
    findings: list[Finding] = []
    for pipeline in pipelines:
        findings += preflight(pipeline, state)
        state = after(pipeline, state)
    return tuple(findings)


def _judge(case: Case) -> Iterable[Finding]:
    for rule in _RULES:
        if _applies(rule, case):
            for message in rule.judge(case):
                yield Finding(rule.id, Severity.REFUSE, message, rule.todo, case.target)


def _applies(rule: Rule, case: Case) -> bool:
    if not _named(rule, case.command):
        return False
    return not rule.about or case.makes or case.gives(*rule.about)


def _named(rule: Rule, command: Command) -> bool:
    return any(fnmatchcase(command.name.lower(), pattern.lower()) for pattern in rule.on)
