"""The roots that a CA's reply and a server's chain are judged against."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tlsrunbook.certificates.loading import quietly
from tlsrunbook.errors import BadCertificateFile, UsageError
from tlsrunbook.site import Site


def load_roots(path: Path | str | None) -> tuple[bytes, ...]:
    """Load root certificates as DER.

    Args:
        path: A PEM file with one or more certificates; None for the operating system's store.

    Raises:
        UsageError: The file cannot be read, or the system's store is empty.
        BadCertificateFile: The file holds something else than certificates in PEM.
    """
    return _system_roots() if path is None else _file_roots(Path(path))


def trusted_roots(site: Site) -> tuple[bytes, ...]:
    """Load the roots that a site trusts, as DER; in a rehearsal that of the lab's CA too.

    Raises:
        UsageError: See :func:`load_roots`.
        BadCertificateFile: See :func:`load_roots`.
    """
    if site.rehearsal is None:
        return load_roots(site.authority.roots)
    try:
        real = load_roots(site.authority.roots)
    except UsageError:
        if site.authority.roots is not None:
            raise
        real = ()  # a computer without any root can rehearse all the same
    return (*real, *load_roots(site.rehearsal.roots))


def _system_roots() -> tuple[bytes, ...]:
    roots = tuple(ssl.create_default_context().get_ca_certs(binary_form=True))
    if not roots:
        raise UsageError(
            "the operating system's store of root certificates is empty",
            todo="install the system's CA certificates, or set authority.roots in the site file to a PEM file",
        )
    return roots


def _file_roots(path: Path) -> tuple[bytes, ...]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the file with root certificates cannot be read ({error.strerror})",
            where=str(path),
            todo="correct authority.roots in the site file",
        ) from error
    try:
        with quietly():
            certificates = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise BadCertificateFile(
            "the file with root certificates holds no certificate in PEM",
            kind="unknown",
            where=str(path),
            todo="export the root as Base-64 (PEM), text from BEGIN CERTIFICATE to END CERTIFICATE",
        ) from error
    return tuple(dict.fromkeys(certificate.public_bytes(Encoding.DER) for certificate in certificates))
