"""An executed notebook as a page: complete, and unable to act whatever the notebook holds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.evidence.record_samples import a_record
from tests.evidence.test_evidence_report import HOSTILE, Page
from tlsrunbook.evidence.notebook_html import notebook_html
from tlsrunbook.evidence.record import MEDIA_TYPE


def code(source: str, *outputs: dict[str, Any], status: str = "completed", **facts: Any) -> dict[str, Any]:
    metadata = {"papermill": {"status": status}, **facts}
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": list(outputs)}


def markdown(source: str, **facts: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": facts}


def shown(*cells: dict[str, Any], ended_by: str = "") -> Page:
    notebook = {"cells": list(cells), "metadata": {"papermill": {"ended_by": ended_by}}}
    return Page(notebook_html(notebook, "EDGE1: 5-send-connectors", {"connectors": "Send connectors"}))


def display(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {name.replace("_", "/"): value for name, value in data.items()}}


def test_explanations_sources_and_outputs_are_there_in_order() -> None:
    page = shown(
        markdown(["# 5 Send\n", "\n", "Sends `x` to **you**."]),
        code("run.connectors()", {"output_type": "stream", "name": "stdout", "text": ["one\n", "two\n"]}),
        code("x", display(text_plain=["result ", "here"])),
        {"cell_type": "raw", "source": "raw text", "metadata": {}},
    )
    places = [page.text.index(text) for text in ("5 Send", "run.connectors()", "one\ntwo", "result here", "raw text")]
    assert places == sorted(places)
    assert {"h1", "code", "strong"} <= {tag for tag, _ in page.tags}


def test_a_record_is_rendered_from_its_data_and_not_from_the_html_beside_it() -> None:
    record = a_record()
    data = {MEDIA_TYPE: record.data(), "text/html": "<b>made up</b>", "text/plain": "plain"}
    page = shown(code("run.connectors()", {"output_type": "execute_result", "data": data}))
    assert "Send connectors" in page.text
    assert "RequireTLS" in page.text
    assert "made up" not in page.text
    assert "plain" not in page.text


@pytest.mark.parametrize("data", [{"schema": "tlsrunbook.record/9"}, "text", None, {"schema": "tlsrunbook.record/1"}])
def test_what_claims_to_be_a_record_and_is_none_is_shown_as_text(data: object) -> None:
    bundle = {MEDIA_TYPE: data, "text/html": "<b>made up</b>", "text/plain": "plain"}
    page = shown(code("x", {"output_type": "display_data", "data": bundle}))
    assert "plain" in page.text
    assert "made up" not in page.text


def test_a_notebook_that_ended_early_says_so_at_the_top_and_at_each_cell() -> None:
    page = shown(
        code("first"),
        code("second", status="failed"),
        code("third", status="not_run"),
        code("fourth", status="not_known"),
        ended_by="DeadKernelError: the kernel died",
    )
    assert "This notebook ended early: DeadKernelError: the kernel died" in page.text
    for word in ("✗ failed", "· not run", "? not known"):
        assert page.text.count(word) == 1
    assert "ended early" not in shown(code("first")).text


def test_an_error_is_shown_without_terminal_colours() -> None:
    error = {"output_type": "error", "ename": "E", "evalue": "x", "traceback": ["\x1b[0;31mE\x1b[0m: \x1b[1mx", "y"]}
    page = shown(code("boom", error))
    assert "E: x\ny" in page.text
    assert "\x1b" not in page.text


def test_papermills_remarks_are_left_out() -> None:
    page = shown(markdown('<span style="color:red">An Exception</span>', tags=["papermill-error-cell-tag"]), code("x"))
    assert "An Exception" not in page.text


def test_nothing_on_the_page_acts_or_is_fetched_whatever_the_notebook_holds() -> None:
    link = "[click](javascript:alert(1)) ![picture](https://x.example/p.png) <https://x.example/>"
    record = a_record(HOSTILE)
    bundle = {MEDIA_TYPE: record.data(), "text/html": HOSTILE, "text/plain": HOSTILE}
    error = {"output_type": "error", "ename": HOSTILE, "evalue": HOSTILE, "traceback": [HOSTILE]}
    page = shown(
        markdown(HOSTILE + "\n\n" + link),
        code(
            HOSTILE, {"output_type": "stream", "text": HOSTILE}, error, {"output_type": "display_data", "data": bundle}
        ),
        code("x", {"output_type": "display_data", "data": {"text/html": HOSTILE, "image/svg+xml": HOSTILE}}),
        {"cell_type": "raw", "source": HOSTILE, "metadata": {}},
        ended_by=HOSTILE,
    )
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "link", "iframe", "object", "embed", "svg", "form", "base"}
    assert not [key for _, facts in page.tags for key in facts if key.startswith("on") or key == "src"]
    assert set(page.links()) <= {"https://x.example/", "https://x.example/p.png"}, "followed only by a person"
    assert page.text.count("<script>alert(1)</script>") > 5
    policy = next(facts for _, facts in page.tags if facts.get("http-equiv") == "Content-Security-Policy")
    assert str(policy["content"]).startswith("default-src 'none';")


def test_an_empty_notebook_is_a_page() -> None:
    assert notebook_html({}, "nothing").startswith("<!doctype html>")
