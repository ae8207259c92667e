from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import AT, certificate, greeting_of, make_state, receive, send

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.data import readable_json, to_data
from tlsrunbook.exchange.command import Greeting
from tlsrunbook.exchange.decode_file import ServerFile
from tlsrunbook.exchange.state import (
    AddressSpace,
    ExchangeCertificate,
    ReceiveConnector,
    SendConnector,
    ServerState,
)
from tlsrunbook.exchange.state_data import (
    SCHEMA,
    Memory,
    SavedOrder,
    SavedServer,
    memory_from_data,
    saved_from_data,
    state_from_data,
)

times = st.integers(0, 10**9).map(lambda n: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=n * 400))
words = st.text(max_size=8)
flags = st.frozensets(words, max_size=3)


def several(one: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(one, max_size=2).map(tuple)


certificates = st.builds(
    ExchangeCertificate,
    thumbprint=words,
    not_before=times,
    not_after=times,
    names=several(words),
    services=st.none() | flags,
    raw=st.binary(max_size=40),
    request=words,
)
states = st.builds(
    ServerState,
    certificates=several(certificates),
    receive_connectors=several(st.builds(ReceiveConnector, tls_certificate_name=st.none() | words)),
    send_connectors=several(st.builds(SendConnector, address_spaces=several(st.builds(AddressSpace)))),
    intermediates=flags,
)
greetings = st.builds(Greeting, parameters=st.dictionaries(words, flags, max_size=3), folder=words)
memories = st.builds(
    Memory, names=st.dictionaries(words, several(words), max_size=2), verified=st.dictionaries(words, words, max_size=2)
)
saved_servers = st.builds(
    SavedServer,
    at=times,
    greeting=greetings,
    state=states,
    store=several(st.binary(max_size=20)),
    orders=several(st.builds(SavedOrder, reply=st.binary(max_size=20))),
    files=several(st.builds(ServerFile)),
    memory=memories,
)

SAVED = SavedServer(
    "london",
    "EDGE1",
    AT,
    greeting_of(make_state()),
    make_state(certificate(raw=b"\1"), receive_connectors=(receive(),), send_connectors=(send(),)),
)


def through_json(value: object) -> Any:
    return json.loads(readable_json(to_data(value)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(states)
def test_any_state_comes_back_from_json_as_it_was(state: ServerState) -> None:
    assert state_from_data(through_json(state)) == state


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(saved_servers)
def test_any_saved_server_comes_back_from_json_as_it_was(saved: SavedServer) -> None:
    assert saved_from_data({"schema": SCHEMA, **through_json(saved)}) == saved
    assert memory_from_data(through_json(saved.memory)) == saved.memory


def test_what_a_later_version_added_with_a_default_may_be_missing() -> None:
    data = through_json(SAVED)
    for name in ("orders", "files", "memory"):
        del data[name]
    assert saved_from_data({"schema": SCHEMA, **data}) == SAVED


def drop(*path: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        del data[path[-1]]

    return change


def put(value: object, *path: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for part in path[:-1]:
            data = data[part]
        data[path[-1]] = value

    return change


BROKEN: dict[str, tuple[Callable[[Any], None], str]] = {
    "a missing part": (drop("state", "fqdn"), "SavedServer.state lacks fqdn"),
    "a missing part of one of several": (
        drop("state", "certificates", 1, "status"),
        r"SavedServer.state.certificates\[1\] lacks status",
    ),
    "a part too many": (put(1, "state", "mood"), "SavedServer.state has mood, which this version does not know"),
    "a text for a truth value": (put("yes", "state", "is_edge"), "SavedServer.state.is_edge is not bool"),
    "a truth value for a number": (put(True, "state", "version", "major"), "major is not int"),
    "nothing where there must be something": (put(None, "state", "name"), "SavedServer.state.name is not str"),
    "a text for a list": (put("A", "state", "intermediates"), "SavedServer.state.intermediates is not a list"),
    "a list for a table": (put([], "greeting"), "SavedServer.greeting is not a table"),
    "broken base64": (put({"base64": "%"}, "state", "certificates", 1, "raw"), "raw is not base64"),
    "a text for bytes": (put("AA==", "state", "certificates", 1, "raw"), "raw is not base64"),
    "a time without a zone": (put("2026-11-24T12:00:00", "at"), "SavedServer.at has no time zone"),
    "no time": (put("yesterday", "at"), "SavedServer.at is not a time"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_is_named_by_its_place(case: str) -> None:
    change, words = BROKEN[case]
    data = {"schema": SCHEMA, **through_json(SAVED)}
    change(data)
    with pytest.raises(EvidenceError, match=words) as caught:
        saved_from_data(data, where="EDGE1.json")
    assert caught.value.where == "EDGE1.json"
    assert "--save-state" in caught.value.todo


@pytest.mark.parametrize(
    "data", [None, [], {}, {"schema": "tlsrunbook.record/1"}, {"schema": "tlsrunbook.server-state/2"}]
)
def test_another_schema_is_refused(data: object) -> None:
    with pytest.raises(EvidenceError, match="server-state/1"):
        saved_from_data(data)
