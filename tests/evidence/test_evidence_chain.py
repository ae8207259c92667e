"""What a verification says: the kind of the flaw, and where it is."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.archives import SealedSite, a_signer, hasty
from tests.support.tampering import Files
from tlsrunbook.evidence import dsse
from tlsrunbook.evidence.chain import Contents, Verdict, verify
from tlsrunbook.evidence.statement import Previous, seal_files


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> SealedSite:
    with hasty():
        made = SealedSite(tmp_path_factory.mktemp("chain"), random.Random(1))
        for _ in range(3):
            made.run("EDGE1", steps=("confirm", "request"))
    return made


@pytest.fixture
def files(site: SealedSite) -> Files:
    return site.files()


def check(files: Files, **options: object) -> Verdict:
    return verify(Contents.of(files), **options)  # type: ignore[arg-type]


def said(verdict: Verdict) -> set[tuple[str, str]]:
    return {(flaw.kind, flaw.where) for flaw in verdict.flaws}


def records(files: Files) -> list[str]:
    return [name for name in files if name.endswith("record.json")]


def test_an_untouched_archive_is_whole_and_gives_its_head(site: SealedSite, files: Files) -> None:
    verdict = check(files)
    assert verdict.flaws == ()
    assert verdict.whole
    assert verdict.head == Previous(3, site.head)
    assert verdict.files == len(files)
    assert [one.number for one in verdict.seals] == [1, 2, 3]


def test_an_edited_file_is_named_with_its_seal(files: Files) -> None:
    name = records(files)[0]
    (flaw,) = check({**files, name: files[name] + b" "}).flaws
    assert (flaw.kind, flaw.where) == ("edited", name)
    assert "seal 1" in flaw.what


def test_a_deleted_and_an_added_file_are_named(files: Files) -> None:
    name = records(files)[2]
    rest = {other: data for other, data in files.items() if other != name}
    assert said(check(rest)) == {("deleted", name)}
    assert said(check({**files, "x/y.json": b"{}"})) == {("added", "x/y.json")}
    assert said(check({**files, "seals/note": b""})) == {("added", "seals/note")}
    assert said(check({**files, "seals/0002/note": b""})) == {("added", "seals/0002/note")}


def test_a_moved_file_says_from_where(files: Files) -> None:
    name = records(files)[0]
    moved = {("elsewhere.json" if other == name else other): data for other, data in files.items()}
    verdict = check(moved)
    assert said(verdict) == {("deleted", name), ("moved", "elsewhere.json")}
    assert any(name in flaw.what for flaw in verdict.flaws if flaw.kind == "moved")


def test_swapped_files_say_whose_content_they_hold(files: Files) -> None:
    one, two = records(files)[:2]
    verdict = check({**files, one: files[two], two: files[one]})
    assert said(verdict) == {("swapped", one), ("swapped", two)}
    assert two in next(flaw.what for flaw in verdict.flaws if flaw.where == one)


def test_a_change_that_is_gone_is_one_line(files: Files) -> None:
    change = records(files)[0].split("/")[0]
    rest = {name: data for name, data in files.items() if not name.startswith(change)}
    assert said(check(rest)) == {("deleted", change)}


def test_a_missing_seal_breaks_no_more_than_itself(files: Files) -> None:
    rest = {name: data for name, data in files.items() if not name.startswith("seals/0002/")}
    found = said(check(rest))
    assert ("seal-missing", "seals/0002") in found
    assert {kind for kind, _ in found} == {"seal-missing", "added"}


def test_seals_that_changed_places_are_named(files: Files) -> None:
    names = {"0001": "0002", "0002": "0001"}
    moved = {"/".join(names.get(part, part) for part in name.split("/")): data for name, data in files.items()}
    found = said(check(moved))
    assert {("reordered", "seals/0001/seal.dsse.json"), ("reordered", "seals/0002/seal.dsse.json")} <= found


def test_an_envelope_with_another_space_is_edited(files: Files) -> None:
    name = "seals/0003/seal.dsse.json"
    assert ("edited", name) in said(check({**files, name: files[name].replace(b'": "', b'":  "', 1)}))


def test_an_altered_statement_has_a_wrong_signature(files: Files) -> None:
    name = "seals/0003/seal.dsse.json"
    envelope = dsse.envelope_from_bytes(files[name])
    altered = replace(envelope, payload=envelope.payload.replace(b'"outcome": "', b'"outcome": "not '))
    assert ("signature", name) in said(check({**files, name: altered.encoded()}))


def resealed(files: Files, number: int, edit: Callable[[dict[str, object]], None], signer: dsse.Signer) -> Files:
    """Forge a seal: edit its statement and sign it with a key of one's own."""
    folder = f"seals/{number:04d}"
    data = json.loads(files[f"{folder}/statement.json"])
    edit(data)
    envelope = dsse.sign(json.dumps(data).encode(), signer)
    made = seal_files(envelope) | {"key.pem": signer.public.pem}
    return files | {f"{folder}/{name}": content for name, content in made.items()}


def test_a_seal_forged_with_another_key_is_found(site: SealedSite, files: Files) -> None:
    forger = a_signer()

    def edit(data: dict[str, object]) -> None:
        data["predicate"] |= {"outcome": "changed", "keyid": forger.keyid}  # type: ignore[operator]
        for subject in data["subject"]:  # type: ignore[attr-defined]
            if subject["name"].endswith("key.pem"):
                subject["digest"]["sha256"] = hashlib.sha256(forger.public.pem).hexdigest()

    inner = resealed(files, 2, edit, forger)
    assert ("chain", "seals/0003/seal.dsse.json") in said(check(inner)), "the next seal names the one that was"
    newest = resealed(files, 3, edit, forger)
    assert check(newest).whole, "without anything kept elsewhere, the newest seal can be made anew: docs/auditors.md"
    assert ("head", "seals") in said(check(newest, head=site.head))
    assert ("unknown-key", "seals/0003/seal.dsse.json") in said(check(newest, keys=[site.signer.public]))
    assert check(files, keys=[site.signer.public]).whole
    assert any(forger.keyid in note for note in check(newest).notes)


def test_the_head_may_be_an_older_one_but_must_be_there(site: SealedSite, files: Files) -> None:
    for info in site.seals:
        assert check(files, head=info.digest.upper()).whole
    cut = {n: d for n, d in files.items() if not n.startswith("seals/0003/") and n not in site.seals[2].files}
    assert check(cut).whole
    assert said(check(cut, head=site.head)) == {("head", "seals")}


def test_a_file_sealed_twice_is_told(site: SealedSite, files: Files) -> None:
    name = records(files)[0]

    def edit(data: dict[str, object]) -> None:
        data["subject"].append({"name": name, "digest": {"sha256": "0" * 64}})  # type: ignore[attr-defined]

    assert ("sealed-twice", name) in said(check(resealed(files, 3, edit, site.signer)))


@pytest.mark.parametrize("kind", ["urn:tlsrunbook:change-record:v2", 7, None, ["x"]])
def test_a_schema_of_the_future_is_a_flaw_and_no_crash(site: SealedSite, files: Files, kind: object) -> None:
    envelope = dsse.envelope_from_bytes(files["seals/0003/seal.dsse.json"])
    data = json.loads(envelope.payload) | {"predicateType": kind}
    newer = dsse.sign(json.dumps(data).encode(), site.signer).encoded()
    verdict = check({**files, "seals/0003/seal.dsse.json": newer})
    assert ("seal-unreadable", "seals/0003/seal.dsse.json") in said(verdict)


def test_odd_numbers_and_no_seals_are_flaws() -> None:
    assert said(check({})) == {("no-seal", "seals")}
    assert ("seal-missing", "seals/0001") in said(check({"seals/999999999999/seal.dsse.json": b"{}"}))
    assert ("odd", "link") in said(verify(Contents({}, {}, odd=("link",))))


def test_what_a_killed_writer_left_is_a_note(files: Files) -> None:
    contents = Contents.of(files)
    verdict = verify(replace(contents, left_over=("a/.record.json.7.part",)))
    assert verdict.whole
    assert any(".record.json.7.part" in note for note in verdict.notes)


def test_a_time_stamp_beside_the_newest_seal_is_no_flaw_and_is_sealed_by_the_next(tmp_path: Path) -> None:
    with hasty():
        made = SealedSite(tmp_path, random.Random(2))
        made.run("EDGE1", steps=("confirm",))
        (made.folder / "seals/0001/seal.tsr").write_bytes(b"token")
        assert check(made.files()).whole
        info = made.run("EDGE1", steps=("confirm",))
    assert "seals/0001/seal.tsr" in info.files
    (made.folder / "seals/0001/seal.tsr").write_bytes(b"tokeN")
    assert said(check(made.files())) == {("edited", "seals/0001/seal.tsr")}
