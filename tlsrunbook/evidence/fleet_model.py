"""What the fleet's page is made of: per server what its evidence says, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from tlsrunbook.certificates.facts import CertificateFacts
from tlsrunbook.evidence.record import Record
from tlsrunbook.evidence.standing import State, StepStanding
from tlsrunbook.exchange.state import ServerState


@dataclass(frozen=True)
class Submission:
    """A CSR that was handed to the authority.

    Args:
        key: SHA-256 of its key, 64 lower-case hex digits.
        at: When, UTC.
        receipt: What the authority gave for it: an order's URL, a file.
        change: The change it was done in.
    """

    key: str
    at: datetime
    receipt: str
    change: str


@dataclass(frozen=True)
class OnRecord:
    """What the evidence has of one server. Nothing of it was found out by looking at the server now.

    Args:
        change: The newest change that is about it; empty when there is none.
        latest: Last record per step in that change; one that applied goes before one that only planned.
        unfinished: State by step whose newest attempt in that change has no record: ``unknown`` or ``failed``.
        holder: Who works on the server now, as the lease says; empty when nobody does.
        state: As the server was read last, over all changes; None when it never was.
        read_at: When that was, UTC.
        verify: The last record that saw an endpoint, or proved a server without any; over all changes.
        presented: Certificates that this verification was shown and that the state does not list.
        submissions: CSRs of requests that still wait on the server.
        trouble: Files that cannot be read, one sentence each: what they would tell is unknown.
    """

    change: str = ""
    latest: Mapping[str, Record] = field(default_factory=dict)
    unfinished: Mapping[str, State] = field(default_factory=dict)
    holder: Mapping[str, str] = field(default_factory=dict)
    state: ServerState | None = None
    read_at: datetime | None = None
    verify: Record | None = None
    presented: tuple[CertificateFacts, ...] = ()
    submissions: tuple[Submission, ...] = ()
    trouble: tuple[str, ...] = ()


class Where(StrEnum):
    """Where a certificate was seen last."""

    ON_WIRE = "on the wire"
    INSTALLED = "installed"
    PENDING = "requested"


@dataclass(frozen=True)
class Held:
    """A certificate of a server, a pending request included.

    Args:
        where: Where it was seen last.
        thumbprint: 40 upper-case hex digits.
        title: What to call it: its first name, else its subject.
        issuer: Common name of who signed it, else the whole issuer.
        begins: Since when it is valid; for a request when it was made; None when nobody knows.
        ends: None for a request.
        self_signed: Whether it signed itself; None when nobody knows.
        uses: What it is used for, for people; empty when nothing is known to use it.
        for_fqdn: Whether it is in use for the server's FQDN.
        limit: Days that a public certificate which begins then may live; None when it is none, or there is no limit.
    """

    where: Where
    thumbprint: str
    title: str
    issuer: str
    begins: datetime | None
    ends: datetime | None
    self_signed: bool | None
    uses: tuple[str, ...] = ()
    for_fqdn: bool = False
    limit: int | None = None


@dataclass(frozen=True)
class OpenRequest:
    """A request that waits for the CA's answer.

    Args:
        names: On the CSR, the common name first.
        key: SHA-256 of its key; empty when the server does not give the CSR.
        made: When it was made on the server.
        submitted: When it was handed over; None when no recorded run did.
        authority: Who has it, for people.
        receipt: What the authority gave for it; may be empty.
        change: The change it was handed over in, else the server's newest one; may be empty.
    """

    names: tuple[str, ...]
    key: str
    made: datetime
    submitted: datetime | None
    authority: str
    receipt: str
    change: str

    @property
    def since(self) -> datetime:
        """Since when somebody waits."""
        return self.submitted or self.made


@dataclass(frozen=True)
class StaleName:
    """A connector that leads to no certificate it should.

    Args:
        connector: With its kind.
        names: A TLS certificate name, or an FQDN.
        kind: ``gone``, ``expired``, ``older`` or ``unmatched``.
        what: One sentence.
        todo: What to do about it.
    """

    connector: str
    names: str
    kind: str
    what: str
    todo: str


@dataclass(frozen=True)
class EndpointSeen:
    """What an endpoint showed when it was last looked at from outside.

    Args:
        endpoint: ``host:port``.
        address: What was dialled; empty when it is the same, or unknown.
        at: When; None when nobody ever looked.
        result: How far it got and with which protocol, for people.
        thumbprint: Of the certificate that was shown; empty when none was.
        ends: When that one ends.
        ok: Whether all was as it should be; None when nobody looked.
        outdated: Whether the server was changed since.
        what: What was wrong, or what makes it doubtful; empty when nothing.
        change: Change of that verification.
    """

    endpoint: str
    address: str = ""
    at: datetime | None = None
    result: str = ""
    thumbprint: str = ""
    ends: datetime | None = None
    ok: bool | None = None
    outdated: bool = False
    what: str = ""
    change: str = ""


class Verdict(StrEnum):
    """How a server stands, the most urgent first."""

    EXPIRED = "expired"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ENDS_SOON = "ends soon"
    NOT_KNOWN = "not known"
    BLOCKED = "blocked"
    STALE = "stale name"
    WAITING = "waiting"
    UNDER_WAY = "under way"
    FINE = "fine"

    @property
    def rank(self) -> int:
        """0 for the most urgent."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class FleetServer:
    """One server of the fleet.

    Args:
        site: Site name.
        server: Server name.
        fqdn: The public name its certificate is for.
        renew_before: The site's renewal time.
        change: The newest change that is about it; empty when there is none.
        open: Whether that change is not finished.
        rolled_back: Whether somebody went back from it.
        steps: Where each step stands in that change, in their order; empty without a change.
        holder: Who works on it now; empty when nobody does.
        at_work: Steps that are under way now.
        certificates: All that are known, the one in use for the FQDN first.
        requests: That wait for the CA's answer.
        stale: Connectors that name a stale certificate.
        endpoints: As last seen.
        read_at: When its state was read last; None when it never was.
        trouble: What of its evidence cannot be read.
        verdict: How it stands.
        because: Why, in a sentence or two.
        todo: What to do about it; may be empty.
    """

    site: str
    server: str
    fqdn: str
    renew_before: timedelta
    change: str
    open: bool
    rolled_back: bool
    steps: tuple[StepStanding, ...]
    holder: Mapping[str, str]
    at_work: tuple[str, ...]
    certificates: tuple[Held, ...]
    requests: tuple[OpenRequest, ...]
    stale: tuple[StaleName, ...]
    endpoints: tuple[EndpointSeen, ...]
    read_at: datetime | None
    trouble: tuple[str, ...]
    verdict: Verdict = Verdict.NOT_KNOWN
    because: str = ""
    todo: str = ""

    @property
    def in_use(self) -> tuple[Held, ...]:
        """The certificates that anything is known to use, requests left out."""
        return tuple(one for one in self.certificates if one.uses and one.ends is not None)

    @property
    def ends(self) -> datetime | None:
        """When the first of those in use for the FQDN ends; None when none is known."""
        found = [one.ends for one in self.certificates if one.for_fqdn and one.ends is not None]
        return min(found, default=None)

    @property
    def known(self) -> bool:
        """Whether there is any knowledge of it that could be read."""
        return self.read_at is not None or any(one.at is not None for one in self.endpoints)


@dataclass(frozen=True)
class Fleet:
    """All servers of one or more sites.

    Args:
        at: What "now" means for all of it, UTC.
        servers: In the order of the sites and of their files.
        elsewhere: ``site / server`` of those that are on record and in no site file any more.
        trouble: What cannot be read and may be about any server, one sentence each.
        steps: Ids of the steps that make up a change, in their order.
        package: Version of the package.
    """

    at: datetime
    servers: tuple[FleetServer, ...]
    elsewhere: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    package: str = ""

    @cached_property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites, in order."""
        return tuple(dict.fromkeys(server.site for server in self.servers))

    def days_left(self, moment: datetime) -> int:
        """Give whole days from now to a moment, counted towards now; negative once it is a day past."""
        return int((moment - self.at) / timedelta(days=1))
