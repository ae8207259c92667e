"""A stand-in is what the lab shows for a certificate whose key it does not have; only a rehearsal takes it for that."""

from __future__ import annotations

from certificate_factory import FQDN, key, make, world
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from worlds import certificate, probe

from tlsrunbook.adapters.stand_in import StandInProber
from tlsrunbook.certificates.facts import certificate_facts
from tlsrunbook.certificates.stand_in import original_of
from tlsrunbook.lab.exchange.keys import KeyRing
from tlsrunbook.lab.stand_in import StandInKeys, fits, placeholder, stand_in
from tlsrunbook.smtp.facts import ProbeFacts, ProbeOutcome

REAL = make(FQDN, own_key=key("its own"), signer=world().intermediate, issuer_url="http://ca.example/1.cer")


def shown() -> bytes:
    own_key = StandInKeys(KeyRing()).like(REAL.certificate.public_key())
    return stand_in(REAL.certificate, own_key).public_bytes(Encoding.DER)


def test_a_stand_in_tells_what_it_stands_for_and_looks_like_it() -> None:
    assert original_of(shown()) == REAL.der
    facts = certificate_facts(shown())
    assert (facts.subject, facts.issuer) == (certificate_facts(REAL.der).subject, certificate_facts(REAL.der).issuer)
    assert facts.thumbprint != certificate_facts(REAL.der).thumbprint


def test_other_certificates_and_rubbish_stand_for_nothing() -> None:
    assert original_of(REAL.der) is None
    assert original_of(world().root.der) is None
    assert original_of(b"no certificate") is None


def test_stand_in_keys_are_of_the_kind_of_the_real_ones() -> None:
    keys = StandInKeys(KeyRing())
    curve = keys.like(REAL.certificate.public_key())
    assert isinstance(curve, ec.EllipticCurvePrivateKey)
    assert keys.like(REAL.certificate.public_key()) is curve
    assert not fits(REAL.certificate, curve)
    plain = keys.like(key("rsa", "rsa2048").public_key())
    assert isinstance(plain, rsa.RSAPrivateKey)
    assert keys.like(None) is plain


def test_a_placeholder_has_what_was_shown_of_an_entry_whose_bytes_were_not() -> None:
    own_key = StandInKeys(KeyRing()).like(None)
    entry = certificate("A", subject="CN=mx1.example.com, O=Example", issuer="CN=Good CA")
    made = placeholder(entry, own_key, own_key.public_key())
    facts = certificate_facts(made.public_bytes(Encoding.DER))
    assert facts.names == entry.names
    assert (facts.not_before, facts.not_after) == (entry.not_before, entry.not_after)
    unreadable = placeholder(certificate("A", subject="?", issuer=""), own_key, own_key.public_key())
    assert certificate_facts(unreadable.public_bytes(Encoding.DER)).subject == "CN=unreadable"


class Shows:
    """A prober that saw these chains."""

    def __init__(self, *chains: tuple[bytes, ...]) -> None:
        self._facts = tuple(probe(chain=chain) for chain in chains)

    def probe(self, endpoint: str, server_name: str) -> tuple[ProbeFacts, ...]:
        assert (endpoint, server_name) == ("127.0.0.1:25", FQDN)
        return self._facts


def test_a_rehearsals_prober_sees_the_certificate_behind_the_stand_in() -> None:
    upper = world().intermediate.der
    seen = StandInProber(Shows((shown(), upper), (REAL.der,), ())).probe("127.0.0.1:25", FQDN)
    assert [facts.chain for facts in seen] == [(REAL.der, upper), (REAL.der,), ()]
    assert all(facts.outcome is ProbeOutcome.TLS for facts in seen)
