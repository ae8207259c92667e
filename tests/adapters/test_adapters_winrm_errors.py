"""Every exception of the libraries under the WinRM adapter has a meaning, and none escapes."""

from __future__ import annotations

import http.client
import inspect
import ssl
import traceback
import xml.etree.ElementTree as ET
from types import ModuleType

import pytest
import requests.exceptions
import spnego.exceptions
import urllib3.exceptions
import winrm.exceptions

from tlsrunbook.adapters.winrm import WinrmShell
from tlsrunbook.adapters.winrm_conversation import _words
from tlsrunbook.adapters.winrm_errors import Trouble, WireError, guarded, opening_failed, trouble_of, troubles
from tlsrunbook.errors import ConnectionFailed, LogonFailed, UntrustedServer, UsageError
from tlsrunbook.secret import Credential, Secret

_MODULES = (winrm.exceptions, requests.exceptions, urllib3.exceptions, spnego.exceptions)
# What everything inherits from: a class that is only known by one of these was not thought about.
_ROOTS = (Exception, OSError, winrm.exceptions.WinRMError, requests.exceptions.RequestException)


def _classes(module: ModuleType) -> list[type[Exception]]:
    return [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and issubclass(kind, Exception)
        and not issubclass(kind, Warning)
        and kind.__module__.split(".")[0] == module.__name__.split(".")[0]
    ]


def _all_classes() -> list[type[Exception]]:
    return sorted({kind for module in _MODULES for kind in _classes(module)}, key=lambda kind: f"{kind}")


def test_the_enumeration_finds_the_classes_we_know() -> None:
    found = _all_classes()
    assert winrm.exceptions.WSManFaultError in found
    assert requests.exceptions.ReadTimeout in found
    assert urllib3.exceptions.ProtocolError in found
    assert spnego.exceptions.BadMICError in found
    assert len(found) > 60


@pytest.mark.parametrize("kind", _all_classes(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_exception_class_is_mapped(kind: type[Exception]) -> None:
    known = troubles()
    nearest = next(base for base in kind.__mro__ if base in known)
    assert kind in known or nearest not in _ROOTS, f"{kind} has no line in troubles()"


@pytest.mark.parametrize("kind", _all_classes(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_exception_class_becomes_a_wire_error(kind: type[Exception]) -> None:
    error = kind.__new__(kind)  # some want arguments that only their library makes

    def fail() -> None:
        raise error

    with pytest.raises(WireError) as caught:
        guarded(fail)
    assert isinstance(caught.value.trouble, Trouble)
    assert caught.value.detail
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        StopIteration(),  # pywinrm's next(...) on an answer without the element
        AssertionError(),  # its check of RelatesTo
        ET.ParseError("junk"),
        ValueError("x"),
        KeyError("www-authenticate"),
        AttributeError("raw"),
        TypeError("x"),
        http.client.BadStatusLine("x"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
    ],
    ids=repr,
)
def test_what_parsing_raises_means_another_answer_than_was_asked_for(error: Exception) -> None:
    assert trouble_of(error)[0] is Trouble.REFUSED


def _wrapped(reason: Exception) -> requests.exceptions.ConnectionError:
    pool = urllib3.HTTPSConnectionPool("server")
    return requests.exceptions.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/wsman", reason))


def _fault(code: int) -> winrm.exceptions.WSManFaultError:
    return winrm.exceptions.WSManFaultError(500, "m", "r", "a reason", "s:Sender", "w:X", code)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (winrm.exceptions.WinRMOperationTimeoutError(), Trouble.WAITING),
        (winrm.exceptions.InvalidCredentialsError("no"), Trouble.LOGON),
        (winrm.exceptions.WinRMTransportError("http", 503, ""), Trouble.BROKEN),
        (winrm.exceptions.WinRMTransportError("http", 404, ""), Trouble.REFUSED),
        (_fault(2150858843), Trouble.GONE),
        (_fault(232), Trouble.GONE),
        (_fault(5), Trouble.LOGON),
        (_fault(2150859173), Trouble.REFUSED),
        (_fault(1), Trouble.REFUSED),
        (_wrapped(urllib3.exceptions.NewConnectionError(None, "no")), Trouble.UNREACHABLE),  # type: ignore[arg-type]
        (_wrapped(urllib3.exceptions.ProtocolError("reset", ConnectionResetError(104, "reset"))), Trouble.BROKEN),
        (requests.exceptions.ReadTimeout("late"), Trouble.BROKEN),
        (requests.exceptions.ConnectTimeout("late"), Trouble.UNREACHABLE),
        (requests.exceptions.SSLError(ssl.SSLCertVerificationError(1, "bad")), Trouble.UNTRUSTED),
        (requests.exceptions.SSLError(ssl.SSLEOFError(8, "EOF")), Trouble.BROKEN),
        (PermissionError("no NTLM"), Trouble.LOGON),
        (spnego.exceptions.InvalidTokenError(), Trouble.LOGON),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_meanings(error: Exception, trouble: Trouble) -> None:
    assert trouble_of(error)[0] is trouble


def test_the_librarys_frames_are_dropped_because_they_hold_what_was_sent() -> None:
    def fail(payload: str) -> None:
        raise ValueError("bad")

    with pytest.raises(WireError) as caught:
        guarded(fail, "Marker-5512")
    cause = caught.value.__cause__
    assert cause is not None
    assert cause.__traceback__ is None
    assert "fail" not in [frame.name for frame in traceback.extract_tb(cause.__traceback__)]


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (b"", ""),
        (b"The command line\r\n  is too long.\r\n", "The command line is too long."),
        (
            b'#< CLIXML\r\n<Objs><S S="debug">x</S><S S="Error">No such thing_x000A_</S><S S="Error">At line:1</S>',
            "No such thing At line:1",
        ),
        (b"#< CLIXML\r\n<Objs>\xff\xfe", ""),
    ],
)
def test_what_powershell_writes_to_stderr_is_read_as_words(output: bytes, words: str) -> None:
    assert _words(output) == words


@pytest.mark.parametrize(("method", "flag"), [("kerberos", "HAVE_KERBEROS"), ("credssp", "HAVE_CREDSSP")])
def test_a_way_to_log_on_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, method: str, flag: str
) -> None:
    monkeypatch.setattr(f"winrm.transport.{flag}", False)
    shell = WinrmShell("edge1", "https://127.0.0.1:1/wsman", method, Credential("c", "u", Secret("p")))
    with pytest.raises(UsageError, match=rf"pywinrm\[{method}\]"):
        shell.open()
    shell.close()


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_trouble_at_opening_says_where_and_what_to_do(trouble: Trouble) -> None:
    wire = WireError(trouble, "the detail")
    error = opening_failed(wire, where="edge1 (https://e:5986/wsman)", method="ntlm", credential="admins", user="u")
    expected = {Trouble.LOGON: LogonFailed, Trouble.UNTRUSTED: UntrustedServer}.get(trouble, ConnectionFailed)
    assert type(error) is expected
    assert "the detail" in error.what
    assert error.where.startswith("edge1")
    assert error.todo
