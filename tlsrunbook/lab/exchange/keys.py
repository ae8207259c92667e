"""Where private keys come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from threading import Lock
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import rsa

#: Makes a new RSA key of so many bits.
KeySource: TypeAlias = Callable[[int], rsa.RSAPrivateKey]

_made: dict[int, list[rsa.RSAPrivateKey]] = defaultdict(list)
_lock = Lock()


def new_key(size: int) -> rsa.RSAPrivateKey:
    """Make a key; 40 to 100 ms for 2048 bits."""
    return rsa.generate_private_key(public_exponent=65537, key_size=size)


class KeyRing:
    """A key source for tests: each request of one ring gets another key, and rings share what was made already.

    The keys are real. Two worlds with a ring each have the same keys, which no test may mind.
    """

    def __init__(self) -> None:
        self._given: dict[int, int] = defaultdict(int)

    def __call__(self, size: int) -> rsa.RSAPrivateKey:
        """Give a key this ring has not given before."""
        with _lock:
            at = self._given[size]
            self._given[size] = at + 1
            if at == len(_made[size]):
                _made[size].append(new_key(size))
            return _made[size][at]
