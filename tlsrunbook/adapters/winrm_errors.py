"""What can go wrong on the way to a server's WinRM, and what it becomes. The only place that knows."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cache
from typing import ParamSpec, TypeVar

from tlsrunbook.errors import ConnectionFailed, LogonFailed, UntrustedServer

P = ParamSpec("P")
T = TypeVar("T")


class Trouble(StrEnum):
    """What happened, as far as it matters for what to do next."""

    WAITING = "nothing came within the operation timeout; ask again"
    BROKEN = "the connection was lost; the shell may be alive"
    UNREACHABLE = "no connection could be made, so nothing was sent"
    GONE = "the shell, or the PowerShell in it, has ended"
    SILENT = "no answer came before the deadline"
    LOGON = "the credential was refused"
    UNTRUSTED = "the server's TLS certificate is not trusted"
    REFUSED = "the server answered with something else than was asked for"


class WireError(Exception):
    """A request to WinRM failed.

    Args:
        detail: The library's or the server's own words, one line.
        todo: What to do about it, empty when the trouble alone tells.
    """

    def __init__(self, trouble: Trouble, detail: str, todo: str = "") -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail
        self.todo = todo


#: SOAP faults whose code tells what happened; anything else is ``REFUSED``. Decimal, as ``WSManFault/@Code`` has them.
_FAULTS: dict[int, tuple[Trouble, str]] = {
    5: (
        Trouble.LOGON,
        "make the account an administrator of the server; a local one also needs LocalAccountTokenFilterPolicy=1 there",
    ),
    232: (Trouble.GONE, ""),
    2150858793: (Trouble.WAITING, ""),
    2150858843: (Trouble.GONE, ""),
    2150858811: (Trouble.REFUSED, "give the port of WinRM over HTTPS (5986), not that of another web service"),
    2150859173: (
        Trouble.REFUSED,
        "close shells that were left behind (winrm enumerate shell), or raise MaxShellsPerUser on the server",
    ),
    2150859174: (Trouble.REFUSED, "wait for other sessions of this account to end, or raise its quotas on the server"),
}

#: HTTP answers without a SOAP fault. http.sys says 503 while WinRM restarts.
_STATUSES = {400: Trouble.BROKEN, 401: Trouble.LOGON, 403: Trouble.LOGON, 503: Trouble.BROKEN}


@cache
def troubles() -> dict[type[BaseException], Trouble]:
    """Give the trouble of every exception class by its nearest listed base class.

    The libraries are imported here and not before: they take longer than the rest of this package together.
    """
    import requests.exceptions as http  # noqa: PLC0415
    import spnego.exceptions as logon  # noqa: PLC0415
    import urllib3.exceptions as pool  # noqa: PLC0415
    import winrm.exceptions as winrm  # noqa: PLC0415

    return {
        winrm.WinRMOperationTimeoutError: Trouble.WAITING,
        winrm.AuthenticationError: Trouble.LOGON,
        winrm.WSManFaultError: Trouble.REFUSED,  # by its code, see _FAULTS
        winrm.WinRMTransportError: Trouble.REFUSED,  # by its HTTP status, see _STATUSES
        winrm.WinRMError: Trouble.REFUSED,
        http.ConnectionError: Trouble.BROKEN,  # UNREACHABLE when no connection was made, see _refined
        http.ConnectTimeout: Trouble.UNREACHABLE,
        http.ProxyError: Trouble.UNREACHABLE,
        http.SSLError: Trouble.BROKEN,  # UNTRUSTED when the certificate is the reason, see _refined
        http.Timeout: Trouble.BROKEN,
        http.ChunkedEncodingError: Trouble.BROKEN,
        http.ContentDecodingError: Trouble.BROKEN,
        http.StreamConsumedError: Trouble.BROKEN,
        http.UnrewindableBodyError: Trouble.BROKEN,
        http.RetryError: Trouble.BROKEN,
        http.HTTPError: Trouble.REFUSED,
        http.TooManyRedirects: Trouble.REFUSED,
        http.URLRequired: Trouble.UNREACHABLE,
        http.MissingSchema: Trouble.UNREACHABLE,
        http.InvalidSchema: Trouble.UNREACHABLE,
        http.InvalidURL: Trouble.UNREACHABLE,
        http.InvalidHeader: Trouble.REFUSED,
        http.InvalidJSONError: Trouble.REFUSED,
        http.RequestException: Trouble.BROKEN,
        pool.NewConnectionError: Trouble.UNREACHABLE,
        pool.ConnectTimeoutError: Trouble.UNREACHABLE,
        pool.LocationValueError: Trouble.UNREACHABLE,
        pool.ProxyError: Trouble.UNREACHABLE,
        pool.ProxySchemeUnknown: Trouble.UNREACHABLE,
        pool.ProxySchemeUnsupported: Trouble.UNREACHABLE,
        pool.URLSchemeUnknown: Trouble.UNREACHABLE,
        pool.HTTPError: Trouble.BROKEN,
        logon.SpnegoError: Trouble.LOGON,
        logon.FeatureMissingError: Trouble.LOGON,
        logon.NativeError: Trouble.LOGON,
        PermissionError: Trouble.LOGON,  # requests_ntlm, when the server does not go on with NTLM
        socket.gaierror: Trouble.UNREACHABLE,
        ConnectionRefusedError: Trouble.UNREACHABLE,
        ssl.SSLCertVerificationError: Trouble.UNTRUSTED,
        OSError: Trouble.BROKEN,
        # Not documented by anybody: what pywinrm's and requests_ntlm's parsing raises on an answer they did not expect.
        Exception: Trouble.REFUSED,
    }


def trouble_of(error: Exception) -> tuple[Trouble, str]:
    """Tell what an exception of pywinrm or of a library under it means, and what to do about it (may be empty)."""
    name = type(error).__name__
    if name == "WSManFaultError":
        return _FAULTS.get(getattr(error, "wsman_fault_code", None) or 0, (Trouble.REFUSED, ""))
    if name == "WinRMTransportError":
        return _STATUSES.get(error.args[1] if len(error.args) > 1 else 0, Trouble.REFUSED), ""
    known = troubles()
    trouble = next(known[kind] for kind in type(error).__mro__ if kind in known)
    return _refined(error, trouble), ""


def _refined(error: Exception, trouble: Trouble) -> Trouble:
    """Look into what requests wrapped: only there it says whether a connection was made at all."""
    if trouble is not Trouble.BROKEN:
        return trouble
    known = troubles()
    for inner in _inside(error):
        found = next((known[kind] for kind in type(inner).__mro__ if kind in known), trouble)
        if found in (Trouble.UNTRUSTED, Trouble.UNREACHABLE):
            return found
    return trouble


def _inside(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and everything wrapped in it, the outermost first."""
    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        item = queue.pop(0)
        if isinstance(item, BaseException) and item not in seen:
            seen.append(item)
            queue += [getattr(item, "reason", None), item.__cause__, *item.args]
            yield item


def detail_of(error: BaseException) -> str:
    """Give one line that says what went wrong, in the words of the innermost exception that has some; may be empty."""
    for inner in reversed(list(_inside(error))):
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"{inner.verify_message} (TLS)"
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
    try:
        text = re.sub(r"\s+", " ", str(error)).strip()
    except Exception:  # noqa: BLE001  # some compute their message from arguments they were not given
        text = ""
    return text[:400]


def guarded(operation: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call into pywinrm.

    Raises:
        WireError: Instead of whatever it raised. The library's traceback is dropped: its frames hold what was sent.
    """
    try:
        return operation(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  # nothing of pywinrm or below it may escape
        trouble, todo = trouble_of(error)
        detail = detail_of(error) or f"{trouble} ({type(error).__name__})"
        raise WireError(trouble, detail, todo) from error.with_traceback(None)


def opening_failed(error: WireError, *, where: str, method: str, credential: str, user: str) -> ConnectionFailed:
    """Make the error for a session that could not be opened; nothing was changed.

    Args:
        where: Server and endpoint.
        method: How it logs on, such as ``ntlm``.
        credential: The credential's name.
        user: The user's name.
    """
    if error.trouble is Trouble.LOGON:
        advice = (
            f"check user and password of the credential {credential!r}, and that the server's WinRM allows {method}"
        )
        return LogonFailed(
            f"the server refused {user} by {method} ({error.detail})", where=where, todo=error.todo or advice
        )
    if error.trouble is Trouble.UNTRUSTED:
        return UntrustedServer(
            f"the TLS certificate of WinRM is not trusted: {error.detail}",
            where=where,
            todo="name the CA that issued it as ca_file of this server in the site file, and use a name that is in it",
        )
    advice = (
        "check name, port and firewall, and that WinRM listens for HTTPS there (winrm enumerate winrm/config/listener)"
    )
    if error.trouble in (Trouble.GONE, Trouble.SILENT, Trouble.REFUSED):
        advice = "log on to the server and look at the event logs of WinRM and PowerShell"
    return ConnectionFailed(f"no session could be opened: {error.detail}", where=where, todo=error.todo or advice)
