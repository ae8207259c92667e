"""The site file as a model: what is wanted, and nothing of what is.

Every table is a frozen pydantic model that refuses unknown keys. ``names`` and ``values`` check single values,
``together`` what only shows between keys; ``load`` reads the file and reports all problems at once.
"""

from __future__ import annotations

import difflib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, PrivateAttr, field_validator, model_validator

from tlsrunbook.errors import UsageError
from tlsrunbook.site import names, values
from tlsrunbook.site.settings import (
    AuthoritySettings,
    CertificateSettings,
    CredentialsSettings,
    Dns,
    Logon,
    Policy,
    Rehearsal,
    Table,
    Text,
)
from tlsrunbook.site.together import together
from tlsrunbook.site.wrong import TOGETHER, wrong

ServerName: TypeAlias = Annotated[str, AfterValidator(names.netbios)]
Address: TypeAlias = Annotated[str, AfterValidator(names.host)]
Fqdn: TypeAlias = Annotated[str, AfterValidator(names.fqdn)]
PublicName: TypeAlias = Annotated[str, AfterValidator(names.public_name)]
Domain: TypeAlias = Annotated[str, AfterValidator(names.address_space)]
SmartHost: TypeAlias = Annotated[str, AfterValidator(names.smart_host)]
Binding: TypeAlias = Annotated[str, AfterValidator(names.binding)]
IpRange: TypeAlias = Annotated[str, AfterValidator(names.ip_range)]
Endpoint: TypeAlias = Annotated[str, AfterValidator(names.endpoint)]
ConnectorName: TypeAlias = Annotated[Text, AfterValidator(values.connector_name)]
Filled: TypeAlias = Annotated[Text, AfterValidator(values.filled)]
Role: TypeAlias = Literal["send", "receive"]


class InternetConnector(Table):
    """A receive connector of its own for mail from the Internet, which 2007 and 2010 need beside their default one."""

    name: ConnectorName = Field(
        description="Name of the receive connector. `{server}` becomes the server's name.",
        examples=["Internet {server}"],
    )
    bindings: Annotated[tuple[Binding, ...], Field(min_length=1)] = Field(
        description="Where it listens, `address:25`: an address of this server that no other connector takes.",
        examples=[["192.0.2.25:25"]],
    )
    remote_ip_ranges: tuple[IpRange, ...] = Field(
        default=(),
        description="Who may connect, such as the filter in front. Empty: the whole Internet.",
        examples=[["198.51.100.0/24"]],
    )

    def name_for(self, server: str) -> str:
        """Give the connector's name on this server.

        Args:
            server: The server's NetBIOS name.
        """
        return self.name.replace(values.SERVER_PLACEHOLDER, server.upper())


class Server(Table):
    """One Exchange server."""

    name: ServerName = Field(
        description="Short (NetBIOS) name, at most 15 characters; kept in upper case.", examples=["EDGE1"]
    )
    address: Address = Field(
        description="Where WinRM answers: a name or an IP address.", examples=["edge1.example.net"]
    )
    fqdn: Fqdn = Field(
        description="The public name its connectors answer with: the certificate's common name.",
        examples=["mx1.example.net"],
    )
    names: tuple[PublicName, ...] = Field(
        default=(), description="Further names on the certificate.", examples=[["smtp.example.net"]]
    )
    roles: Annotated[frozenset[Role], Field(min_length=1)] = Field(
        description="`receive` (from the Internet), `send` (to it), or both.", examples=[["receive", "send"]]
    )
    receive_connectors: tuple[Text, ...] = Field(
        default=(),
        description="The receive connectors it is about. Empty: those that face the Internet.",
        examples=[["Default Frontend EDGE1"]],
    )
    internet_connector: InternetConnector | None = Field(
        default=None,
        description="Lets `activate` make a separate Internet receive connector where a connector names its "
        "certificate by its Fqdn alone (Exchange 2007 and 2010). Later versions do not need it, and do not get it.",
    )
    endpoints: tuple[Endpoint, ...] = Field(
        default=(),
        description="Public SMTP endpoints to verify, `host:port` (25 when left out). Needed for role `receive`.",
        examples=[["mx1.example.net:25"]],
    )
    send_through: ServerName | None = Field(
        default=None,
        description="For a subscribed Edge: the Mailbox server that makes its send connectors and starts EdgeSync.",
        examples=["MBX1"],
    )
    share_from: ServerName | None = Field(
        default=None,
        description="The server whose key and certificate this one takes over. Unset: it makes its own request.",
        examples=["EDGE1"],
    )
    logon: Logon = Field(description="How to log on.")

    @property
    def all_names(self) -> tuple[str, ...]:
        """All names for the certificate, the FQDN first."""
        return (self.fqdn, *self.names)


class Connector(Table):
    """What the three send connectors have in common."""

    name: ConnectorName = Field(
        description="Name of the send connector, under 64 characters. `{server}` becomes the server's name.",
        examples=["TLS required {server}"],
    )

    def name_for(self, server: str) -> str:
        """Give the connector's name on this server.

        Args:
            server: The server's NetBIOS name.
        """
        return self.name.replace(values.SERVER_PLACEHOLDER, server.upper())


class RequiredConnector(Connector):
    """The send connector that requires TLS."""

    domains: Annotated[tuple[Domain, ...], Field(min_length=1)] = Field(
        description="Partner domains, `example.com` or `*.example.com`.", examples=[["partner.example"]]
    )


class NeverDomain(Table):
    """A domain whose TLS is broken."""

    domain: Domain = Field(description="`example.com` or `*.example.com`.", examples=["broken.example"])
    reason: Filled = Field(description="Why mail goes there without TLS.", examples=["certificate expired"])
    owner: Filled = Field(description="Who answers for it.", examples=["postmaster@example.net"])
    review: date = Field(description="When it is looked at again.", examples=[date(2027, 3, 31)])

    @field_validator("review", mode="before")
    @classmethod
    def _a_date(cls, value: object) -> object:
        return values.day(value)


class NeverConnector(Connector):
    """The send connector that never uses TLS."""

    domains: Annotated[tuple[NeverDomain, ...], Field(min_length=1)] = Field(
        description="Domains whose TLS is broken, each with reason, owner and review date."
    )


class DefaultConnector(Connector):
    """The send connector for everybody else (`*`): TLS where the other side offers it."""

    smart_hosts: tuple[SmartHost, ...] = Field(
        default=(), description="Where all other mail goes. Empty: by DNS (MX).", examples=[["relay.example.net"]]
    )


class SendConnectors(Table):
    """The three send connectors."""

    required: RequiredConnector = Field(description="Requires TLS for partner domains.")
    never: NeverConnector = Field(description="Never uses TLS, for domains whose TLS is broken.")
    default: DefaultConnector = Field(description="Everybody else (`*`), with TLS where it is offered.")


class Site(Table):
    """One site: the scope of one rollout."""

    name: Annotated[str, AfterValidator(values.site_name)] = Field(
        description="Name of the site: lower-case letters, digits, hyphens.", examples=["london"]
    )
    certificate: CertificateSettings = Field(
        default_factory=CertificateSettings, description="What the certificates look like."
    )
    authority: AuthoritySettings = Field(description="Who issues the certificates.")
    policy: Policy = Field(default_factory=Policy, description="How carefully things are changed.")
    dns: Dns = Field(default_factory=Dns, description="Which DNS server is asked.")
    credentials: CredentialsSettings = Field(
        default_factory=CredentialsSettings, description="Where credentials may lie; never in this file."
    )
    servers: Annotated[tuple[Server, ...], Field(min_length=1)] = Field(description="The Exchange servers.")
    send_connectors: SendConnectors | None = Field(
        default=None, description="The three send connectors. Needed when a server has the role `send`."
    )
    rehearsal: Rehearsal | None = Field(
        default=None, description="Marks a site file that `tlsrunbook rehearse` wrote; never write it by hand."
    )
    _path: Path = PrivateAttr(default_factory=Path)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = together(self.model_dump())
        if problems:
            text = "; ".join(f"{problem.what} -> {problem.todo}" for problem in problems)
            raise wrong(text, "see the site file", kind=TOGETHER)
        return self

    @property
    def path(self) -> Path:
        """The file it was read from, absolute; ``Path()`` when it was not read from a file."""
        return self._path

    @property
    def folder(self) -> Path:
        """The folder of that file."""
        return self._path.parent

    @property
    def rehearsal_of(self) -> str:
        """The site file that this one rehearses on a lab; empty for a real one."""
        return self.rehearsal.of if self.rehearsal else ""

    def sent_through(self, name: str) -> tuple[Server, ...]:
        """Give the Edge servers whose send connectors a Mailbox server makes.

        Args:
            name: The Mailbox server's name.
        """
        return tuple(server for server in self.servers if server.send_through == name)

    def server(self, name: str) -> Server:
        """Look a server up by its name, in any case.

        Raises:
            UsageError: There is none of this name.
        """
        wanted = name.strip().upper()
        known = {server.name: server for server in self.servers}
        if wanted in known:
            return known[wanted]
        close = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
        listed = ", ".join(known)
        raise UsageError(
            f"site {self.name} has no server {name!r}",
            where=str(self.path) if self.path.parts else "",
            todo=f"did you mean {close[0]}? It has {listed}" if close else f"use one of {listed}",
        )
