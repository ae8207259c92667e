"""What a plan can only name: the :class:`Later` values, and what they turned out to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tlsrunbook.exchange.command import Later

#: Of the request step.
CSR = Later("the CSR that the server makes")
REQUEST_THUMBPRINT = Later("thumbprint of the pending request")

#: Of the certificate that the CA issues for this change's CSR.
CERTIFICATE = Later("the certificate to be issued")
THUMBPRINT = Later("thumbprint of the certificate to be issued")
TLS_NAME = Later("TLS certificate name of the certificate to be issued")
SUBJECT = Later("subject of the certificate to be issued")
VALID_UNTIL = Later("last day of the certificate to be issued")

#: Of each intermediate between that certificate and a trusted root; an item with one stands for all of them.
INTERMEDIATE = Later("each intermediate of the certificate to be issued")
INTERMEDIATE_THUMBPRINT = Later("thumbprint of each intermediate of the certificate to be issued")
INTERMEDIATE_SUBJECT = Later("subject of each intermediate of the certificate to be issued")

ISSUED = frozenset({CERTIFICATE, THUMBPRINT, TLS_NAME, SUBJECT, VALID_UNTIL})
EACH = frozenset({INTERMEDIATE, INTERMEDIATE_THUMBPRINT, INTERMEDIATE_SUBJECT})


@dataclass(frozen=True)
class Known:
    """What the Later values stand for, as a step found it.

    Args:
        values: Of :data:`CSR` and :data:`ISSUED`, as far as they are known. A certificate is DER.
        intermediates: Of :data:`EACH`, one mapping per intermediate, in the chain's order.
    """

    values: Mapping[Later, str | bytes] = field(default_factory=dict)
    intermediates: tuple[Mapping[Later, str | bytes], ...] = ()


def joined_known(parts: Iterable[Known]) -> Known:
    """Give what several parts of a step know together; where two know the same thing, the first one is kept."""
    values: dict[Later, str | bytes] = {}
    intermediates: tuple[Mapping[Later, str | bytes], ...] = ()
    for part in parts:
        values = {**part.values, **values}
        intermediates += part.intermediates
    return Known(values, intermediates)


def named(prefix: str, value: str | Later) -> str:
    """Give the name of a target: ``certificate 01AB…``, or ``certificate <thumbprint of …>`` while it is not known."""
    return f"{prefix} {value}" if isinstance(value, str) else f"{prefix} {placeholder(value)}"


def placeholder(value: Later) -> str:
    """Give how a Later value stands inside a text."""
    return f"<{value.what}>"
