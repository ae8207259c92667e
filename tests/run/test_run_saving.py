"""What ``check --save-state`` writes of a server besides its state, and what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

from certificate_factory import key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from requests_world import AT, authority_with, chain, leaf, pending, reply_with
from worlds import MemoryAuthority, greeting_of, make_site, make_state, target_of

from tlsrunbook.adapters.memory import write_memory
from tlsrunbook.adapters.store import RunStore
from tlsrunbook.evidence.data import readable_json, to_data
from tlsrunbook.evidence.record import Status
from tlsrunbook.exchange.state import ServerState
from tlsrunbook.exchange.state_data import Memory
from tlsrunbook.run.abandoned import abandoned_record
from tlsrunbook.run.batch import ServerJob
from tlsrunbook.run.recording import Circumstances
from tlsrunbook.run.saving import memory_of, saved_server
from tlsrunbook.steps.model import Seen

SITE = make_site()
PENDING = pending()


def seen(state: ServerState) -> Seen:
    return Seen(greeting_of(state), target_of(state), state, (b"\1",))


def test_orders_tell_what_the_authority_has_for_each_request() -> None:
    state, made = make_state(PENDING), leaf()
    for authority, held, answered in (
        (MemoryAuthority(), False, False),
        (authority_with(None, PENDING), True, False),
        (authority_with(reply_with(made, *chain()), PENDING), True, True),
    ):
        (order,) = saved_server(SITE, SITE.servers[0], seen(state), authority, Memory(), AT).orders
        assert (order.held, order.reply == reply_with(made, *chain())) == (held, answered)
        assert order.csr.startswith("-----BEGIN CERTIFICATE REQUEST-----")


def test_of_an_answer_the_certificates_alone_are_saved() -> None:
    private = key("server", "rsa2048").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made = leaf()
    authority = authority_with(private + reply_with(made), PENDING)
    saved = saved_server(SITE, SITE.servers[0], seen(make_state(PENDING)), authority, Memory(), AT)
    assert saved.orders[0].reply == reply_with(made)
    assert b"PRIVATE KEY" not in readable_json(to_data(saved))


def test_an_answer_that_is_none_is_saved_as_none() -> None:
    authority = authority_with(b"<html>", PENDING)
    (order,) = saved_server(SITE, SITE.servers[0], seen(make_state(PENDING)), authority, Memory(), AT).orders
    assert (order.held, order.reply) == (True, b"")


def attempt_with_state(store: RunStore, state: ServerState) -> None:
    change = store.new_change(AT, {"servers": ["EDGE1"]})
    attempt = store.attempt(change, "EDGE1", "confirm", 1)
    attempt.write("before.json", readable_json({"at": "2026-11-24T12:00:00.000Z", "state": to_data(state)}))


def test_memory_is_what_decisions_take_from_the_evidence(tmp_path: Path) -> None:
    store = RunStore(tmp_path, "london")
    assert memory_of(store, "EDGE1") == Memory()
    state = make_state()
    attempt_with_state(store, state)
    memory = memory_of(store, "EDGE1")
    assert memory.default == state.internal_transport_thumbprint
    assert memory.names == {one.tls_certificate_name: one.names for one in state.certificates}
    assert memory_of(store, "MBX1") == Memory()


def test_a_rehearsals_memory_goes_on_from_the_one_it_began_with(tmp_path: Path) -> None:
    store = RunStore(tmp_path, "london")
    before = Memory("A" * 40, {"<I>CN=x<S>CN=y": ("y.example",)}, {"B" * 40: "change 1, verify, attempt 1"})
    write_memory(store.folder, {"EDGE1": before})
    attempt_with_state(store, make_state())
    memory = memory_of(store, "EDGE1")
    assert (memory.default, memory.verified) == (before.default, before.verified)
    assert before.names.items() < memory.names.items()


def test_the_record_of_a_kernel_that_died_says_that_it_was_a_rehearsal(tmp_path: Path) -> None:
    store = RunStore(tmp_path, "london")
    change = store.new_change(AT, {"servers": ["EDGE1"]})
    attempt = store.attempt(change, "EDGE1", "confirm", 1)
    about = Circumstances({}, {}, {}, "sites/london.toml")
    job = ServerJob(tmp_path, "london", "EDGE1", (), store, tmp_path, change, "plan", about)
    record = abandoned_record(job, attempt, "the kernel died")
    assert record.status is Status.FAILED
    assert record.rehearsal == "sites/london.toml"
    assert json.loads(attempt.record_path.read_bytes())["rehearsal"] == "sites/london.toml"
