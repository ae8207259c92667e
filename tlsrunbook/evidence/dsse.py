"""DSSE envelopes (secure-systems-lab/dsse, protocol v1) signed with ECDSA P-256 and SHA-256.

The signature covers the payload's bytes and their type, so nothing has to be put into a canonical form to be checked:
``openssl dgst -sha256 -verify key.pem -signature sig.bin pae.bin`` does it without this package.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tlsrunbook.errors import EvidenceError

#: Environment variable that names the signing key (a path, or ``keyring:NAME``). Only a controlling process may see it.
KEY_VARIABLE = "TLSRUNBOOK_SIGNING_KEY"

#: Payload type of an in-toto statement.
IN_TOTO = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class PublicKey:
    """A public key as bytes, so that it can be compared, pickled and written.

    Args:
        spki: SubjectPublicKeyInfo, DER.
    """

    spki: bytes

    @property
    def keyid(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, 64 lower-case hex digits."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def pem(self) -> bytes:
        """The same as PEM, in the one form that OpenSSL writes."""
        lines = base64.encodebytes(self.spki).replace(b"\n", b"")
        body = b"".join(lines[at : at + 64] + b"\n" for at in range(0, len(lines), 64))
        return b"-----BEGIN PUBLIC KEY-----\n" + body + b"-----END PUBLIC KEY-----\n"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made this DER signature over this message."""
        try:
            key = serialization.load_der_public_key(self.spki)
            if not isinstance(key, ec.EllipticCurvePublicKey):
                return False
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True


def public_key_from_pem(pem: bytes, *, where: str = "") -> PublicKey:
    """Read a public key from PEM.

    Raises:
        EvidenceError: It is no PEM public key on the curve P-256.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EvidenceError("this is no public key in PEM form", where=where, todo="see docs/auditors.md") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise EvidenceError("the public key is not an elliptic-curve key on P-256", where=where)
    return public_key_of(key)


def public_key_of(key: ec.EllipticCurvePublicKey) -> PublicKey:
    """Give the bytes of a key of the ``cryptography`` library."""
    return PublicKey(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    )


@dataclass(frozen=True)
class Signer:
    """Who signs: a public key, and a callable that holds the private one.

    Args:
        public: The public key.
        sign: Takes a message, gives the DER signature of its SHA-256.
        chain: X.509 chain of the key, PEM, leaf first; empty when there is none.
    """

    public: PublicKey
    sign: Callable[[bytes], bytes]
    chain: bytes = b""

    @property
    def keyid(self) -> str:
        """See :attr:`PublicKey.keyid`."""
        return self.public.keyid


@dataclass(frozen=True)
class Signature:
    """One signature of an envelope.

    Args:
        keyid: Which key made it; a hint, not proof.
        sig: DER.
    """

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A signed payload.

    Args:
        payload: The bytes that were signed.
        payload_type: What they are.
        signatures: At least one.
    """

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]

    @property
    def pae(self) -> bytes:
        """What the signatures are over."""
        return pae(self.payload_type, self.payload)

    def encoded(self) -> bytes:
        """Give the envelope as JSON, the one form this package writes, with a final newline."""
        data = {
            "payload": _b64(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": one.keyid, "sig": _b64(one.sig)} for one in self.signatures],
        }
        return (json.dumps(data, indent=1) + "\n").encode("ascii")

    def signed_by(self, key: PublicKey) -> bool:
        """Whether one of the signatures is this key's, and right."""
        return any(one.keyid == key.keyid and key.verifies(one.sig, self.pae) for one in self.signatures)


def pae(payload_type: str, payload: bytes) -> bytes:
    """Give DSSE's pre-authentication encoding: ``DSSEv1 <length> <type> <length> <payload>``."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, signer: Signer, payload_type: str = IN_TOTO) -> Envelope:
    """Sign a payload."""
    signature = signer.sign(pae(payload_type, payload))
    return Envelope(payload, payload_type, (Signature(signer.keyid, signature),))


def envelope_from_bytes(data: bytes, *, where: str = "") -> Envelope:
    """Read an envelope. Nothing is verified by that.

    Args:
        data: JSON.
        where: The file, for the error's text.

    Raises:
        EvidenceError: It is no DSSE envelope.
    """
    try:
        parsed: dict[str, Any] = json.loads(data)
        signatures = tuple(Signature(str(one["keyid"]), _bytes(one["sig"])) for one in parsed["signatures"])
        envelope = Envelope(_bytes(parsed["payload"]), str(parsed["payloadType"]), signatures)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise EvidenceError("this is no DSSE envelope", where=where) from error
    if not signatures:
        raise EvidenceError("the envelope has no signature", where=where)
    return envelope


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
