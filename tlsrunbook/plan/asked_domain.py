"""The mail domain somebody types in to ask which send connector its mail takes."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

from tlsrunbook.certificates.facts import normal_name
from tlsrunbook.errors import UsageError
from tlsrunbook.site.names import dns_name

_TODO = "write a mail domain such as partner.example, or a whole address such as anna@partner.example"


def asked_domain(text: str) -> str:
    """Give the domain as it is compared: lower case, A-labels, no final dot.

    Args:
        text: A mail domain, or a mail address.

    Raises:
        UsageError: It is neither.
    """
    typed = text.strip()
    domain = typed.rpartition("@")[2].strip("<> ")
    shown = typed if len(typed) <= 80 else f"{typed[:80]}…"
    if not domain:
        raise UsageError("no domain is given" if not typed else f"“{shown}” has no domain", todo=_TODO)
    if domain.startswith("*"):
        raise UsageError(f"“{shown}” is a pattern, and mail goes to one domain", todo=_TODO)
    try:
        name = dns_name(normal_name(domain) or domain)
    except PydanticCustomError as error:
        raise UsageError(f"“{shown}” is not a mail domain", todo=_TODO) from error
    if "." not in name:
        raise UsageError(f"“{shown}” is a single word, not a mail domain", todo=_TODO)
    return name
