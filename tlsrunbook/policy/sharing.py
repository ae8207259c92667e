"""One key on several servers: what stops it, and what it does not reach."""

from __future__ import annotations

from collections.abc import Iterable

from tlsrunbook.exchange import cmdlets
from tlsrunbook.exchange.state import ExchangeCertificate
from tlsrunbook.exchange.version import Target
from tlsrunbook.policy.finding import Finding, Severity

RULES = {
    "share-needs-bytes": "A shared key travels as bytes in memory; Exchange 2007 knows files only",
    "key-not-exportable": "A key that is to be shared may leave its server",
    "share-raw-missing": "The server that shares its certificate gives the certificate's bytes",
    "own-certificate-newer": "A server that shares a certificate has no newer one of its own for the same names",
}


def refuse_sharing(
    source: str, theirs: ExchangeCertificate, exportable: bool | None, targets: Iterable[Target]
) -> tuple[Finding, ...]:
    """Refuse to export what cannot be exported.

    Args:
        source: Name of the server whose certificate it is.
        theirs: The certificate.
        exportable: Whether its key may leave; None when the server does not tell, and then it is tried.
        targets: Both servers.
    """
    about = f"certificate {theirs.thumbprint}"
    old = [target.name for target in targets if not cmdlets.takes_certificate_as_bytes(target)]
    if old:
        text = f"{' and '.join(old)} would need the private key in a file on its disk, which is not done"
        todo = "take share_from out of the site file: the server then makes its own request"
        return (Finding("share-needs-bytes", Severity.REFUSE, text, todo, f"server {old[0]}"),)
    if exportable is False:
        text = f"the private key of {theirs.thumbprint} may not leave {source}: it was requested without it"
        todo = (
            f"request a new certificate on {source} (raise renew_before_days until it is due), or take share_from out"
        )
        return (Finding("key-not-exportable", Severity.REFUSE, text, todo, about),)
    if not theirs.raw:
        text = f"{source} does not give the bytes of {theirs.thumbprint}, so its issuer and chain cannot be told"
        return (Finding("share-raw-missing", Severity.REFUSE, text, "load Exchange's types on the server", about),)
    return ()


def stays_behind(own: ExchangeCertificate | None, theirs: ExchangeCertificate, server: str) -> tuple[Finding, ...]:
    """Warn where the server would go on using a newer certificate of its own.

    Args:
        own: The certificate it would use by itself.
        theirs: The one it shares.
        server: Its name.
    """
    order = (theirs.not_before, theirs.thumbprint)
    if own is None or own.thumbprint == theirs.thumbprint or (own.not_before, own.thumbprint) < order:
        return ()
    text = (
        f"{server} has {own.thumbprint} of its own, issued after the shared {theirs.thumbprint}, and goes on using it"
    )
    todo = "remove it, or let it be until the shared one is renewed"
    return (Finding("own-certificate-newer", Severity.WARNING, text, todo, f"certificate {own.thumbprint}"),)
