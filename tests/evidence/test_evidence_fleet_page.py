"""The fleet's page: readable without script, safe with it, and every picture in words too."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from tests.support.archives import hasty
from tests.support.fleets import FATES, FleetWorld
from tests.support.members import NOW
from tlsrunbook.evidence.fleet_display import FleetPicture, FleetShown, View, summary
from tlsrunbook.evidence.fleet_model import Fleet, Verdict
from tlsrunbook.evidence.fleet_overview import in_words, overview, weeks
from tlsrunbook.evidence.fleet_page import fleet_html
from tlsrunbook.evidence.fleet_scale import Scale, limit_text, limits
from tlsrunbook.evidence.fleet_table import VERDICTS, words_of
from tlsrunbook.evidence.fleet_tables import STATES, counted, tables
from tlsrunbook.evidence.fleet_timeline import lane
from tlsrunbook.evidence.standing import State
from tlsrunbook.site import load_sites
from tlsrunbook.wiring_fleet import fleet_of

VOID = {"meta", "br", "hr", "input", "rect", "path", "line", "use"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One server of each fate, on two sites."""
    folder = tmp_path_factory.mktemp("fleet")
    with hasty():
        world = FleetWorld(folder, sites=2, servers=len(FATES), fates=(*FATES, *FATES))
    return fleet_of(load_sites(world.sites), world.runs, NOW)


@pytest.fixture(scope="module")
def whole(fleet: Fleet) -> str:
    return fleet_html(fleet)


class Reader(HTMLParser):
    """Sees that every tag is closed, collects ids, and texts by the tag they stand in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.attributes.append((tag, given))
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_each_fate_of_the_made_up_fleet_gets_its_verdict(fleet: Fleet) -> None:
    by_fate = dict(zip(FATES, (server.verdict.value for server in fleet.servers), strict=False))
    assert by_fate == {
        "fine": "fine", "soon": "ends soon", "expired": "expired", "waiting": "waiting", "blocked": "blocked",
        "failed": "failed", "unknown": "unknown", "stale": "stale name", "untouched": "not known",
        "planned": "under way", "half": "under way", "back": "not known",
    }  # fmt: skip


def test_the_page_is_whole_and_loads_nothing(whole: str) -> None:
    reader = Reader(whole)
    assert len(set(reader.ids)) == len(reader.ids)
    assert not re.search(r"https?://(?!www\.w3\.org)", whole)
    for tag, given in reader.attributes:
        assert not {"src", "onclick", "onload", "srcset"} & given.keys(), tag
        assert str(given.get("href", "#")).startswith("#")


def test_the_pages_policy_allows_its_own_script_and_no_other(whole: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", whole, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', whole)
    assert policy.startswith("default-src 'none'")
    assert policy.endswith(f"script-src 'sha256-{digest}'")


def test_without_script_nothing_is_shown_that_does_not_work(whole: str) -> None:
    body = whole.split("<script>", maxsplit=1)[0]
    assert re.findall(r"<button[^>]*>", body) == ['<button type="button" id="clear">']
    assert '<div id="filter" role="search" hidden>' in body


def test_every_server_stands_in_every_table_it_belongs_to(whole: str, fleet: Fleet) -> None:
    for server in fleet.servers:
        rows = re.findall(rf'<tr data-server="{server.site} / {server.server}" data-verdict="([^"]*)"', whole)
        assert len(rows) >= 2
        assert set(rows) == {server.verdict.value}


def test_states_have_a_sign_and_a_word_and_no_two_are_alike() -> None:
    assert set(VERDICTS) == set(Verdict)
    assert set(STATES) == set(State)
    for signs in (VERDICTS.values(), STATES.values()):
        assert all(sign and kind for sign, kind in signs)
    assert len({sign for sign, _ in STATES.values()}) == len(STATES)


def test_what_is_urgent_comes_first(fleet: Fleet) -> None:
    ranks = [row.verdict.rank for row in tables(fleet)[0].rows]
    assert ranks == sorted(ranks)
    assert list(counted(fleet)) == sorted(counted(fleet), key=lambda verdict: verdict.rank)


def test_the_picture_has_title_and_description_and_a_table_that_says_the_same(whole: str, fleet: Fleet) -> None:
    (svg,) = re.findall(r'<svg class="overview".*?</svg>', whole, re.DOTALL)
    assert 'role="img" aria-labelledby="fleet-title fleet-desc"' in svg
    told = sum(week.all for week in weeks(fleet))
    assert told == sum(1 for server in fleet.servers for one in server.certificates if one.ends) > 40
    assert in_words(fleet).startswith(f"{told} certificates are known on 24 servers")
    rows = whole.split("This picture as a table")[1].split("</table>", maxsplit=1)[0]
    assert sum(map(int, re.findall(r"<td>(\d+)</td>", rows))) == told
    assert re.search(r">before 2026-09-15</td>.*>2027-07-20 or later</td>", rows, re.DOTALL)
    assert ">2026-11-24 to 2026-11-30</td>" in rows


def test_the_limits_of_public_certificates_are_marked_by_the_day_of_issue(fleet: Fleet) -> None:
    picture = overview(fleet)
    assert "issued today: 200 days at most, so until 2027-06-12" in picture
    assert "issued on 2027-03-15: 100 days at most, so until 2027-06-23" in picture
    assert "47 days at most, when issued 2029-03-15 or later" in picture
    assert "renew: 30 days" in picture
    assert "today 2026-11-24" in picture


def test_the_next_limits_move_into_the_picture_with_time() -> None:
    at = datetime(2028, 12, 1, tzinfo=UTC)
    assert [limit.days for limit in limits(at)] == [100, 47]
    assert limit_text(limits(at)[0]) == "100 days at most, when issued 2027-03-15 to 2029-03-14"
    assert [limit.days for limit in limits(datetime(2031, 1, 1, tzinfo=UTC))] == [47]


def test_a_lane_says_in_words_what_it_shows(fleet: Fleet) -> None:
    waiting = next(server for server in fleet.servers if server.verdict is Verdict.WAITING)
    told = re.findall(r'aria-label="(.*?)"', lane(waiting, fleet.at))[0]
    assert f"on the wire until {waiting.ends:%Y-%m-%d}" in told
    assert "requested " in told
    unknown = next(server for server in fleet.servers if not server.certificates)
    assert 'aria-label="no certificate is known"' in lane(unknown, fleet.at)


def test_a_scale_keeps_what_lies_outside_at_its_ends() -> None:
    scale = Scale(NOW, 308)
    assert scale.x(NOW) == 70
    assert (scale.x(NOW - timedelta(days=900)), scale.x(NOW + timedelta(days=900))) == (0, 308)
    assert len(list(scale.months())) == 10


def test_whatever_a_server_says_is_text_on_the_page(fleet: Fleet) -> None:
    evil = '"><script>alert(1)</script>&<b>'
    held = replace(fleet.servers[0].certificates[0], title=evil, issuer=evil, uses=(evil,), thumbprint=evil)
    seen = replace(fleet.servers[0].endpoints[0], endpoint=evil, result=evil, what=evil, thumbprint=evil)
    server = replace(fleet.servers[0], server=evil, fqdn=evil, because=evil, certificates=(held,), endpoints=(seen,))
    other = replace(fleet, servers=(server,), trouble=(evil,), elsewhere=(evil,))
    for text in (fleet_html(other).split("<script>")[0], FleetShown(other).html(), overview(other)):
        assert "<script>alert" not in text
        assert "<b>" not in text
    Reader(fleet_html(other))


def test_the_notebooks_output_reads_without_style_and_as_text(fleet: Fleet) -> None:
    shown = FleetShown(fleet)
    bundle = shown._repr_mimebundle_()
    stripped = re.sub(r"<style>.*?</style>|<svg.*?</svg>| (?:class|style)=\"[^\"]*\"", "", bundle["text/html"])
    assert "✗&nbsp;failed" in stripped
    assert "<script" not in bundle["text/html"]
    for server in fleet.servers:
        assert f"{server.server} ({server.fqdn})" in bundle["text/plain"]
    assert bundle["text/plain"].startswith(summary(fleet))
    picture = FleetPicture(fleet)._repr_mimebundle_()
    assert picture["image/svg+xml"].startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert picture["text/plain"] == in_words(fleet)


def test_a_filter_chooses_servers_by_all_that_is_told_of_them(fleet: Fleet) -> None:
    shown = FleetShown(fleet, View(words="WAITING folder"))
    servers, _, requests, *_ = shown.tables
    assert {row.server for row in shown.rows(servers)} == {row.server for row in shown.rows(requests)}
    assert len(shown.rows(servers)) == 2
    assert "(2 of 24)" in shown.html()
    assert set(words_of(shown.tables)) == {f"{server.site} / {server.server}" for server in fleet.servers}


def test_a_view_narrows_by_verdict_and_table_and_sorts_by_a_column(fleet: Fleet) -> None:
    shown = FleetShown(fleet).seen(View(verdict="fine", table="ends", sort="days left", descending=True))
    assert "Open requests" not in shown.html()
    rows = shown.rows(shown.tables[1])
    assert {row.verdict for row in rows} == {Verdict.FINE}
    left = [float(row.cells[4].sort) for row in rows]
    assert left == sorted(left, reverse=True)
    none = FleetShown(fleet, View(words="nowhere-to-be-found"))
    assert "nothing here fits the filter" in none.html()
