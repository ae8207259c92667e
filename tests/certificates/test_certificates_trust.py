from __future__ import annotations

import ssl
import time
from datetime import timedelta
from itertools import permutations

import pytest
from certificate_factory import AT, FQDN, Made, authority, key, make, with_sha1, world
from cryptography import x509

from tlsrunbook.certificates.trust import Trust, judge_trust, walk
from tlsrunbook.errors import BadCertificateFile

W = world()
LEAF = make(FQDN, own_key=key("trust"), signer=W.intermediate)


def judge(leaf: Made, *sent: Made, known: tuple[Made, ...] = (), name: str = FQDN, days: float = 0) -> Trust:
    moment = AT + timedelta(days=days)
    return judge_trust(leaf.der, [m.der for m in sent], [m.der for m in known], W.roots, moment, name)


def path(*made: Made) -> tuple[bytes, ...]:
    return tuple(one.der for one in made)


def test_complete_chain_is_trusted_in_any_order_and_with_strangers() -> None:
    for sent in permutations([LEAF, W.upper, W.intermediate, W.other_root]):
        trust = judge(LEAF, *sent)
        assert trust.path == path(LEAF, W.intermediate, W.upper, W.root)
        assert trust.root == "CN=Good Root"
        assert (trust.trusted, trust.fault, trust.missing_issuer, trust.verifier) == (True, "", "", "")
        assert not trust.completed_by_known


def test_root_may_be_sent_and_changes_nothing() -> None:
    assert judge(LEAF, W.root, W.upper, W.intermediate) == judge(LEAF, W.intermediate, W.upper)


def test_missing_intermediate_is_named() -> None:
    trust = judge(LEAF, W.upper)
    assert (trust.fault, trust.missing_issuer, trust.root) == ("chain-incomplete", "CN=Good CA 1", "")
    assert trust.path == path(LEAF)
    trust = judge(LEAF, W.intermediate)
    assert (trust.fault, trust.missing_issuer) == ("issuer-unknown", "CN=Good Upper CA")
    assert trust.path == path(LEAF, W.intermediate)


def test_known_certificates_complete_the_path_and_what_was_not_sent_is_still_named() -> None:
    trust = judge(LEAF, W.intermediate, known=(W.upper, W.intermediate))
    assert (trust.trusted, trust.completed_by_known, trust.fault) == (True, True, "chain-incomplete")
    assert trust.missing_issuer == "CN=Good Upper CA"
    assert trust.path == path(LEAF, W.intermediate, W.upper, W.root)
    assert trust.verifier == ""


def test_known_certificates_that_do_not_help_change_nothing() -> None:
    trust = judge(LEAF, known=(W.upper, W.other_intermediate))
    assert (trust.trusted, trust.missing_issuer) == (False, "CN=Good CA 1")


def test_root_of_another_world_is_not_trusted() -> None:
    leaf = make(FQDN, own_key=key("trust"), signer=W.other_intermediate)
    trust = judge(leaf, W.other_intermediate, W.other_root)
    assert (trust.fault, trust.root, trust.root_known) == ("untrusted", "CN=Other Root", False)
    assert trust.reason == trust.verifier != ""
    assert judge(leaf, W.other_intermediate).missing_issuer == "CN=Other Root"


def test_cross_signed_ca_leads_to_either_root() -> None:
    sent = [W.intermediate.der, W.upper.der, W.cross.der]
    by_good = judge_trust(LEAF.der, sent, (), (W.root.der,), AT, FQDN)
    by_other = judge_trust(LEAF.der, sent, (), (W.other_root.der,), AT, FQDN)
    assert by_good.path[-2:] == path(W.upper, W.root)
    assert by_other.path[-2:] == path(W.cross, W.other_root)
    assert by_good.trusted
    assert by_other.trusted


@pytest.mark.parametrize(
    ("leaf", "name", "days"),
    [
        (LEAF, "other.example.com", 0),
        (LEAF, FQDN, 100),
        (LEAF, FQDN, -11),
        (make(FQDN, own_key=key("trust"), signer=W.intermediate, ekus=["clientAuth"]), FQDN, 0),
        (make(FQDN, own_key=key("trust"), signer=W.intermediate, names=[]), FQDN, 0),
        (LEAF, "under_score.example.com", 0),
        (LEAF, "", 0),
    ],
    ids=["name", "expired", "future", "purpose", "no names", "impossible name", "empty name"],
)
def test_trust_is_apart_from_name_time_and_purpose(leaf: Made, name: str, days: float) -> None:
    trust = judge(leaf, W.intermediate, W.upper, name=name, days=days)
    assert trust.trusted
    assert trust.path[-1] == W.root.der
    assert trust.verifier


@pytest.mark.parametrize(
    "names", [["*.example.com"], ["_dmarc.example.com", FQDN], ["xn--bcher-kva.example"], ["a" * 64]]
)
def test_trust_holds_whatever_the_first_name_is_like(names: list[str]) -> None:
    assert judge(make("x", own_key=key("trust"), signer=W.intermediate, names=names), W.intermediate, W.upper).trusted


def test_leaf_without_names_is_followed_by_hand() -> None:
    def nameless(signer: Made) -> Made:
        return make(FQDN, own_key=key("nameless"), signer=signer, names=[])

    assert (
        judge(nameless(W.expired_intermediate), W.expired_intermediate).reason == "Good CA 0 is not valid at that time"
    )
    assert judge(nameless(W.other_intermediate), W.other_intermediate).fault == "issuer-unknown"
    trust = judge(nameless(LEAF), LEAF, W.intermediate, W.upper)
    assert trust.reason == "mail.example.com is not the certificate of a CA"


def test_expired_intermediate_is_refused_though_a_path_of_signatures_exists() -> None:
    leaf = make(FQDN, own_key=key("trust"), signer=W.expired_intermediate)
    trust = judge(leaf, W.expired_intermediate)
    assert (trust.trusted, trust.fault, trust.missing_issuer, trust.root_known) == (False, "untrusted", "", True)
    assert trust.path == path(leaf, W.expired_intermediate, W.root)


def test_sha1_leaf_has_a_path_of_signatures_and_is_refused() -> None:
    leaf = with_sha1(make(FQDN, own_key=key("trust"), signer=W.rsa_intermediate), W.rsa_intermediate)
    trust = judge(leaf, W.rsa_intermediate)
    assert trust.path == path(leaf, W.rsa_intermediate, W.root)
    assert (trust.trusted, trust.root_known) == (False, True)
    assert "signature algorithm" in trust.reason


def test_without_roots_nothing_is_trusted() -> None:
    trust = judge_trust(LEAF.der, path(W.intermediate, W.upper, W.root), (), (), AT, FQDN)
    assert (trust.trusted, trust.reason, trust.fault) == (False, "no trusted root is known", "untrusted")


def test_what_cannot_be_read_is_left_out() -> None:
    roots = (b"rubbish", W.root.der)
    sent = (b"", *path(W.intermediate, W.upper), b"rubbish")
    assert judge_trust(LEAF.der, sent, (b"x",), roots, AT, FQDN).trusted
    with pytest.raises(BadCertificateFile):
        judge_trust(b"rubbish", sent, (), roots, AT, FQDN)


def test_self_signed_leaf_is_not_trusted() -> None:
    leaf = make(FQDN, own_key=key("trust"))
    trust = judge(leaf)
    assert (trust.trusted, trust.path, trust.root) == (False, path(leaf), "CN=mail.example.com")


def test_many_cas_that_sign_each_other_end_soon() -> None:
    selves = [authority(f"Ring {n}", f"ring-{n}") for n in range(9)]
    ring = [authority(f"Ring {a}", f"ring-{a}", selves[b]).der for a in range(9) for b in range(9) if a != b]
    leaf = make(FQDN, own_key=key("trust"), signer=selves[0])
    begin = time.perf_counter()
    assert len(walk(leaf.der, ring, W.roots)) > 1
    assert not judge_trust(leaf.der, ring, (), W.roots, AT, FQDN).trusted
    assert time.perf_counter() - begin < 20


def test_roots_of_this_computer_are_taken_as_they_are() -> None:
    system = tuple(ssl.create_default_context().get_ca_certs(binary_form=True))
    trust = judge_trust(LEAF.der, path(W.intermediate, W.upper), (), (*system, W.root.der), AT, FQDN)
    assert trust.trusted
    assert x509.load_der_x509_certificate(trust.path[-1]) == W.root.certificate
