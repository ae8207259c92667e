"""Connects the controller with workers at the sites, over Dask."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from tlsrunbook.about import __version__
from tlsrunbook.adapters import job_kit
from tlsrunbook.adapters.authority_folder import FolderAuthority
from tlsrunbook.adapters.cluster import DaskCourier, Functions
from tlsrunbook.adapters.cluster_config import scheduler_address
from tlsrunbook.adapters.cluster_node import NodeConfig, read_config
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.certificates.csr import read_csr
from tlsrunbook.errors import EvidenceError, UsageError
from tlsrunbook.run.course import Course
from tlsrunbook.run.job import ServerJob, Tell
from tlsrunbook.run.portable import PortableJob
from tlsrunbook.run.remote import RemoteExecutor
from tlsrunbook.site import FolderAuthoritySettings, Site, load_site
from tlsrunbook.wiring_worker import perform, settle, stop

#: Names the controller's configuration where the command line does not.
CONFIG_VARIABLE = "TLSRUNBOOK_CLUSTER"


def cluster_executor(address: str, config: Path | None, capacity: int) -> Callable[[Tell, Course], RemoteExecutor]:
    """Connect to a cluster, and give what makes the executor of a run.

    Args:
        address: The scheduler's: ``tls://host:port``.
        config: The controller's configuration, or its folder.
        capacity: How many servers may be worked on at once, over all sites.

    Raises:
        UsageError: It is not ``tls://``, there is no configuration, or ``tlsrunbook[cluster]`` is not installed.
        TlsRunbookError: The scheduler cannot be reached, or is not of this CA.
    """
    usable = refuse_unusable(address, config)
    courier = DaskCourier(
        scheduler_address(address),
        usable,
        Functions(perform, stop, settle),
        secrets.token_hex(8),
    )

    def make(tell: Tell, course: Course) -> RemoteExecutor:
        def pack(job: ServerJob, steps: tuple[str, ...], name: str) -> PortableJob:
            return packed(job, steps, name, courier.topic, course.say)

        return RemoteExecutor(courier, pack, place_csrs, capacity, tell, course)

    return make


def refuse_unusable(address: str, config: Path | None) -> NodeConfig:
    """Give the controller's configuration of a cluster, before anything is begun.

    Raises:
        UsageError: The address is not ``tls://``, there is no configuration, or ``tlsrunbook[cluster]`` is missing.
    """
    where = f"--executor {address}"
    if not address.startswith("tls://"):
        todo = "write tls://HOST:8786; tlsrunbook cluster init makes the certificates"
        raise UsageError("workers are reached over tls:// only", where=where, todo=todo)
    scheduler_address(address)
    if config is None:
        todo = f"give --cluster controller/cluster.yaml, or set {CONFIG_VARIABLE}; tlsrunbook cluster init makes it"
        raise UsageError("the controller's certificate is not named", where=where, todo=todo)
    if find_spec("distributed") is None:
        raise UsageError("distributed is not installed", where=where, todo="pip install 'tlsrunbook[cluster]'")
    return read_config(config, "controller")


@lru_cache(maxsize=256)
def _site(path: Path) -> Site:
    return load_site(path)


def packed(job: ServerJob, steps: tuple[str, ...], name: str, topic: str, say: Callable[[str], None]) -> PortableJob:
    """Make a job portable.

    Args:
        job: The job.
        steps: Ids of the steps to perform.
        name: The id under which it travels.
        topic: Under which the worker tells of its work.
        say: Tells people what does not travel.

    Raises:
        UsageError: The site file cannot be read any more.
        OSError: The authority's folders cannot be read.
    """
    site = _site(job.site_file)
    server = site.server(job.server)
    store = RunStore(job.runs, job.site)
    places, beside = job_kit.named_files(site)
    travelling = job_kit.authority_files(site, server)
    for kept in travelling.kept_back:
        say(f"{site.name}: {kept} in the inbox is not sent to the worker: a private key is, or may be, in it")
    folders = site.authority if isinstance(site.authority, FolderAuthoritySettings) and not site.rehearsal else None
    return PortableJob(
        job=name,
        topic=topic,
        package=__version__,
        site=job.site,
        server=job.server,
        change=job.change,
        mode=job.mode,
        steps=steps,
        named=job.named,
        who=dict(job.about.who),
        why=dict(job.about.why),
        rehearsal=job.about.rehearsal,
        site_file=job_kit.site_text(site),
        outbox_at=str(folders.outbox) if folders else "",
        places=places,
        beside=beside,
        prior=job_kit.prior_of(store, job.change, job.server),
        context=job_kit.context_of(store, site, server, job.change),
        outbox=travelling.outbox,
        inbox=travelling.inbox,
    )


def place_csrs(job: ServerJob, csrs: Mapping[str, bytes]) -> None:
    """Put the CSRs that a worker brought into the authority's outbox, where a person finds them.

    Raises:
        EvidenceError: One is of another server, or the site has no outbox.
        BadCertificateFile: One is no CSR.
        AuthorityFailed: The outbox cannot be written.
    """
    site = _site(job.site_file)
    label = job_kit.label_of(site, site.server(job.server))
    settings = site.authority
    for name, content in csrs.items():
        if not re.fullmatch(rf"{re.escape(label)}(-[0-9]+)?\.csr", name) or not isinstance(
            settings, FolderAuthoritySettings
        ):
            raise EvidenceError(f"a worker brought {name!r}, which is no CSR of {job.server}", where=f"site {job.site}")
        FolderAuthority(settings.outbox, settings.inbox).submit(read_csr(content).pem, label)
