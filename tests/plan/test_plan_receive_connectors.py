"""The TLS certificate name of the receive connectors."""

from __future__ import annotations

from worlds import make_state, receive, target_of

from tlsrunbook.plan.model import Reverse
from tlsrunbook.plan.receive_connectors import receive_items

OLD, NEW = "<I>CN=Old CA<S>CN=mx1.example.com", "<I>CN=Good CA<S>CN=mx1.example.com"
TARGET = target_of(make_state())


def test_only_those_that_differ_are_altered() -> None:
    items = receive_items((receive(tls_certificate_name=NEW), receive("B", tls_certificate_name=OLD)), TARGET, NEW)
    assert [dict(item.does[0].parameters) for item in items] == [  # type: ignore[index]
        {"Identity": "EDGE1\\B", "TlsCertificateName": NEW}
    ]


def test_undo_gives_the_former_name_back_or_none() -> None:
    for former, undone in ((OLD, OLD), ("", None)):
        (item,) = receive_items((receive(tls_certificate_name=former),), TARGET, NEW)
        assert isinstance(item.undo, Reverse)
        assert item.undo.pipelines[0][0].get("TlsCertificateName") == undone
        assert item.changes[0].have == undone
