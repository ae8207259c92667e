"""The whole lab: simulated servers behind real WinRM and SMTP, with DNS and a CA, on loopback, in one event loop."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol

from tlsrunbook.errors import UsageError
from tlsrunbook.lab.authority import AuthorityDesk, AuthorityServer
from tlsrunbook.lab.ca import LabCA
from tlsrunbook.lab.conditions import Conditions
from tlsrunbook.lab.dns import DnsServer, Zone
from tlsrunbook.lab.exchange.builds import parse_version
from tlsrunbook.lab.exchange.keys import KeySource, new_key
from tlsrunbook.lab.exchange.world import LabServer, Organization
from tlsrunbook.lab.faults import FaultBoard
from tlsrunbook.lab.fleet import Fleet, Station, Terms
from tlsrunbook.lab.loop import LoopThread
from tlsrunbook.lab.places import SitePlan, plan_world, with_subscriptions
from tlsrunbook.lab.private import InternalCa, LabAccount, PrivateFolder
from tlsrunbook.lab.site_text import CREDENTIAL, Reach, Surroundings, site_text
from tlsrunbook.lab.winrm import Timing
from tlsrunbook.secret import Credential


@dataclass(frozen=True)
class _Running:
    """The parts of a lab that runs."""

    folder: PrivateFolder
    loop: LoopThread
    authority: AuthorityServer
    dns: DnsServer
    fleet: Fleet
    around: Surroundings


class _Service(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Lab:
    """A simulated fleet. Use it as a context manager, or call :meth:`start` and :meth:`stop`.

    Args:
        sites: How many sites, each an Exchange organisation of its own.
        servers: How many servers in each site: EDGE1, MBX1, EDGE2, MBX2 and so on; Mailbox servers alone where this
            version of Exchange has no Edge Transport role.
        version: ``2007`` to ``SE``, or an exact build.
        faults: What goes wrong. It can be changed while the lab runs, except for ``winrm-untrusted``.
        folder: For the lab's files, readable by this user alone; None for a new one that goes with the lab.
        load_seconds: Simulated time that loading Exchange's cmdlets takes.
        round_trip: Seconds added to every WinRM request.
        listen: Loopback address to listen on.
        keys: Where the servers' private keys come from.
        plan: Sites and servers as they shall be, in place of ``sites`` and ``servers``.
        furnish: Called with the simulated servers and the CA's desk before any door is open.
        subscribed: Whether every Edge is subscribed, so that its send connectors are made inside.

    Raises:
        UsageError: There is no such world.
    """

    def __init__(
        self,
        sites: int = 1,
        servers: int = 2,
        version: str = "SE",
        *,
        faults: FaultBoard | None = None,
        folder: Path | None = None,
        load_seconds: float = 0.0,
        round_trip: float = 0.0,
        listen: str = "127.0.0.1",
        keys: KeySource = new_key,
        plan: tuple[SitePlan, ...] = (),
        furnish: Callable[[Fleet, AuthorityDesk], None] = lambda _fleet, _desk: None,
        subscribed: bool = False,
    ) -> None:
        world = plan or plan_world(sites, servers, edges=parse_version(version).has_edge)
        self.plan = with_subscriptions(world) if subscribed else world
        self._furnish = furnish
        self.faults = faults if faults is not None else FaultBoard()
        self.ca = LabCA()
        self.tlsa: dict[str, tuple[str, ...]] = {}  # what the lab's DNS has under _25._tcp.host; a test may change it
        self._version, self._folder, self._listen, self._keys = version, folder, listen, keys
        self._timing = Timing(round_trip=round_trip, load=load_seconds)
        self._account = LabAccount(CREDENTIAL)
        self._running: _Running | None = None
        self._ending = ExitStack()

    # --- what a lab is ------------------------------------------------------------------------------------------------

    @property
    def site_names(self) -> tuple[str, ...]:
        """The sites' names."""
        return tuple(site.name for site in self.plan)

    @property
    def credential(self) -> Credential:
        """The account that may do everything."""
        return self._account.credential

    @property
    def folder(self) -> Path:
        """The lab's private folder."""
        return self._now().folder.path

    @property
    def authority_url(self) -> str:
        """Where the CA is."""
        return self._now().authority.url

    @property
    def credential_name(self) -> str:
        """What that account's credential is called."""
        return CREDENTIAL

    @property
    def around(self) -> Surroundings:
        """What all its servers share: CA, DNS, credentials."""
        return self._now().around

    def reach(self, site: str, name: str) -> Reach:
        """Give where a server is reached."""
        station = self.station(site, name)
        return Reach(self._listen, station.winrm.port, station.smtp.endpoint)

    def on_loop(self, act: Callable[[], None]) -> None:
        """Call something that belongs to the lab's event loop, and wait for it."""

        async def acting() -> None:
            act()

        self._now().loop.run(acting())

    def answer_all(self) -> None:
        """Let the CA answer the orders that it was told to keep waiting."""
        self._now().authority.desk.answer_all()

    @property
    def dns_endpoint(self) -> str:
        """Where DNS answers, ``address:port``."""
        return self._now().dns.endpoint

    def organization(self, site: str) -> Organization:
        """Give a site's Exchange organisation."""
        return self._now().fleet.organizations[self._site(site).name]

    def station(self, site: str, name: str) -> Station:
        """Give a server with its endpoints; names in any case.

        Raises:
            UsageError: There is no such server, or the lab does not run.
        """
        plan = self._site(site)
        found = self._now().fleet.stations.get((plan.name, name.upper()))
        if found is None:
            known = ", ".join(server.name for server in plan.servers)
            raise UsageError(f"the lab has no server {name!r} in {plan.name}", todo=f"use one of {known}")
        return found

    def server(self, site: str, name: str) -> LabServer:
        """Give a simulated server; names in any case.

        Raises:
            UsageError: There is no such server, or the lab does not run.
        """
        return self.station(site, name).server

    # --- the site files -----------------------------------------------------------------------------------------------

    def site_file_text(self, site_name: str) -> str:
        """Write the site file of a site.

        Raises:
            UsageError: There is no such site, or the lab does not run.
        """
        site = self._site(site_name)
        reach = {server.name: self.reach(site.name, server.name) for server in site.servers}
        return site_text(site, self._now().around, reach)

    def write_site_files(self, folder: Path) -> tuple[Path, ...]:
        """Write ``<site>.toml`` for each site into a folder, which is made if need be; gives the paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = tuple(folder / f"{name}.toml" for name in self.site_names)
        for path in paths:
            path.write_text(self.site_file_text(path.stem), encoding="utf-8", newline="\n")
        return paths

    # --- running ------------------------------------------------------------------------------------------------------

    def start(self) -> Lab:
        """Start everything, and give the lab itself.

        Raises:
            UsageError: It runs already, or there is no such version of Exchange.
            OSError: No port is free, or the folder cannot be used.
        """
        if self._running is not None:
            raise UsageError("this lab runs already", todo="stop it first, or make another one")
        with ExitStack() as ending:
            self._running = self._open(ending)
            ending.callback(self._forget)
            self._ending = ending.pop_all()
        return self

    def stop(self) -> None:
        """End everything, give all ports back and remove the lab's files. Repeated calls do nothing."""
        self._ending.close()

    def __enter__(self) -> Lab:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _open(self, ending: ExitStack) -> _Running:
        folder = PrivateFolder(self._folder)
        ending.callback(folder.remove)
        internal, nobodys = InternalCa("Example Corp internal CA"), InternalCa("A CA that nobody knows")
        terms = Terms(
            version=self._version,
            root=self.ca.root,
            faults=self.faults,
            account=self._account,
            timing=self._timing,
            listen=self._listen,
            keys=self._keys,
            trusted=internal.server_tls(self._listen, folder),
            untrusted=nobodys.server_tls(self._listen, folder),
            folder=folder.path,
        )
        fleet = Fleet(self.plan, terms)
        authority = AuthorityServer(AuthorityDesk(self.ca, self.faults, server_of=self._server_of), self._listen)
        self._furnish(fleet, authority.desk)
        conditions = Conditions(self.faults, self.ca)
        for site in self.plan:
            for server in site.servers:
                conditions.watch_over(fleet.stations[site.name, server.name].server, server.fqdn)
        dns = DnsServer(self._zone(), self._listen)
        loop = LoopThread()
        ending.callback(loop.stop)
        for service in (authority, dns, fleet):
            _start(loop, service, ending)
        around = Surroundings(
            authority_url=authority.url,
            roots=folder.write("root.pem", self.ca.root_pem),
            dns=dns.endpoint,
            credentials=folder.write("credentials.toml", self._account.toml()),
            winrm_ca=folder.write("winrm-ca.pem", internal.pem),
            review_year=datetime.now(UTC).year + 1,
            product=parse_version(self._version).product,
        )
        self.faults.watch(self._obey_faults)
        ending.callback(self.faults.unwatch, self._obey_faults)
        return _Running(folder, loop, authority, dns, fleet, around)

    def _forget(self) -> None:
        self._running = None

    def _now(self) -> _Running:
        if self._running is None:
            raise UsageError("this lab does not run", todo="start it first")
        return self._running

    def _site(self, name: str) -> SitePlan:
        found = next((site for site in self.plan if site.name == name.lower()), None)
        if found is None:
            raise UsageError(f"the lab has no site {name!r}", todo=f"use one of {', '.join(self.site_names)}")
        return found

    def _server_of(self, names: tuple[str, ...]) -> str:
        """Give the NetBIOS name of the server whose FQDN is among some names, for faults at one server."""
        for site in self.plan:
            for server in site.servers:
                if server.fqdn in names:
                    return server.name
        return ""

    def _zone(self) -> Zone:
        here = (self._listen,)
        servers = [server for site in self.plan for server in site.servers]
        return Zone(
            addresses={name: here for server in servers for name in (server.fqdn, server.internal_fqdn)},
            exchangers={site.domain: tuple(server.fqdn for server in site.servers) for site in self.plan},
            tlsa=self.tlsa,
        )

    def _obey_faults(self) -> None:
        running = self._now()
        for station in running.fleet.stations.values():
            station.server.when_logged_on()
        running.loop.run(running.fleet.obey_faults())


def _start(loop: LoopThread, service: _Service, ending: ExitStack) -> None:
    # Registered first: a service that fails half-way is stopped too.
    ending.callback(lambda: loop.run(service.stop()))
    loop.run(service.start())
