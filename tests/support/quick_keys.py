"""RSA keys for hundreds of simulated servers in no time: distinct, real, and as weak as their shared primes.

A key takes 40 to 100 ms to make, which would drown what a benchmark measures of a runbook. From n primes come
n (n - 1) / 2 moduli, no two the same, so that no two servers share a key. Whoever knew two of them could factor both:
good for a lab on loopback, and for nothing else.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric import rsa

from tlsrunbook.lab.exchange.keys import new_key

_EXPONENT = 65537


class PairedKeys:
    """A :data:`~tlsrunbook.lab.exchange.keys.KeySource` whose 2048-bit keys pair the primes of a few.

    Args:
        count: How many keys it has to give; beyond that, and for other sizes, it makes ordinary ones.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._keys = self._paired(_primes(count))

    def __call__(self, size: int) -> rsa.RSAPrivateKey:
        """Give a key that was not given before."""
        with self._lock:
            made = next(self._keys, None) if size == 2048 else None
        return made or new_key(size)

    @staticmethod
    def _paired(primes: list[int]) -> Iterator[rsa.RSAPrivateKey]:
        for p, q in itertools.combinations(primes, 2):
            yield _key(p, q)


def _primes(count: int) -> list[int]:
    """Give enough primes for so many pairs."""
    primes: list[int] = []
    while len(primes) * (len(primes) - 1) // 2 < count:
        numbers = new_key(2048).private_numbers()
        primes += [numbers.p, numbers.q]
    return primes


def _key(p: int, q: int) -> rsa.RSAPrivateKey:
    d = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    # Unchecked: p and q are primes that a sound key was made of, and checking them takes as long as making new ones.
    return rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key(unsafe_skip_rsa_key_validation=True)
