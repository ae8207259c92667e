"""The statement that a seal signs: in-toto Statement v1 over every file that was added since the seal before.

A seal is a folder ``seals/<number>`` in the site's folder::

    seal.dsse.json   the signed statement                statement.json  the statement, as it was signed
    SHA256SUMS       its files, for ``sha256sum -c``     pae.bin, sig.bin, key.pem   for ``openssl dgst -verify``
    chain.pem        X.509 chain of the key, if any      seal.tsr        RFC 3161 time stamp, if one was asked for
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.data import readable_json
from tlsrunbook.evidence.dsse import Envelope

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
#: Names the predicate's shape; a reader refuses one it does not know.
PREDICATE_TYPE = "urn:tlsrunbook:change-record:v1"

SEALS = "seals"
SEAL_FILE = "seal.dsse.json"
STATEMENT_FILE = "statement.json"
SUMS_FILE = "SHA256SUMS"
PAE_FILE = "pae.bin"
SIGNATURE_FILE = "sig.bin"
KEY_FILE = "key.pem"
CHAIN_FILE = "chain.pem"
TIMESTAMP_FILE = "seal.tsr"


def seal_folder(number: int) -> str:
    """Give the folder of a seal below the site's folder."""
    return f"{SEALS}/{number:04d}"


@dataclass(frozen=True)
class Previous:
    """The seal that another one follows.

    Args:
        number: From 1.
        sha256: Of its ``seal.dsse.json``.
    """

    number: int
    sha256: str

    @classmethod
    def of(cls, number: int, envelope: bytes) -> Previous:
        """Give it from the bytes of ``seal.dsse.json``."""
        return cls(number, hashlib.sha256(envelope).hexdigest())

    @property
    def folder(self) -> str:
        """Its folder below the site's folder."""
        return seal_folder(self.number)


@dataclass(frozen=True)
class Claims:
    """What a seal claims besides the digests.

    Args:
        site: Site name.
        number: Place in the site's chain, from 1.
        previous: The seal before; None for the first.
        what: ``run``, ``approve``, ``rollback`` or ``seal``.
        sealed: UTC.
        keyid: Of the key that signs.
        about: ``outcome``, ``who``, ``tool``, ``changes``, ``steps``, ``notebooks``, ``found``.
    """

    site: str
    number: int
    previous: Previous | None
    what: str
    sealed: str
    keyid: str
    about: Mapping[str, Any] = field(default_factory=dict)


def statement(claims: Claims, files: Mapping[str, str], beside: Mapping[str, bytes]) -> bytes:
    """Write a statement.

    Args:
        claims: What it says.
        files: SHA-256 by path below the site's folder.
        beside: Files in the seal's own folder that it covers too, by name.
    """
    own = {f"{seal_folder(claims.number)}/{name}": hashlib.sha256(data).hexdigest() for name, data in beside.items()}
    covered = dict(sorted({**files, **own}.items()))
    subjects = [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in covered.items()]
    previous = claims.previous
    predicate = {
        "site": claims.site,
        "number": claims.number,
        "previous": {"number": previous.number, "sha256": previous.sha256} if previous else None,
        "what": claims.what,
        "sealed": claims.sealed,
        "keyid": claims.keyid,
        "sums": hashlib.sha256(sums(covered)).hexdigest(),
        **claims.about,
    }
    return readable_json(
        {"_type": STATEMENT_TYPE, "subject": subjects, "predicateType": PREDICATE_TYPE, "predicate": predicate}
    )


@dataclass(frozen=True)
class Seal:
    """A seal as it was read: its claims and what it covers.

    Args:
        files: SHA-256 by path below the site's folder.
    """

    claims: Claims
    files: Mapping[str, str]


def seal_from_statement(payload: bytes, *, where: str = "") -> Seal:
    """Read a statement.

    Raises:
        EvidenceError: It is no statement of a seal, or of a schema this version does not know.
    """
    try:
        data = json.loads(payload)
        kind = data["predicateType"]
        if data["_type"] != STATEMENT_TYPE or kind not in _READERS:
            todo = "verify it with the version of tlsrunbook that made it, or a newer one"
            raise EvidenceError(f"the seal's schema {kind!r} is not known to this version", where=where, todo=todo)
        files = {str(subject["name"]): str(subject["digest"]["sha256"]) for subject in data["subject"]}
        if len(files) != len(data["subject"]):
            raise EvidenceError("the seal names a file twice", where=where)
        return Seal(_READERS[kind](data["predicate"]), files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvidenceError("this is no statement of a seal", where=where) from error


def _claims_v1(predicate: Mapping[str, Any]) -> Claims:
    about = {key: value for key, value in predicate.items() if key != "sums"}
    previous = about.pop("previous")
    return Claims(
        site=str(about.pop("site")),
        number=int(about.pop("number")),
        previous=Previous(int(previous["number"]), str(previous["sha256"])) if previous else None,
        what=str(about.pop("what")),
        sealed=str(about.pop("sealed")),
        keyid=str(about.pop("keyid")),
        about=about,
    )


#: One reader per schema; a reader is never taken away, because archives are read years later.
_READERS = {PREDICATE_TYPE: _claims_v1}


def sums(files: Mapping[str, str]) -> bytes:
    """Write ``SHA256SUMS``: paths from the site's folder, as ``sha256sum -c`` reads them there.

    A name with a line break or a backslash is escaped the way GNU coreutils does.

    Args:
        files: SHA-256 by path.
    """
    lines = []
    for name, sha256 in files.items():
        escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        mark = "" if escaped == name else "\\"
        lines.append(f"{mark}{sha256}  {escaped}\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def envelope_files(envelope: Envelope, covered: Mapping[str, str]) -> dict[str, bytes]:
    """Give the files that follow from a signed statement, by name.

    Args:
        covered: SHA-256 by path of the statement's subjects.
    """
    return {
        SEAL_FILE: envelope.encoded(),
        STATEMENT_FILE: envelope.payload,
        SUMS_FILE: sums(covered),
        PAE_FILE: envelope.pae,
        SIGNATURE_FILE: envelope.signatures[0].sig,
    }


def seal_files(envelope: Envelope) -> dict[str, bytes]:
    """Give the files of a seal that follow from its envelope, by name."""
    return envelope_files(envelope, seal_from_statement(envelope.payload).files)
