r"""A server's state as it was read, on its way to a file and back: what a lab is rebuilt from.

The way there is ``evidence.data.to_data``; this is the way back, by the types of the fields, so that a field that is
added to the state is saved without a word here. What does not fit raises: unknown is not empty.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from tlsrunbook.errors import EvidenceError
from tlsrunbook.exchange.command import Greeting
from tlsrunbook.exchange.decode_file import ServerFile
from tlsrunbook.exchange.state import ServerState

#: Name of the file's shape; a reader refuses another one.
SCHEMA = "tlsrunbook.server-state/1"

T = TypeVar("T")
#: Reads data that stand at a path.
_Reader: TypeAlias = Callable[[Any, str], Any]
_AGAIN = "save it again: tlsrunbook check SITE --save-state DIR"


@dataclass(frozen=True)
class SavedOrder:
    """What the authority had for one pending request.

    Args:
        csr: PEM.
        held: Whether the CSR was handed over.
        reply: The certificates of the answer as PEM, in their order; empty while there was none.
    """

    csr: str
    held: bool
    reply: bytes = b""


@dataclass(frozen=True)
class Memory:
    """What the evidence of earlier work tells of a server, and decisions depend on.

    Args:
        default: The default SMTP certificate as the server's open change first saw it; empty when there is none.
        names: DNS names of every certificate the server was seen with, by TLS certificate name.
        verified: Where the record is, by thumbprint seen on the wire.
    """

    default: str = ""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    verified: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedServer:
    r"""One server as it was read.

    Args:
        site: The site's name.
        server: The server's name in the site file.
        at: When it was read, UTC, to the millisecond.
        greeting: What it said of itself: with its cmdlets and their parameters.
        state: Its state.
        store: ``LocalMachine\\CA``, DER.
        orders: Its pending requests at the authority.
        files: The runbook's own files on it (Exchange 2007).
        memory: What the evidence tells of it.
    """

    site: str
    server: str
    at: datetime
    greeting: Greeting
    state: ServerState
    store: tuple[bytes, ...] = ()
    orders: tuple[SavedOrder, ...] = ()
    files: tuple[ServerFile, ...] = ()
    memory: Memory = field(default_factory=Memory)


def state_from_data(data: Mapping[str, Any], *, where: str = "") -> ServerState:
    """Give the state that ``to_data`` turned into data.

    Evidence may be of a newer version: parts that this one does not know are left out.

    Args:
        data: As it was read from JSON.
        where: The file, for the error's text.

    Raises:
        EvidenceError: A part is missing, or of another kind.
    """
    try:
        return cast("ServerState", _value(ServerState, data, ServerState.__name__, strict=False))
    except _Misfit as error:
        raise EvidenceError(f"the recorded state does not fit: {error}", where=where) from error


def saved_from_data(data: object, *, where: str = "") -> SavedServer:
    """Give the saved server that ``{"schema": SCHEMA, **to_data(saved)}`` describes.

    Raises:
        EvidenceError: It has another schema, or a part is missing, of another kind, or not known.
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        seen = data.get("schema") if isinstance(data, Mapping) else None
        raise EvidenceError(f"it is no saved state of this version ({SCHEMA}), but {seen!r}", where=where, todo=_AGAIN)
    return _read(SavedServer, {key: value for key, value in data.items() if key != "schema"}, where)


def memory_from_data(data: object, *, where: str = "") -> Memory:
    """Give the memory that ``to_data`` turned into data.

    Raises:
        EvidenceError: A part is of another kind, or not known.
    """
    return _read(Memory, data, where)


def _read(kind: type[T], data: object, where: str) -> T:
    try:
        return cast("T", _value(kind, data, kind.__name__, strict=True))
    except _Misfit as error:
        raise EvidenceError(f"the saved state does not fit: {error}", where=where, todo=_AGAIN) from error


class _Misfit(ValueError):
    """A value that is not of the kind its field has."""


def _value(kind: Any, data: Any, path: str, *, strict: bool) -> Any:
    return _reader(kind, strict)(data, path)


@cache
def _reader(kind: Any, strict: bool) -> _Reader:
    """Give what reads values of a kind. Made once per kind: five hundred servers are read at a time."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _optional(kind, strict)
    if origin in (tuple, frozenset):
        return _several(kind, origin, strict)
    if origin is not None and issubclass(origin, Mapping):
        inner = _reader(get_args(kind)[1], strict)
        return lambda data, path: {key: inner(item, f"{path}[{key}]") for key, item in _table(data, path).items()}
    if dataclasses.is_dataclass(kind):
        return _fields(kind, strict)
    return _scalar(kind)


def _optional(kind: Any, strict: bool) -> _Reader:
    (inner,) = (_reader(one, strict) for one in get_args(kind) if one is not type(None))
    return lambda data, path: None if data is None else inner(data, path)


def _several(kind: Any, origin: Any, strict: bool) -> _Reader:
    inner = _reader(get_args(kind)[0], strict)

    def read(data: Any, path: str) -> Any:
        if not isinstance(data, list):
            raise _Misfit(f"{path} is not a list")
        return origin([inner(item, f"{path}[{at}]") for at, item in enumerate(data)])

    return read


def _fields(kind: Any, strict: bool) -> _Reader:
    hints = get_type_hints(kind)
    known = {one.name: _reader(hints[one.name], strict) for one in dataclasses.fields(kind)}
    needed = [one.name for one in dataclasses.fields(kind) if not _spare(one)]

    def read(data: Any, path: str) -> Any:
        given = _table(data, path)
        strange = sorted(given.keys() - known.keys()) if strict else ()
        if strange:
            raise _Misfit(f"{path} has {', '.join(strange)}, which this version does not know")
        missing = [name for name in needed if name not in given]
        if missing:
            raise _Misfit(f"{path} lacks {', '.join(missing)}")
        return kind(**{name: read(given[name], f"{path}.{name}") for name, read in known.items() if name in given})

    return read


def _spare(one: dataclasses.Field[Any]) -> bool:
    return one.default is not dataclasses.MISSING or one.default_factory is not dataclasses.MISSING


def _table(data: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise _Misfit(f"{path} is not a table")
    return data


def _scalar(kind: Any) -> _Reader:
    if kind is bytes:
        return _bytes
    if kind is datetime:
        return _moment
    wanted = kind if kind in (str, int, bool) else None

    def read(data: Any, path: str) -> Any:
        if wanted is not None and type(data) is wanted:
            return data
        raise _Misfit(f"{path} is not {getattr(kind, '__name__', kind)}")

    return read


def _bytes(data: Any, path: str) -> bytes:
    try:
        return base64.b64decode(data["base64"], validate=True)
    except (KeyError, TypeError, binascii.Error, ValueError) as error:
        raise _Misfit(f"{path} is not base64") from error


def _moment(data: Any, path: str) -> datetime:
    try:
        moment = datetime.fromisoformat(data)
    except (TypeError, ValueError) as error:
        raise _Misfit(f"{path} is not a time") from error
    if moment.tzinfo is None:
        raise _Misfit(f"{path} has no time zone")
    return moment
