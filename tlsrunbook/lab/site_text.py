"""The site file of a lab's site: what a person would write for it, with the reasons."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlsrunbook.lab.exchange.builds import parse_version
from tlsrunbook.lab.places import ServerPlan, SitePlan

#: What the lab's one credential is called.
CREDENTIAL = "lab-admin"
_COLUMN = 39


@dataclass(frozen=True)
class Reach:
    """Where a server is reached.

    Args:
        address: For WinRM.
        port: WinRM's port.
        smtp: ``address:port`` of what is port 25 to the Internet.
    """

    address: str
    port: int
    smtp: str


@dataclass(frozen=True)
class Surroundings:
    """What all servers of a lab share.

    Args:
        authority_url: The lab's CA.
        roots: PEM file with its root.
        dns: ``address:port`` of the lab's DNS server.
        credentials: TOML file with the credential.
        winrm_ca: PEM file of the CA that signed the WinRM certificates.
        review_year: Year in which the never-TLS domain is looked at again.
        product: ``2007`` to ``SE``, where a server's plan does not say: old ones need more of a site file.
    """

    authority_url: str
    roots: Path
    dns: str
    credentials: Path
    winrm_ca: Path
    review_year: int
    product: str = "SE"


_INTERNET_CONNECTOR = """
# Made by the step activate: its Fqdn is the public one, and its authentication is Tls alone.
[servers.internet_connector]
name = "From the Internet {server}"
bindings = ["192.0.2.25:25"]            # the address of this server that the firewall sends mail to
"""


def site_text(site: SitePlan, around: Surroundings, reach: Mapping[str, Reach]) -> str:
    """Write a site file.

    Args:
        site: The site.
        around: What its servers share.
        reach: By server name.
    """
    servers = "\n".join(_server(server, reach[server.name], around) for server in site.servers)
    return f"{_head(site, around)}\n{servers}\n{_connectors(site, around.review_year)}"


def _head(site: SitePlan, around: Surroundings) -> str:
    return f"""\
# A site of the lab. It is valid while that lab runs: the ports are other ones each time.
# docs/site-file.md explains every key.

name = {_quoted(site.name)}

[certificate]
{_line("country", site.country, "write it: some CAs need it at renewal")}
{_line("organization", "Example Corp", "the registered name of who owns the domains")}
key_size = 2048
{_line("exportable", False, "the private key stays on its server")}
friendly_name = "tlsrunbook smtp"
renew_before_days = 30

[authority]
{_line("kind", "lab", 'signs at once; "folder" is a person who takes CSRs to a CA')}
url = {_quoted(around.authority_url)}
roots = {_quoted(around.roots)}

[policy]
approval = "none"
{_default_smtp_certificate({_product(server, around) for server in site.servers})}
{_line("waves", [1, "25%", "100%"], "one server first, then a quarter, then all")}
stop_after_failures = 1

[dns]
server = {_quoted(around.dns)}

[credentials]
file = {_quoted(around.credentials)}
"""


def _product(server: ServerPlan, around: Surroundings) -> str:
    return parse_version(server.version).product if server.version else around.product


def _default_smtp_certificate(products: Container[str]) -> str:
    if "2007" in products:
        return _line("default_smtp_certificate", "replace", "Exchange 2007 has one certificate for SMTP: it moves")
    return _line("default_smtp_certificate", "keep", "internal mail flow and Edge Subscriptions depend on it")


def _server(server: ServerPlan, reach: Reach, around: Surroundings) -> str:
    old = _product(server, around) in ("2007", "2010")
    tied = (
        "it gets a receive connector of its own for the Internet."
        if old
        else ("the public certificate is tied to it by its TLS certificate name.")
    )
    role = (
        "Edge Transport server: its default receive connector answers with the public name."
        if server.is_edge
        else f"{'Hub Transport' if old else 'Mailbox'} server: its default receive connector has to answer with "
        f"{server.internal_fqdn},\n# so {tied}"
    )
    return f"""\
# {role}
[[servers]]
name = {_quoted(server.name)}
{_line("address", reach.address, "where WinRM answers")}
{_line("fqdn", server.fqdn, "what the world sees: the certificate's common name")}
{_line("names", [], "further names on the certificate")}
roles = ["send", "receive"]
{_through(server)}{_line("endpoints", [reach.smtp], "what is port 25 to the Internet; verified by a real handshake")}

[servers.logon]
method = "ntlm"
port = {reach.port}
ca_file = {_quoted(around.winrm_ca)}
{_line("credential", CREDENTIAL, "a name; user and password are in the credentials file")}
{"" if server.is_edge or not old else _INTERNET_CONNECTOR}"""


def _through(server: ServerPlan) -> str:
    if not server.send_through:
        return ""
    why = "it is subscribed: that server makes its send connectors, EdgeSync brings them"
    return f"{_line('send_through', server.send_through, why)}\n"


def _connectors(site: SitePlan, review_year: int) -> str:
    return f"""\
# Partners agreed to TLS: without it, mail to them waits.
[send_connectors.required]
name = "TLS required {{server}}"
domains = ["partner.example.org"]

# Somewhere to put a domain whose TLS is broken, so that its mail still leaves.
[send_connectors.never]
name = "TLS never {{server}}"

[[send_connectors.never.domains]]
domain = "broken.example.org"
reason = "their certificate expired and they were told"
owner = {_quoted(f"postmaster@{site.domain}")}
review = {review_year}-01-31

# Everybody else: TLS where the other side offers it.
[send_connectors.default]
name = "Internet {{server}}"
"""


def _quoted(value: str | Path) -> str:
    # What JSON escapes in a text, TOML escapes in the same way.
    return json.dumps(str(value), ensure_ascii=False)


def _line(key: str, value: str | bool | Sequence[str | int], why: str) -> str:
    """Write a key with its reason; the reasons stand in one column where there is room."""
    return f"{f'{key} = {json.dumps(value, ensure_ascii=False)}':<{_COLUMN}} # {why}"
