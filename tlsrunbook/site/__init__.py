"""The site file: what is wanted of one site, read, checked and typed."""

from __future__ import annotations

from tlsrunbook.site.load import load_site, load_sites, parse_site
from tlsrunbook.site.model import (
    DefaultConnector,
    NeverConnector,
    NeverDomain,
    RequiredConnector,
    SendConnectors,
    Server,
    Site,
)
from tlsrunbook.site.schema import json_schema
from tlsrunbook.site.settings import (
    AuthoritySettings,
    CertificateSettings,
    CredentialsSettings,
    Dns,
    FolderAuthoritySettings,
    LabAuthoritySettings,
    Logon,
    Policy,
    Rehearsal,
)

__all__ = [
    "AuthoritySettings",
    "CertificateSettings",
    "CredentialsSettings",
    "DefaultConnector",
    "Dns",
    "FolderAuthoritySettings",
    "LabAuthoritySettings",
    "Logon",
    "NeverConnector",
    "NeverDomain",
    "Policy",
    "Rehearsal",
    "RequiredConnector",
    "SendConnectors",
    "Server",
    "Site",
    "json_schema",
    "load_site",
    "load_sites",
    "parse_site",
]
