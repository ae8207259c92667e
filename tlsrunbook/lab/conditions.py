"""Faults that are a state the servers are in, such as a connector whose TLS certificate name leads nowhere.

A condition takes effect on each server as soon as it can: when the lab starts, when the fault is set, or when somebody
next logs on (a certificate can only have a twin once it is there). It happens once, until the faults are cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.lab.ca import LabCA
from tlsrunbook.lab.exchange.directory import EVERYWHERE, Connector, EdgeDirectory, receive_connector, send_connector
from tlsrunbook.lab.exchange.given import Flags
from tlsrunbook.lab.exchange.names import name_matches
from tlsrunbook.lab.exchange.stores import ChainEnd, StoredCertificate
from tlsrunbook.lab.exchange.world import LabServer
from tlsrunbook.lab.faults import FaultBoard

HYBRID = "Outbound to Office 365"
PARTNER = "From partners"
FOREIGN = "A relay of before"


@dataclass(frozen=True)
class Place:
    """One server as a condition meets it.

    Args:
        server: The simulated server; its lock and its directory's are held.
        fqdn: Its public name.
        ca: The lab's CA.
    """

    server: LabServer
    fqdn: str
    ca: LabCA

    def add_receive(self, name: str, port: int, properties: Mapping[str, Any]) -> None:
        """Add a receive connector, as it may have been there for years."""
        server = self.server
        given = {
            "AuthMechanism": Flags(("Tls",)),
            "Bindings": (f"0.0.0.0:{port}",),
            "PermissionGroups": Flags(("ExchangeUsers",)),
            "RemoteIPRanges": EVERYWHERE,
            "TransportRole": None if server.is_edge or server.build.major < 15 else "FrontendTransport",
            **properties,
        }
        server.directory.receive.append(receive_connector(server.name, name, server.build, server.is_edge, given))

    def add_send(self, name: str, properties: Mapping[str, Any]) -> None:
        """Add a send connector of this server."""
        server = self.server
        sources = () if server.is_edge else (server.name,)
        given = {"SourceTransportServers": sources, **properties}
        server.directory.send[name.lower()] = send_connector(name, server.build, given)

    @property
    def subscribed(self) -> bool:
        """Whether its send connectors come from inside."""
        return isinstance(self.server.directory, EdgeDirectory) and self.server.directory.subscribed


def _fqdn_underscore(place: Place) -> bool:
    place.add_receive("Scanners", 2525, {"Fqdn": f"scan_to_mail.{place.server.domain}"})
    return True


def _name_stale(place: Place) -> bool:
    server = place.server
    if server.build.major < 15:
        return True  # no connector of 2007 or 2010 holds such a name
    name = f"<I>CN={place.ca.name} issuing CA 0, O={place.ca.name}<S>CN={place.fqdn}"
    for connector in server.own_receive_connectors():
        if _faces_the_internet(connector):
            connector.properties["TlsCertificateName"] = name
    place.add_receive(PARTNER, 2526, {"Fqdn": server.fqdn, "TlsCertificateName": name})
    if not place.subscribed:
        hybrid = {
            "AddressSpaces": ("SMTP:tenant.mail.onmicrosoft.com;1",),
            "CloudServicesMailEnabled": True,
            "Fqdn": place.fqdn,
            "RequireTLS": True,
            "TlsAuthLevel": "DomainValidation",
            "TlsCertificateName": name,
            "TlsDomain": "mail.protection.outlook.com",
        }
        place.add_send(_own(HYBRID, server), hybrid)
    return True


def _own(name: str, server: LabServer) -> str:
    # The servers of an organisation share one directory, and each has a connector of its own.
    return name if server.is_edge else f"{name} {server.name}"


def _faces_the_internet(connector: Connector) -> bool:
    return (
        "AnonymousUsers" in connector.get("PermissionGroups")
        and connector.has_auth("Tls")
        and any(binding.port == 25 for binding in connector.bindings)
    )


def _foreign_route(place: Place) -> bool:
    if not place.subscribed:
        properties = {"AddressSpaces": ("SMTP:partner.example.org;1",), "IgnoreSTARTTLS": True}
        place.add_send(_own(FOREIGN, place.server), properties)
    return True


def _default_missing(place: Place) -> bool:
    place.server.internal_thumbprint = "0" * 40
    return True


def _newer_twin(place: Place) -> bool:
    server = place.server
    entry = next((one for one in server.stores.my.values() if _is_activated(place, one)), None)
    if entry is None:
        return False
    key = server.new_key(2048)
    request = x509.CertificateSigningRequestBuilder(entry.certificate.subject).sign(key, hashes.SHA256())
    twin = place.ca.issue(
        request.public_bytes(Encoding.PEM).decode("ascii"),
        names=[name.lower() for name in entry.names],
        not_before=max(server.now() - timedelta(minutes=1), entry.certificate.not_valid_before_utc),
    )
    server.install(twin, key)
    return True


def _is_activated(place: Place, entry: StoredCertificate) -> bool:
    ends_at_a_ca = place.server.stores.chain(entry.certificate).end is ChainEnd.TRUSTED
    named = any(name_matches(name, place.fqdn) for name in entry.names)
    return ends_at_a_ca and named and entry.key is not None and "SMTP" in entry.services


#: Fault -> what it does to one server; False when it could not take effect yet.
CONDITIONS: Mapping[str, Callable[[Place], bool]] = {
    "fqdn-underscore": _fqdn_underscore,
    "name-stale": _name_stale,
    "foreign-route": _foreign_route,
    "default-missing": _default_missing,
    "newer-twin": _newer_twin,
}


class Conditions:
    """Puts the conditions among the faults into effect.

    Args:
        faults: The lab's faults.
        ca: The lab's CA.
    """

    def __init__(self, faults: FaultBoard, ca: LabCA) -> None:
        self._faults = faults
        self._ca = ca
        self._done: set[tuple[str, int]] = set()
        self._lock = Lock()

    def watch_over(self, server: LabServer, fqdn: str) -> None:
        """Look at a server now, and whenever somebody logs on to it."""
        server.when_logged_on = lambda: self.apply(server, fqdn)
        self.apply(server, fqdn)

    def apply(self, server: LabServer, fqdn: str) -> None:
        """Put into effect on one server what is in force there and has not happened."""
        with self._lock, server.lock, server.directory.lock:
            for name, condition in CONDITIONS.items():
                key = (name, id(server))
                if not self._faults.hits(name, server.name):
                    self._done.discard(key)
                elif key not in self._done and condition(Place(server, fqdn, self._ca)):
                    self._done.add(key)
