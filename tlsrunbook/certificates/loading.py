"""Loading certificates with ``cryptography``, without its warnings about what the world's roots are like."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm

#: What ``cryptography`` raises for bytes it cannot read; some of it stands alone under ``Exception``.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InternalError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

# The warning filters are global, so only one thread at a time may swap them.
_FILTERS = threading.RLock()


@contextmanager
def quietly() -> Iterator[None]:
    """Keep ``cryptography``'s warnings (a root with serial number 0, PKCS #7 in BER) from the user."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=4096)
def load_certificate(der: bytes) -> x509.Certificate:
    """Load one DER certificate.

    Raises:
        ValueError: It is none.
    """
    try:
        with quietly():
            return x509.load_der_x509_certificate(der)
    except UNREADABLE as error:
        raise ValueError(f"it is no certificate: {error}") from error
