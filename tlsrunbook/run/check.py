"""``check``: is everything there that a change needs? Reads only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tlsrunbook.errors import TlsRunbookError
from tlsrunbook.ports import Authority, Shell
from tlsrunbook.site import Server, Site
from tlsrunbook.steps.model import Seen
from tlsrunbook.steps.observe import observe_server

#: What a change needs, in the order it is used. The TLS certificate name is wanted and not needed (2007 and 2010).
_NEEDED = (
    "New-ExchangeCertificate",
    "Import-ExchangeCertificate",
    "Enable-ExchangeCertificate",
    "Set-ReceiveConnector",
)
_NEEDED_TO_SEND = ("New-SendConnector", "Set-SendConnector")
_NEEDED_FOR_EDGES = ("Start-EdgeSynchronization", "Test-EdgeSynchronization")
_NEEDED_TO_SHARE = ("Export-ExchangeCertificate",)


@dataclass(frozen=True)
class CheckRow:
    """One thing that was checked.

    Args:
        subject: Server name, or ``authority``.
        what: ``reachable``, ``rights``, ``version`` ...
        ok: Whether it is as needed.
        text: What was seen.
        todo: What to do; empty when it is ok.
    """

    subject: str
    what: str
    ok: bool
    text: str
    todo: str = ""


#: Takes what was read of a server, and tells in a row what became of it.
Keep: TypeAlias = "Callable[[Server, Seen], CheckRow]"


def check_server(
    site: Site, server: Server, make_shell: Callable[[], Shell], keep: Keep | None = None
) -> list[CheckRow]:
    """Log on to a server, read its whole state, and compare its cmdlets with what a change needs.

    Args:
        site: The site.
        server: One of its servers.
        make_shell: Gives a shell, or raises when the credential is not there.
        keep: Takes what was read.
    """
    try:
        shell = make_shell()
    except TlsRunbookError as error:
        return [CheckRow(server.name, "credential", False, error.what, error.todo)]
    try:
        seen = observe_server(shell)
    except TlsRunbookError as error:
        return [CheckRow(server.name, error.code, False, error.what, error.todo)]
    finally:
        shell.close()
    kept = [keep(server, seen)] if keep else []
    return [_reached(server, seen), _rights(site, server, seen), _is_named(server, seen), *kept]


def _reached(server: Server, seen: Seen) -> CheckRow:
    version = seen.state.version
    known = bool(version.product)
    text = f"Exchange {version.product or 'of an unknown version'} {version}, {seen.state.role}, {seen.state.fqdn}"
    return CheckRow(server.name, "version", known, text, "" if known else "this version of Exchange is not known here")


def _needed(site: Site, server: Server) -> tuple[str, ...]:
    """Give the cmdlets that a change on this server needs, with what it does there for other servers."""
    needed: tuple[str, ...] = _NEEDED
    edges = site.sent_through(server.name)
    if edges or ("send" in server.roles and not server.send_through):
        needed += _NEEDED_TO_SEND
    if edges:
        needed += _NEEDED_FOR_EDGES
    if any(other.share_from == server.name for other in site.servers):
        needed += _NEEDED_TO_SHARE
    return needed


def _rights(site: Site, server: Server, seen: Seen) -> CheckRow:
    needed = _needed(site, server)
    lacking = [name for name in needed if not seen.target.knows(name)]
    if not lacking:
        return CheckRow(server.name, "rights", True, f"all {len(needed)} cmdlets that a change needs")
    todo = "give the account the roles Exchange Server Certificates, Receive Connectors and Send Connectors"
    todo += ", and Edge Subscriptions" if site.sent_through(server.name) else ""
    return CheckRow(server.name, "rights", False, f"the account has no {', '.join(lacking)}", todo)


def _is_named(server: Server, seen: Seen) -> CheckRow:
    same = seen.state.name == server.name
    todo = f"correct name or address in the site file: it is {seen.state.name} that answers"
    return CheckRow(server.name, "name", same, f"the server calls itself {seen.state.name}", "" if same else todo)


def check_authority(site: Site, authority: Authority) -> CheckRow:
    """Ask the authority about a CSR nobody has, which shows that it can be reached."""
    try:
        authority.holds(_NOBODYS_CSR, "check")
    except TlsRunbookError as error:
        return CheckRow("authority", site.authority.kind, False, error.what, error.todo)
    return CheckRow("authority", site.authority.kind, True, f"{authority.name} answers")


# A CSR made for this one question (P-256, CN=check.invalid); its key was thrown away.
_NOBODYS_CSR = """-----BEGIN CERTIFICATE REQUEST-----
MIHSMHoCAQAwGDEWMBQGA1UEAwwNY2hlY2suaW52YWxpZDBZMBMGByqGSM49AgEG
CCqGSM49AwEHA0IABG+JFKdWE/+91/T/g7B4kRTIGWNTiQElq7XRD5WtD0YGAgo3
W1YMlM9XV5gKlfuqRyVhrjv00pSaaDlD8H7lPRigADAKBggqhkjOPQQDAgNIADBF
AiAbwg3fx3UIProKPgaf+14ZntBHoqPjL3bYK2ueysfgGAIhAKGxhMlg5y7JhnFM
SsJvHRNke7RwM3cnJgVYypGJDBva
-----END CERTIFICATE REQUEST-----
"""
