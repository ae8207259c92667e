"""What goes wrong between a save and the archive, on real evidence and without a Jupyter server."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.change import Change
from tests.support.jupyter import waited_for
from tlsrunbook.adapters.keys import load_signer
from tlsrunbook.adapters.lease import take_lease
from tlsrunbook.run.notices import NOTICES_VARIABLE, Notice, leave_notice, notices
from tlsrunbook.ui import server_extension
from tlsrunbook.ui.archiving import Archiving, place_of, saved_at
from tlsrunbook.ui.archivist import Archivist
from tlsrunbook.ui.closing import close_session, sessions_of
from tlsrunbook.ui.passwords import passwords_of
from tlsrunbook.ui.post import PostBox, Troubles, kernel_runs
from tlsrunbook.ui.session import Finished, FinishedShown, Session, finished
from tlsrunbook.wiring_evidence import verify_site

WHO = {"user": "alice", "host": "admin-ws", "process": "1"}
GONE = 2**22 + 1  # no process has this number


@pytest.fixture
def change(change_on: Callable[..., Change]) -> Change:
    return change_on(servers=1)


@pytest.fixture
def session(change: Change) -> Session:
    (record,) = change.apply("EDGE1", "confirm")
    closed = close_session(
        change.store, record.change, "EDGE1", since="", now="2026-11-24T12:00:00.000Z", who=WHO, tool={}
    )
    assert closed
    return closed


def notebook(shown: Finished, session: Session) -> dict[str, Any]:
    data = FinishedShown(shown, session)._repr_mimebundle_()
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    cell = {"cell_type": "code", "id": "close", "metadata": {}, "outputs": [output], "source": "run.close()"}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def save(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def archivist(tmp_path: Path) -> Callable[..., Archivist]:
    def make(**how: Any) -> Archivist:
        box = PostBox(tmp_path / "post")
        box.open()
        given = {
            "box": box,
            "archiving": Archiving(lambda: load_signer(""), lambda _: None),
            "troubles": Troubles(tmp_path / "post"),
            "kernels": tuple,
            "secrets": lambda files: [word for file in files for word in passwords_of(file)],
            "log": logging.getLogger("test"),
        }
        return Archivist(**{**given, **how})

    return make


def told(change: Change, session: Session) -> dict[str, Any]:
    path = change.store.folder / session.change / f"sessions/{session.number}/rendering.json"
    return dict(json.loads(path.read_bytes()))


def test_a_notebook_with_another_head_is_not_archived_and_that_is_shown(
    change: Change, session: Session, archivist: Callable[..., Archivist], tmp_path: Path
) -> None:
    other = replace(finished(session, str(change.runs)), sha256="0" * 64)
    path = save(tmp_path / "a.ipynb", notebook(other, session))
    one = archivist()
    one.start()
    one.saved(str(path))
    (line,) = waited_for(lambda: one.troubles.of(change.store.folder), "a trouble")
    assert "shows another head than its session has" in line
    save(path, notebook(finished(session, str(change.runs)), session))
    one.saved(str(path))
    one.stop()
    assert told(change, session)["rendering"] == "archived"
    assert one.troubles.of(change.store.folder) == ()
    assert verify_site(change.store.folder).whole


def test_a_password_of_the_site_that_is_worked_on_is_found(
    change: Change, session: Session, archivist: Callable[..., Archivist], tmp_path: Path
) -> None:
    one = archivist()
    notice = Notice(str(change.store.folder), str(change.site_file), session.change, "EDGE1", "k", os.getpid(), "", "")
    save(one.box.folder / notice.file, asdict(notice))
    content = notebook(finished(session, str(change.runs)), session)
    content["cells"][0]["source"] = change.lab.credential.password.reveal()
    place = place_of(finished(session, str(change.runs)), tmp_path / "a.ipynb")
    assert place
    one.start()
    one.saved(str(save(tmp_path / "a.ipynb", content)))
    waited_for(lambda: one.troubles.of(change.store.folder), "a trouble")
    assert not place.settled
    one.stop()
    assert told(change, session)["rendering"] == "missing"
    (tmp_path / "a.ipynb").unlink()


@pytest.mark.parametrize("where", ["..", ".", "", "../london", "nowhere"])
def test_nothing_outside_of_a_session_is_ever_written(change: Change, session: Session, where: str) -> None:
    shown = finished(session, str(change.runs))
    notebook_path = change.runs / "a.ipynb"
    assert place_of(shown, notebook_path)
    assert place_of(replace(shown, site=where), notebook_path) is None
    assert place_of(replace(shown, change=where), notebook_path) is None
    assert place_of(replace(shown, number=99), notebook_path) is None


def test_evidence_beside_the_notebook_is_found_by_its_relative_path(change: Change, session: Session) -> None:
    shown = finished(session, "../runs")
    (change.runs.parent / "work").mkdir()
    assert place_of(shown, change.runs.parent / "work" / "a.ipynb")


@pytest.mark.parametrize("content", [b"", b"application/vnd.tlsrunbook.session.v1+json", b"[]", b'{"cells": [1]}'])
def test_what_is_no_finished_notebook_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ipynb").write_bytes(content)
    assert saved_at(tmp_path / "a.ipynb") is None
    assert saved_at(tmp_path / "nowhere.ipynb") is None


def test_a_session_holds_each_attempt_once(change: Change, session: Session) -> None:
    again = {"since": "", "now": "2026-11-24T12:00:01.000Z", "who": WHO, "tool": {}}
    assert close_session(change.store, session.change, "EDGE1", **again) is None
    change.apply("EDGE1", "request", change=session.change)
    second = close_session(change.store, session.change, "EDGE1", **again)
    assert second
    assert [one.step for one in second.done] == ["request"]
    assert [one.number for one in sessions_of(change.store, session.change)] == [1, 2]


def test_while_somebody_else_works_on_the_server_its_steps_at_work_are_left_alone(
    change: Change, archivist: Callable[..., Archivist]
) -> None:
    (record,) = change.apply("EDGE1", "confirm")
    begun = change.store.attempt(record.change, "EDGE1", "request", 2)
    begun.append({"event": "started", "at": "2026-11-24T12:00:00.000Z", "who": WHO, "mode": "apply"}, durable=True)
    lease = take_lease(change.store.folder, "EDGE1", {**WHO, "process": str(os.getpid())}, "run")
    one = archivist()
    notice = Notice(str(change.store.folder), str(change.site_file), record.change, "EDGE1", "k", GONE, "", "")
    save(one.box.folder / notice.file, asdict(notice))
    one.start()
    waited_for(lambda: not one.box.notices(), "the end of the notice")
    lease.release()
    one.stop()
    assert not begun.record_path.exists()
    (settled,) = sessions_of(change.store, record.change)
    assert told(change, settled)["why"] == "its kernel was ended before the session was finished"
    verdict = verify_site(change.store.folder)
    assert [flaw.where for flaw in verdict.flaws] == [f"{record.change}/EDGE1/2-request/attempt-1/transcript.jsonl"]


def test_a_step_that_its_kernel_broke_off_gets_its_record_and_is_sealed(
    change: Change, archivist: Callable[..., Archivist]
) -> None:
    (record,) = change.apply("EDGE1", "confirm")
    begun = change.store.attempt(record.change, "EDGE1", "request", 2)
    begun.append({"event": "started", "at": "2026-11-24T12:00:00.000Z", "who": WHO, "mode": "apply"}, durable=True)
    one = archivist()
    notice = Notice(str(change.store.folder), str(change.site_file), record.change, "EDGE1", "k", GONE, "", "")
    save(one.box.folder / notice.file, asdict(notice))
    one.start()
    one.stop()
    (settled,) = sessions_of(change.store, record.change)
    assert [(done.step, done.status) for done in settled.done] == [("request", "failed"), ("confirm", "unchanged")]
    assert verify_site(change.store.folder).whole


def test_a_box_takes_over_from_servers_that_are_no_more_and_from_no_other(tmp_path: Path) -> None:
    notice = Notice("/runs/london", "/london.toml", "c", "EDGE1", "k", GONE, "", "")
    for name, process in (("dead", GONE), ("alive", os.getppid())):
        box = tmp_path / name
        box.mkdir()
        save(box / "server.json", {"process": process, "started": 0.0})
        save(box / notice.file, asdict(notice))
    started = psutil.Process(os.getppid()).create_time()
    save(tmp_path / "alive" / "server.json", {"process": os.getppid(), "started": started})
    own = PostBox(tmp_path)
    own.open()
    ((path, found),) = own.notices()
    assert found == notice
    assert not kernel_runs(found, path)
    assert not (tmp_path / "dead").exists()
    assert (tmp_path / "alive" / notice.file).exists()
    own.close()
    assert own.folder.exists(), "what is not settled is left for the next server"
    path.unlink()
    own.close()
    assert not own.folder.exists()


def test_only_a_kernel_of_a_jupyter_server_leaves_a_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = {NOTICES_VARIABLE: str(tmp_path)}
    leave_notice(tmp_path / "london", tmp_path / "a.toml", "c", "EDGE1", place)
    assert list(notices(tmp_path)) == []
    monkeypatch.setattr("tlsrunbook.run.notices.kernel_id", lambda: "the-kernel")
    leave_notice(tmp_path / "london", tmp_path / "a.toml", "c", "EDGE1", {})
    assert list(notices(tmp_path)) == []
    leave_notice(tmp_path / "london", tmp_path / "a.toml", "c", "EDGE1", place)
    ((_, first),) = notices(tmp_path)
    leave_notice(tmp_path / "london", tmp_path / "a.toml", "c", "EDGE1", place)
    ((_, again),) = notices(tmp_path)
    assert (again.kernel, again.process, again.since) == ("the-kernel", os.getpid(), first.since)
    leave_notice(tmp_path / "london", tmp_path / "a.toml", "c", "EDGE1", {NOTICES_VARIABLE: str(tmp_path / "gone")})


class Broken:
    def saved(self, path: str) -> None:
        raise OSError(f"no {path}")


def test_the_hook_never_fails_a_save(caplog: pytest.LogCaptureFixture) -> None:
    hook = server_extension._hook(Broken(), logging.getLogger("test"))  # type: ignore[arg-type]
    hook(model={"type": "notebook"}, os_path="a.ipynb", contents_manager=None)
    hook(model={}, os_path="a.ipynb", contents_manager=None)
    assert caplog.text.count("a saved notebook could not be taken") == 2
