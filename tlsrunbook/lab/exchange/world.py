"""The simulated organisation and its servers."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tlsrunbook.errors import UsageError
from tlsrunbook.exchange.command import Greeting
from tlsrunbook.lab.exchange.builds import EDGE_RETURNS, Build, parse_version
from tlsrunbook.lab.exchange.directory import AcceptedDomain, Connector, Directory, EdgeDirectory, EdgeSubscription
from tlsrunbook.lab.exchange.inbound import InboundTls, Listener, PrivateKey
from tlsrunbook.lab.exchange.issuing import self_signed, server_subject
from tlsrunbook.lab.exchange.keys import KeySource, new_key
from tlsrunbook.lab.exchange.selection import choose, ehlo_name
from tlsrunbook.lab.exchange.setup import default_receive_connectors
from tlsrunbook.lab.exchange.snapshot import server_snapshot
from tlsrunbook.lab.exchange.stores import CertificateStores, StoredCertificate, thumbprint_of
from tlsrunbook.lab.faults import FaultBoard

#: Whoever sends from outside, as far as receive connectors' ranges are concerned (a documentation address).
_OUTSIDE = "203.0.113.10"
#: The address of a server that the firewall sends mail from the Internet to (a documentation address).
PUBLIC_SIDE = "192.0.2.25"


def utc_now() -> datetime:
    """Give the time, UTC."""
    return datetime.now(UTC)


class Organization(Directory):
    """An Exchange organisation: what its Mailbox servers share through Active Directory.

    Args:
        name: For people.
        domain: The Active Directory domain, such as ``corp.london.example``.
        site: The Active Directory site.
        accepted_domains: Mail domains; the first is the default. Without any, ``domain`` is the only one.
    """

    def __init__(
        self, name: str, domain: str, *, site: str = "Default-First-Site-Name", accepted_domains: Sequence[str] = ()
    ) -> None:
        names = tuple(accepted_domains) or (domain,)
        super().__init__(tuple(AcceptedDomain(one, default=one == names[0]) for one in names))
        self.name = name
        self.domain = domain
        self.site = site
        self.servers: dict[str, LabServer] = {}
        self.edges: dict[str, LabServer] = {}
        self.subscriptions: dict[str, EdgeSubscription] = {}

    def find(self, name: str) -> LabServer | None:
        """Give the Mailbox server, or the subscribed Edge, of this NetBIOS name or FQDN."""
        subscribed = [edge for edge in self.edges.values() if edge.name in self.subscriptions]
        return next((one for one in (*self.servers.values(), *subscribed) if one.is_called(name)), None)

    def mailbox_servers(self) -> tuple[LabServer, ...]:
        """All Mailbox servers, by name."""
        return tuple(self.servers[name] for name in sorted(self.servers))


class LabServer:
    """One simulated Exchange server. Every method may be called from any thread.

    Args:
        name: NetBIOS name; upper-cased.
        fqdn: The server's own FQDN, internal as a rule.
        version: ``2007`` to ``SE``, an exact build, or a :class:`Build`.
        is_edge: Whether it is an Edge Transport server.
        organization: Whose Mailbox server it is; for an Edge, who could subscribe it. None only for an Edge.
        faults: The lab's faults.
        check_credential: Says whether user and password are right for the inner Exchange session of a Mailbox server;
            None takes everyone.
        keys: Where private keys come from.
        clock: Gives the time, UTC.
        trusted_roots: Roots that this server trusts.
        receive_fqdn: Fqdn of an Edge's default receive connector, when it is to be a public name from the start.

    Raises:
        UsageError: There is no such version, or no Edge Transport role in it; a Mailbox server has no organisation.
    """

    def __init__(
        self,
        name: str,
        fqdn: str,
        version: str | Build = "SE",
        *,
        is_edge: bool = False,
        organization: Organization | None = None,
        faults: FaultBoard | None = None,
        check_credential: Callable[[str, str], bool] | None = None,
        keys: KeySource = new_key,
        clock: Callable[[], datetime] = utc_now,
        trusted_roots: Iterable[x509.Certificate] = (),
        receive_fqdn: str = "",
    ) -> None:
        self.name = name.upper()
        self.fqdn = fqdn.lower()
        self.build = version if isinstance(version, Build) else parse_version(version)
        self.is_edge = is_edge
        self.organization = organization
        self.faults = faults or FaultBoard()
        self.check_credential = check_credential or (lambda _user, _password: True)
        self.now = clock
        self.lock = RLock()
        self.stores = CertificateStores(trusted_roots)
        self.ecc_enabled = False
        #: Where mail from the Internet arrives, and whom it comes from (empty: whoever connects).
        self.public_side, self.caller = PUBLIC_SIDE, ""
        self.internal_thumbprint = ""
        #: What another server said of itself, where this one was rebuilt from its saved state.
        self.reported: Greeting | None = None
        #: Called at each logon, before anything is answered; the lab's conditions wait for it.
        self.when_logged_on: Callable[[], None] = lambda: None
        self.directory = self._join()
        self._keys = keys
        self._files: dict[str, bytes] = {}
        self._install(receive_fqdn)

    def _join(self) -> Directory:
        if self.is_edge:
            if not self.build.has_edge:
                raise UsageError(f"{self.name}: Exchange 2013 has no Edge Transport role before {EDGE_RETURNS}")
            if self.organization is not None:
                self.organization.edges[self.name] = self
            return EdgeDirectory()
        if self.organization is None:
            raise UsageError(f"{self.name}: a Mailbox server needs an organisation")
        with self.organization.lock:
            self.organization.servers[self.name] = self
        return self.organization

    def _install(self, receive_fqdn: str) -> None:
        """Do what setup does: a self-signed certificate, and the default receive connectors."""
        key = self.new_key(2048)
        names, sha1 = (self.name, self.fqdn), self.build.self_signs_with_sha1
        certificate = self_signed(key, server_subject(self.name), names, self.now(), sha1=sha1)
        entry = StoredCertificate(certificate, key, "Microsoft Exchange", network_service=True)
        entry.services = {"SMTP"} if self.is_edge else {"IMAP", "POP", "IIS", "SMTP"}
        self.stores.add(entry)
        self.internal_thumbprint = entry.thumbprint
        with self.directory.lock:
            self.directory.receive.extend(default_receive_connectors(self, receive_fqdn))

    def new_key(self, size: int) -> rsa.RSAPrivateKey:
        """Make a private key."""
        return self._keys(size)

    @property
    def domain(self) -> str:
        """The domain part of its FQDN."""
        return self.fqdn.partition(".")[2]

    def trust(self, root: x509.Certificate) -> None:
        """Put a certificate among the roots this server trusts."""
        with self.lock:
            self.stores.root[thumbprint_of(root)] = root

    def install(self, certificate: x509.Certificate, key: PrivateKey | None, services: Iterable[str] = ()) -> str:
        """Put a certificate into the store as it may have lain there for years, and give its thumbprint."""
        entry = StoredCertificate(certificate, key, services=set(services))
        entry.network_service = "SMTP" in entry.services
        with self.lock:
            self.stores.add(entry)
        return entry.thumbprint

    def is_called(self, text: str) -> bool:
        """Whether a NetBIOS name or FQDN is this server's."""
        return text.lower() in (self.name.lower(), self.fqdn)

    def accepted_domains(self) -> tuple[AcceptedDomain, ...]:
        """Accepted domains as this server sees them."""
        return self.directory.accepted_domains

    def own_receive_connectors(self) -> list[Connector]:
        """This server's own receive connectors."""
        with self.directory.lock:
            return self.directory.receive_of(self.name)

    def us_date(self, moment: datetime) -> str:
        """Print a moment as an American server does."""
        hour = moment.hour % 12 or 12
        half = "AM" if moment.hour < 12 else "PM"
        return f"{moment.month}/{moment.day}/{moment.year} {hour}:{moment:%M:%S} {half}"

    # --- files on the server's disk -----------------------------------------------------------------------------------

    def has_file(self, path: str) -> bool:
        """Whether a file is there; Windows does not mind case."""
        return path.lower() in self._files

    def read_file(self, path: str) -> bytes | None:
        """Give a file's bytes, None when it is not there."""
        return self._files.get(path.lower())

    def write_file(self, path: str, content: bytes) -> None:
        """Write a file."""
        self._files[path.lower()] = content

    def remove_file(self, path: str) -> None:
        """Remove a file, which may be gone already."""
        self._files.pop(path.lower(), None)

    @property
    def folder(self) -> str:
        """Where Exchange is installed."""
        if self.reported and self.reported.folder:
            return self.reported.folder
        below = {"2007": "", "2010": "\\V14"}.get(self.build.product, "\\V15")
        return f"C:\\Program Files\\Microsoft\\Exchange Server{below}"

    def file_names(self) -> list[str]:
        """All paths, lower case, sorted."""
        return sorted(self._files)

    # --- what the lab's WinRM endpoint plays --------------------------------------------------------------------------

    def load(self, user: str, password: str) -> dict[str, Any]:
        """Load Exchange's cmdlets with this credential, and greet.

        Returns:
            The body of the answer to ``open``: ``ok``, ``objects``, ``warnings``, ``errors``.
        """
        from tlsrunbook.lab.exchange.running import load  # noqa: PLC0415 - it needs this module

        self.when_logged_on()
        return load(self, user, password)

    def execute(self, commands: Sequence[Mapping[str, Any]], select: Sequence[str]) -> dict[str, Any]:
        """Run a pipeline of one or two commands as they are in the frame.

        Returns:
            ``ok``, ``objects`` (projected to ``select``), ``warnings`` and ``errors``.
        """
        from tlsrunbook.lab.exchange.running import execute  # noqa: PLC0415 - it needs this module

        return execute(self, commands, select)

    # --- what the lab's SMTP listeners ask ----------------------------------------------------------------------------

    def inbound(self, connector: str | int, remote: str = _OUTSIDE) -> InboundTls:
        """Choose the certificate for inbound STARTTLS now.

        Args:
            connector: Identity of a receive connector, or a port: then the enabled connector bound to it on
                ``public_side`` (or on all addresses) whose narrowest range holds ``remote``.
            remote: The client's IP address.
        """
        with self.lock, self.directory.lock:
            found = self._receiving(connector, remote)
            if found is None:
                return InboundTls(None, None, trace=(f"no receive connector takes {connector} from {remote}",))
            return choose(self.stores, found, self.fqdn, self.now())

    def _receiving(self, connector: str | int, remote: str) -> Connector | None:
        own = [one for one in self.own_receive_connectors() if one.get("Enabled")]
        if isinstance(connector, str):
            return next((one for one in own if connector.lower() in (one.identity.lower(), one.name.lower())), None)
        address, here = ipaddress.ip_address(self.caller or remote), ipaddress.ip_address(self.public_side)
        # The connector bound to the very address goes before the one bound to all, then the narrowest range.
        fitting = [
            (binding.address != here, span.width, one.name, one)
            for one in own
            for binding in one.bindings
            if binding.port == connector and (binding.address == here or binding.address.is_unspecified)
            for span in one.ranges
            if span.holds(address)
        ]
        return min(fitting, key=lambda item: item[:3])[3] if fitting else None

    def receive_connectors(self) -> tuple[Listener, ...]:
        """List this server's own receive connectors as they are now."""
        return tuple(
            Listener(
                identity=one.identity,
                fqdn=ehlo_name(one, self.fqdn),
                ports=tuple(sorted({binding.port for binding in one.bindings})),
                auth=tuple(one.get("AuthMechanism")),
                enabled=bool(one.get("Enabled")),
                require_tls=bool(one.get("RequireTLS")),
                anonymous="AnonymousUsers" in one.get("PermissionGroups"),
                banner=str(one.get("Banner") or ""),
            )
            for one in self.own_receive_connectors()
        )

    def snapshot(self) -> dict[str, Any]:
        """Give the whole state as plain JSON-able data, without private keys."""
        with self.lock, self.directory.lock:
            return server_snapshot(self)
