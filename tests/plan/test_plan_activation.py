"""What becomes of the default SMTP certificate, and how enabling is undone."""

from __future__ import annotations

from worlds import DEFAULT, certificate, default_certificate, make_state, target_of

from tlsrunbook.exchange.command import Later
from tlsrunbook.plan.activation import choose_default, enable_item, enable_undo, put_back_item
from tlsrunbook.plan.model import Compensate, Irreversible
from tlsrunbook.policy.finding import Severity

NEW = certificate("A")
STATE = make_state(NEW)
#: As an interrupted run leaves it: the new one was enabled, the old default was not put back.
HALF_WAY = make_state(NEW, internal_transport_thumbprint=NEW.thumbprint)


def _rules(choice: object) -> list[str]:
    return [finding.rule for finding in choice.findings]  # type: ignore[attr-defined]


def test_keep_puts_back_the_present_default() -> None:
    choice = choose_default(STATE, NEW.thumbprint, "keep", "")
    assert (choice.keep, choice.findings) == (DEFAULT, ())


def test_keep_with_a_certificate_that_is_not_there_yet() -> None:
    choice = choose_default(STATE, Later("thumbprint"), "keep", "")
    assert (choice.keep, choice.findings) == (DEFAULT, ())


def test_after_an_interrupted_run_the_remembered_default_is_put_back() -> None:
    choice = choose_default(HALF_WAY, NEW.thumbprint, "keep", DEFAULT)
    assert (choice.keep, choice.findings) == (DEFAULT, ())


def test_without_a_memory_of_another_default_nothing_is_put_back() -> None:
    for remembered in ("", NEW.thumbprint):
        choice = choose_default(HALF_WAY, NEW.thumbprint, "keep", remembered)
        assert (choice.keep, choice.findings) == ("", ())


def test_the_present_default_goes_before_the_remembered_one() -> None:
    other = certificate("C")
    state = make_state(NEW, other, internal_transport_thumbprint=other.thumbprint)
    assert choose_default(state, NEW.thumbprint, "keep", DEFAULT).keep == other.thumbprint


def test_keep_is_refused_when_there_is_no_default() -> None:
    choice = choose_default(make_state(NEW, internal_transport_thumbprint=""), NEW.thumbprint, "keep", "")
    assert _rules(choice) == ["default-cannot-be-kept"]
    assert choice.findings[0].severity is Severity.REFUSE
    assert "has no default SMTP certificate" in choice.findings[0].message


def test_keep_is_refused_when_the_default_is_not_in_the_store() -> None:
    gone = "E" * 40
    choice = choose_default(make_state(NEW, internal_transport_thumbprint=gone), NEW.thumbprint, "keep", "")
    assert _rules(choice) == ["default-cannot-be-kept"]
    assert f"{gone} as its default SMTP certificate, which is not in its store" in choice.findings[0].message


def test_keep_is_refused_when_the_default_has_no_key() -> None:
    state = make_state(certificates=(default_certificate(has_private_key=False), NEW))
    choice = choose_default(state, NEW.thumbprint, "keep", "")
    assert _rules(choice) == ["default-cannot-be-kept"]
    assert "has no private key there" in choice.findings[0].message


def test_a_default_whose_key_nobody_can_tell_is_kept() -> None:
    state = make_state(certificates=(default_certificate(has_private_key=None), NEW))
    assert choose_default(state, NEW.thumbprint, "keep", "").findings == ()


def test_the_remembered_default_is_looked_at_as_well() -> None:
    state = make_state(certificates=(NEW,), internal_transport_thumbprint=NEW.thumbprint)
    assert _rules(choose_default(state, NEW.thumbprint, "keep", DEFAULT)) == ["default-cannot-be-kept"]


def test_replace_puts_nothing_back() -> None:
    choice = choose_default(STATE, NEW.thumbprint, "replace", "")
    assert (choice.keep, choice.findings) == ("", ())


def test_replace_is_refused_on_a_server_with_an_edge_subscription() -> None:
    choice = choose_default(make_state(NEW, edge_subscribed=True), NEW.thumbprint, "replace", "")
    assert _rules(choice) == ["default-replace-with-edge-subscription"]
    assert choice.findings[0].severity is Severity.REFUSE


def test_keep_needs_no_look_at_the_edge_subscription() -> None:
    assert choose_default(make_state(NEW, edge_subscribed=True), NEW.thumbprint, "keep", "").findings == ()


def test_enabling_names_smtp_alone_and_forces_the_question() -> None:
    target = target_of(STATE)
    item = enable_item(target, STATE, NEW.thumbprint, choose_default(STATE, NEW.thumbprint, "keep", ""))
    assert dict(item.does[0].parameters) == {  # type: ignore[index]
        "Server": "EDGE1",
        "Thumbprint": NEW.thumbprint,
        "Services": "SMTP",
        "Force": True,
    }
    assert [(c.target, c.property, c.have, c.want) for c in item.changes] == [
        (f"certificate {NEW.thumbprint}", "Services", (), ("SMTP",))
    ]


def test_a_replaced_default_is_among_the_changes() -> None:
    choice = choose_default(STATE, NEW.thumbprint, "replace", "")
    item = enable_item(target_of(STATE), STATE, NEW.thumbprint, choice)
    assert [(c.property, c.have, c.want) for c in item.changes][1:] == [
        ("default SMTP certificate", DEFAULT, NEW.thumbprint)
    ]


def test_putting_back_enables_the_old_one_again() -> None:
    choice = choose_default(STATE, NEW.thumbprint, "keep", "")
    item = put_back_item(target_of(STATE), STATE, NEW.thumbprint, choice)
    assert item.does[0].get("Thumbprint") == DEFAULT  # type: ignore[index]
    assert item.changes[0].want == DEFAULT


def test_undo_makes_the_old_default_the_default_again_and_says_what_stays() -> None:
    undo = enable_undo(target_of(STATE), STATE)
    assert isinstance(undo, Compensate)
    assert undo.pipelines[0][0].get("Thumbprint") == DEFAULT
    assert "cannot take a service away" in undo.note


def test_without_an_old_default_enabling_is_irreversible() -> None:
    for thumbprint in ("", "E" * 40):
        state = make_state(NEW, internal_transport_thumbprint=thumbprint)
        assert isinstance(enable_undo(target_of(state), state), Irreversible)
