"""Verifies a site's evidence against its chain of seals: pure, over digests and the bytes of the seals.

It finds whatever was edited, deleted, added, moved, swapped, reordered or cut off, and says what and where. It cannot
see that the newest seals were taken away together with their files, or that everything was made anew by someone
who holds a key: that takes a head digest or a public key that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from tlsrunbook.errors import EvidenceError
from tlsrunbook.evidence.dsse import Envelope, PublicKey, envelope_from_bytes, public_key_from_pem
from tlsrunbook.evidence.statement import (
    KEY_FILE,
    SEAL_FILE,
    SEALS,
    TIMESTAMP_FILE,
    Previous,
    Seal,
    seal_files,
    seal_folder,
    seal_from_statement,
)

_NUMBERED = re.compile(rf"{SEALS}/([0-9]{{4,18}})/(.+)\Z", re.DOTALL)


@dataclass(frozen=True)
class Contents:
    """What lies in a site's folder.

    Args:
        digests: SHA-256 by path, of every file that is not below ``seals/``.
        sealing: Bytes by path, of every file below ``seals/``.
        odd: Paths of what is neither file nor folder, such as a symbolic link.
        left_over: Paths of unfinished files that a killed writer left.
    """

    digests: Mapping[str, str]
    sealing: Mapping[str, bytes]
    odd: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Contents:
        """Give it from the bytes of all files by path."""
        sealing = {name: data for name, data in files.items() if name.startswith(f"{SEALS}/")}
        rest = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name not in sealing}
        return cls(rest, sealing)


@dataclass(frozen=True)
class Flaw:
    """Something that is not as it was sealed.

    Args:
        kind: ``edited``, ``deleted``, ``added``, ``moved``, ``swapped``, ``seal-missing``, ``seal-unreadable``,
            ``seal-edited``, ``signature``, ``unknown-key``, ``reordered``, ``chain``, ``sealed-twice``, ``head``,
            ``no-seal`` or ``odd``.
        where: Path below the site's folder; may be empty.
        what: A sentence.
    """

    kind: str
    where: str
    what: str


@dataclass(frozen=True)
class ReadSeal:
    """A seal whose signature was looked at.

    Args:
        number: The folder it lies in.
        digest: SHA-256 of its ``seal.dsse.json`` as it lies there.
    """

    number: int
    digest: str
    envelope: Envelope
    seal: Seal


@dataclass(frozen=True)
class Verdict:
    """What a verification saw.

    Args:
        flaws: Empty when all is whole.
        seals: The readable ones, in order.
        notes: What one should know and what is no flaw.
        files: How many files were compared.
    """

    flaws: tuple[Flaw, ...]
    seals: tuple[ReadSeal, ...]
    notes: tuple[str, ...] = ()
    files: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.flaws

    @property
    def head(self) -> Previous | None:
        """The newest seal."""
        return Previous(self.seals[-1].number, self.seals[-1].digest) if self.seals else None


@dataclass
class _Expected:
    """What should lie there, and which seal says so."""

    digests: dict[str, str] = field(default_factory=dict)
    sealed_in: dict[str, int] = field(default_factory=dict)


def verify(contents: Contents, *, head: str = "", keys: Collection[PublicKey] = ()) -> Verdict:
    """Compare a site's folder with its chain of seals.

    Args:
        contents: What lies there.
        head: Digest of a seal that was kept elsewhere; the chain must contain it.
        keys: Public keys to trust. Empty: every key that lies in the archive, so that a forger's own goes unnoticed.
    """
    flaws: list[Flaw] = []
    numbers = sorted({int(found[1]) for name in contents.sealing if (found := _NUMBERED.match(name))})
    if not numbers:
        flaws.append(Flaw("no-seal", SEALS, "there is no seal"))
    flaws += _gaps(numbers)
    seals: list[ReadSeal] = []
    for number in numbers:
        try:
            seals.append(_read_seal(contents, number, keys, flaws))
        except EvidenceError as error:
            flaws.append(Flaw("seal-unreadable", error.where, f"seal {number} cannot be read: {error.what}"))
    flaws += _order(seals, contents)
    expected = _expected(seals, flaws)
    flaws += _compare(expected, contents)
    flaws += _head(seals, head.strip().lower())
    return Verdict(
        tuple(dict.fromkeys(flaws)), tuple(seals), tuple(_notes(seals, contents, keys)), len(expected.digests)
    )


def _gaps(numbers: list[int]) -> Iterator[Flaw]:
    for before, after in pairwise([0, *numbers]):
        if after == before + 2:
            yield Flaw("seal-missing", seal_folder(before + 1), f"seal {before + 1} is missing")
        elif after > before + 2:
            what = f"seals {before + 1} to {after - 1} are missing"
            yield Flaw("seal-missing", seal_folder(before + 1), what)


def _read_seal(contents: Contents, number: int, keys: Collection[PublicKey], flaws: list[Flaw]) -> ReadSeal:
    folder = seal_folder(number)
    where = f"{folder}/{SEAL_FILE}"
    data = contents.sealing.get(where)
    if data is None:
        raise EvidenceError("the file is missing", where=where)
    envelope = envelope_from_bytes(data, where=where)
    seal = seal_from_statement(envelope.payload, where=where)
    pem = contents.sealing.get(f"{folder}/{KEY_FILE}")
    known = {key.keyid: key for key in keys}
    if keys and seal.claims.keyid not in known:
        flaws.append(
            Flaw("unknown-key", where, f"seal {number} is signed with key {seal.claims.keyid}, which is not trusted")
        )
    try:
        key = known.get(seal.claims.keyid) or public_key_from_pem(pem or b"", where=f"{folder}/{KEY_FILE}")
    except EvidenceError as error:
        flaws.append(Flaw("signature", error.where, f"the signature of seal {number} cannot be checked: {error.what}"))
    else:
        if key.keyid != seal.claims.keyid or len(envelope.signatures) != 1 or not envelope.signed_by(key):
            flaws.append(Flaw("signature", where, f"the signature of seal {number} is wrong: it was altered or forged"))
    return ReadSeal(number, hashlib.sha256(data).hexdigest(), envelope, seal)


def _order(seals: list[ReadSeal], contents: Contents) -> Iterator[Flaw]:
    """Find seals that stand in the wrong place, or do not follow the one before."""
    for one in seals:
        claims, where = one.seal.claims, f"{seal_folder(one.number)}/{SEAL_FILE}"
        if claims.number != one.number:
            yield Flaw("reordered", where, f"seal {claims.number} stands in the place of seal {one.number}")
        if claims.site != seals[0].seal.claims.site:
            yield Flaw("reordered", where, f"seal {one.number} belongs to site {claims.site}")
        if one.number == 1 and claims.previous:
            yield Flaw("chain", where, f"the first seal follows seal {claims.previous.number}, which is gone")
    for before, after in pairwise(seals):
        if after.number != before.number + 1:
            continue
        if after.seal.claims.previous != Previous(before.number, before.digest):
            what = f"seal {after.number} does not follow seal {before.number} as it is here: one of them was replaced"
            yield Flaw("chain", f"{seal_folder(after.number)}/{SEAL_FILE}", what)
    for name in contents.sealing:
        if not _NUMBERED.match(name):
            yield Flaw("added", name, "no seal covers this file")


def _expected(seals: list[ReadSeal], flaws: list[Flaw]) -> _Expected:
    expected = _Expected()
    for one in seals:
        for name, sha256 in one.seal.files.items():
            if name in expected.digests:
                before = expected.sealed_in[name]
                flaws.append(Flaw("sealed-twice", name, f"seal {one.number} covers it again after seal {before}"))
            expected.digests.setdefault(name, sha256)
            expected.sealed_in.setdefault(name, one.number)
        # What follows from the signed statement must be exactly that, down to the last space of the JSON.
        for name, data in seal_files(one.envelope).items():
            path = f"{seal_folder(one.number)}/{name}"
            expected.digests[path] = hashlib.sha256(data).hexdigest()
            expected.sealed_in[path] = one.number
    return expected


def _compare(expected: _Expected, contents: Contents) -> Iterator[Flaw]:
    there = {**contents.digests, **{name: hashlib.sha256(data).hexdigest() for name, data in contents.sealing.items()}}
    newest = max(expected.sealed_in.values(), default=0)
    there.pop(f"{seal_folder(newest)}/{TIMESTAMP_FILE}", None)  # made after its seal; the next one covers it
    owners: dict[str, str] = {}
    for name, sha256 in expected.digests.items():
        owners.setdefault(sha256, name)
    gone = {name for name in expected.digests if name not in there}
    yield from _gone(gone, there, expected)
    for name, sha256 in expected.digests.items():
        found = there.get(name, sha256)
        if found != sha256:
            other = owners.get(found)
            what = f"it holds the content of {other}" if other else "its content is not what was sealed"
            yield Flaw("swapped" if other else "edited", name, f"{what} (seal {expected.sealed_in[name]})")
    for name in there.keys() - expected.digests.keys():
        if _NUMBERED.match(name) or not name.startswith(f"{SEALS}/"):
            origin = owners.get(there[name], "")
            moved = origin in gone
            what = f"this is {origin} under another name" if moved else _ADDED
            yield Flaw("moved" if moved else "added", name, what)
    for name in contents.odd:
        yield Flaw("odd", name, "this is neither a file nor a folder, and no seal can cover it")


def _gone(gone: Collection[str], there: Collection[str], expected: _Expected) -> Iterator[Flaw]:
    """Name what is gone: whole changes as such, the rest file by file."""
    left = {name.split("/")[0] for name in there}
    by_folder: dict[str, list[str]] = {}
    for name in sorted(gone):
        by_folder.setdefault(name.split("/")[0], []).append(name)
    for folder, names in by_folder.items():
        if folder not in left and len(names) > 1:
            yield Flaw("deleted", folder, f"the whole folder is gone, with {len(names)} sealed files")
            continue
        for name in names:
            yield Flaw("deleted", name, f"it was sealed in seal {expected.sealed_in[name]} and is gone")


_ADDED = (
    "no seal covers this file: it was added after the last seal, or a run is under way or was cut off before it sealed"
)


def _head(seals: list[ReadSeal], head: str) -> Iterator[Flaw]:
    if head and head not in {one.digest for one in seals}:
        what = "the chain does not contain the head you gave: seals were cut off, or the chain was made anew"
        yield Flaw("head", SEALS, what)


def _notes(seals: list[ReadSeal], contents: Contents, keys: Collection[PublicKey]) -> Iterator[str]:
    if not keys:
        for keyid in dict.fromkeys(one.seal.claims.keyid for one in seals):
            numbers = [one.number for one in seals if one.seal.claims.keyid == keyid]
            yield f"{len(numbers)} seal(s) signed with key {keyid}: compare it with one you got elsewhere"
    for name in contents.left_over:
        yield f"{name} was left by a writer that was ended; it is not evidence"
