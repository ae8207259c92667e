"""RFC 3161 time stamps for seals: optional, by an authority that the user names, with ``tlsrunbook[timestamp]``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature

from tlsrunbook.adapters.own_key import config_folder
from tlsrunbook.errors import EvidenceError, UsageError

#: Environment variable with the authority's URL; else the first line of ``timestamp-url`` in the configuration folder.
URL_VARIABLE = "TLSRUNBOOK_TIMESTAMP_URL"
_FILE = "timestamp-url"
_GRANTED = (0, 1)
_LARGEST = 1 << 20
_SECONDS = 30


def timestamp_url(environ: Mapping[str, str] | None = None) -> str:
    """Give the URL of the configured authority; empty when there is none.

    Raises:
        UsageError: It is no HTTP URL.
    """
    environ = os.environ if environ is None else environ
    path = config_folder(environ) / _FILE
    url = environ.get(URL_VARIABLE, "")
    if not url and path.is_file():
        url = (path.read_text(encoding="utf-8").splitlines() or [""])[0].strip()
    if url and not url.startswith(("http://", "https://")):
        raise UsageError("the time-stamping authority's URL is no URL", where=f"{URL_VARIABLE} or {path}")
    return url


def stamp(url: str, data: bytes) -> bytes:
    """Have data stamped. Only its SHA-256 is sent.

    Returns:
        The authority's response, DER; its nonce and digest were compared, its signature not.

    Raises:
        UsageError: ``tlsrunbook[timestamp]`` is not installed.
        EvidenceError: The authority could not be asked, refused, or answered about something else.
    """
    tsp = _library()
    import requests  # noqa: PLC0415 - only needed here

    query = tsp.TimestampRequestBuilder().data(data).hash_algorithm(tsp.HashAlgorithm.SHA256).build()
    headers = {"Content-Type": "application/timestamp-query"}
    try:
        answer = requests.post(url, data=query.as_bytes(), headers=headers, timeout=_SECONDS, stream=True)
        answer.raise_for_status()
        token = answer.raw.read(_LARGEST, decode_content=True)
    except (requests.RequestException, OSError) as error:
        what = f"the time-stamping authority did not answer: {type(error).__name__}"
        raise EvidenceError(what, where=url, todo="the seal is whole without it") from error
    response = _decoded(token, where=url)
    if response.tst_info.nonce != query.nonce:
        raise EvidenceError("the time-stamping authority answered another question", where=url)
    _compare(response, data, where=url)
    return bytes(token)


def stamped_at(token: bytes, data: bytes, roots: Sequence[bytes] = (), *, where: str = "") -> datetime:
    """Give the time that a token says this data existed at, UTC.

    Args:
        token: What :func:`stamp` gave.
        data: What was stamped.
        roots: PEM files of the authorities' root certificates. Empty: the token's signature is not checked.

    Raises:
        UsageError: ``tlsrunbook[timestamp]`` is not installed.
        EvidenceError: The token is of other data, or not by such an authority.
    """
    tsp = _library()
    response = _decoded(token, where=where)
    _compare(response, data, where=where)
    if roots:
        from cryptography import x509  # noqa: PLC0415

        builder = tsp.VerifierBuilder()
        for certificate in dict.fromkeys(one for pem in roots for one in x509.load_pem_x509_certificates(pem)):
            builder = builder.add_root_certificate(certificate)
        try:
            builder.build().verify_message(response, data)
        except (tsp.VerificationError, ValueError, InvalidSignature) as error:
            raise EvidenceError(f"the time stamp is not by a trusted authority: {error}", where=where) from error
    found: datetime = response.tst_info.gen_time
    return found


def _library() -> Any:
    try:
        import rfc3161_client  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError(
            "time stamps need a package that is not installed",
            where=URL_VARIABLE,
            todo="pip install 'tlsrunbook[timestamp]', or take the authority's URL away",
        ) from None
    return rfc3161_client


def _decoded(token: bytes, *, where: str) -> Any:
    try:
        response = _library().decode_timestamp_response(token)
        status = int(response.status)
    except ValueError as error:
        raise EvidenceError("this is no time stamp", where=where) from error
    if status not in _GRANTED:
        raise EvidenceError(f"the time-stamping authority refused (status {status})", where=where)
    return response


def _compare(response: Any, data: bytes, *, where: str) -> None:
    imprint = response.tst_info.message_imprint
    if imprint.hash_algorithm.dotted_string != "2.16.840.1.101.3.4.2.1":
        raise EvidenceError("the time stamp uses another digest than SHA-256", where=where)
    if imprint.message != hashlib.sha256(data).digest():
        raise EvidenceError("the time stamp is of something else", where=where)


def read_roots(paths: Sequence[Path]) -> list[bytes]:
    """Read PEM files of root certificates.

    Raises:
        UsageError: One cannot be read, or holds no certificate.
    """
    from cryptography import x509  # noqa: PLC0415

    found = []
    for path in paths:
        try:
            found.append(path.read_bytes())
            x509.load_pem_x509_certificates(found[-1])
        except (OSError, ValueError) as error:
            raise UsageError("this is no PEM file with certificates", where=str(path)) from error
    return found
