from __future__ import annotations

from datetime import timedelta

from certificate_factory import AT, FQDN, authority, key, make, world
from hypothesis import given, settings
from hypothesis import strategies as st

from tlsrunbook.certificates.chain import MAX_DEPTH, intermediates_of, issuers_of, leaf_for, order_chain
from tlsrunbook.certificates.facts import certificate_facts

W = world()
LEAF = make(FQDN, own_key=key("chain"), signer=W.intermediate)
OLDER = make(FQDN, own_key=key("chain"), signer=W.intermediate, begin=AT - timedelta(days=50))
STRANGER = make("x.example.net", own_key=key("stranger"), signer=W.other_intermediate)
SPKI = certificate_facts(LEAF.der).spki_sha256
POOL = [made.der for made in (LEAF, OLDER, STRANGER, W.root, W.upper, W.intermediate, W.cross, W.other_root)]


@settings(max_examples=60, deadline=None)
@given(st.permutations(POOL))
def test_any_order_gives_the_same_leaf_and_chain(pool: list[bytes]) -> None:
    assert leaf_for(pool, SPKI) == (LEAF.der, OLDER.der)
    assert order_chain(LEAF.der, pool) == (LEAF.der, W.intermediate.der, W.upper.der)
    assert intermediates_of(LEAF.der, pool) == (W.intermediate.der, W.upper.der, W.cross.der)


def test_leaf_is_found_by_its_key_alone() -> None:
    assert leaf_for(POOL, "00" * 32) == ()
    assert leaf_for(POOL, "") == ()
    assert leaf_for([*POOL, LEAF.der], SPKI) == (LEAF.der, OLDER.der)


def test_chain_stops_where_the_pool_ends() -> None:
    assert order_chain(LEAF.der, []) == (LEAF.der,)
    assert order_chain(LEAF.der, [W.upper.der]) == (LEAF.der,)
    assert order_chain(LEAF.der, [W.intermediate.der, W.root.der]) == (LEAF.der, W.intermediate.der)


def test_namesake_with_another_key_is_no_issuer() -> None:
    namesake = authority("Good CA 1", "namesake", W.root)
    assert issuers_of(LEAF.der, [namesake.der]) == ()
    assert order_chain(LEAF.der, [namesake.der, W.intermediate.der]) == (LEAF.der, W.intermediate.der)


def test_cas_that_sign_each_other_do_not_go_round_for_ever() -> None:
    one, two = authority("One", "one"), authority("Two", "two")
    crossed = [authority("One", "one", two).der, authority("Two", "two", one).der]
    leaf = make(FQDN, own_key=key("chain"), signer=one)
    assert order_chain(leaf.der, crossed) == (leaf.der, *crossed)
    assert intermediates_of(leaf.der, crossed) == tuple(crossed)


def test_a_very_long_chain_is_cut() -> None:
    made = [authority("CA 0", "ca-0", W.root)]
    for n in range(1, 2 * MAX_DEPTH):
        made.append(authority(f"CA {n}", f"ca-{n}", made[-1]))
    leaf = make(FQDN, own_key=key("chain"), signer=made[-1])
    pool = [one.der for one in made]
    assert len(order_chain(leaf.der, pool)) == MAX_DEPTH + 1
    assert len(intermediates_of(leaf.der, pool)) == MAX_DEPTH
