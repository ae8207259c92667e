"""Reading site files: every problem at once, in words that say what to write instead."""

from __future__ import annotations

import pickle
import re
import tomllib
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from tlsrunbook.errors import SiteFileError, UsageError
from tlsrunbook.site import FolderAuthoritySettings, Server, Site, load_site, load_sites, parse_site

CASES = Path(__file__).parent / "cases"
MISTAKES = sorted((CASES / "mistakes").glob("*.toml"))
SYNTAX = sorted((CASES / "syntax").glob("*.toml"))
MINIMAL = """
name = "{name}"
authority = {{ kind = "folder", outbox = "ca/outbox", inbox = "../inbox" }}
{more}
[[servers]]
name = "edge1"
address = "edge1.example.net"
fqdn = "MX1.Example.net."
names = ["smtp.example.net"]
roles = ["receive"]
endpoints = ["mx1.example.net"]
logon = {{ credential = "edge-admin" }}
"""


def expected(file: Path) -> tuple[str, ...]:
    text = file.read_text(encoding="utf-8")
    return tuple(line.removeprefix("#? ") for line in text.splitlines() if line.startswith("#? "))


def write(folder: Path, name: str = "london", more: str = "", file: str = "") -> Path:
    path = folder / (file or f"{name}.toml")
    path.write_text(MINIMAL.format(name=name, more=more), encoding="utf-8")
    return path


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(SiteFileError) as caught:
        load_site(path)
    return caught.value.problems


@pytest.mark.parametrize("file", MISTAKES, ids=lambda file: file.stem)
def test_each_mistake_is_named_with_what_to_write_instead(file: Path) -> None:
    assert expected(file)
    assert problems_of(file) == expected(file)


@pytest.mark.parametrize("file", SYNTAX, ids=lambda file: file.stem)
def test_a_syntax_error_has_its_place_and_advice(file: Path) -> None:
    # The words in between are Python's own and differ between its versions.
    (problem,), (pattern,) = problems_of(file), expected(file)
    begin, end = pattern.split("...")
    assert problem.startswith(begin)
    assert problem.endswith(end)
    assert len(problem) > len(begin) + len(end)


@pytest.mark.parametrize("file", [file for file in MISTAKES if "secret" in file.stem], ids=lambda file: file.stem)
def test_a_secret_in_the_file_is_in_no_message_and_no_traceback(file: Path) -> None:
    with pytest.raises(SiteFileError) as caught:
        load_site(file)
    assert "hunter2" in file.read_text(encoding="utf-8")
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert "hunter2" not in str(pickle.loads(pickle.dumps(caught.value)))


def test_the_values_are_in_their_normal_form(tmp_path: Path) -> None:
    server = load_site(write(tmp_path)).servers[0]
    assert (server.name, server.fqdn, server.endpoints) == ("EDGE1", "mx1.example.net", ("mx1.example.net:25",))
    assert server.all_names == ("mx1.example.net", "smtp.example.net")
    assert (server.logon.method, server.logon.port) == ("ntlm", 5986)


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sites"
    folder.mkdir()
    write(folder, more='credentials = { file = "~/credentials.toml" }')
    home = tmp_path / "home"
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(home))
    monkeypatch.chdir(tmp_path)
    site = load_site("sites/london.toml")
    assert (site.path, site.folder) == (folder / "london.toml", folder)
    assert isinstance(site.authority, FolderAuthoritySettings)
    assert site.authority.outbox == folder / "ca" / "outbox"
    assert site.authority.inbox == tmp_path / "inbox"
    assert site.credentials.file == home / "credentials.toml"


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    absolute = tmp_path / "elsewhere" / "credentials.toml"
    site = load_site(write(tmp_path, more=f"credentials = {{ file = '{absolute}' }}"))
    assert site.credentials.file == absolute


def test_a_site_survives_pickling_with_its_path(tmp_path: Path) -> None:
    site = load_site(write(tmp_path))
    copy = pickle.loads(pickle.dumps(site))
    assert copy == site
    assert copy.path == site.path


def test_a_file_of_notepad_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_site(path).name == "london"


def test_a_file_in_utf_16_is_told_to_be_saved_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "london.toml"
    path.write_text('name = "london"', encoding="utf-16")
    (problem,) = problems_of(path)
    assert "not UTF-8" in problem
    assert "save it as UTF-8" in problem


def test_a_file_that_is_not_there_is_a_usage_error_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(UsageError, match="no such site file") as caught:
        load_site(tmp_path / "lodnon.toml")
    assert caught.value.todo == f"did you mean {tmp_path / 'london.toml'}?"
    with pytest.raises(UsageError, match="no such site file") as caught:
        load_site(tmp_path / "nowhere" / "x.toml")
    assert "example-site.toml" in caught.value.todo


def test_a_folder_is_no_site_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_site(tmp_path)


def test_a_server_is_found_in_any_case(tmp_path: Path) -> None:
    site = load_site(write(tmp_path))
    assert site.server("Edge1") is site.servers[0]


def test_an_unknown_server_is_answered_with_the_names_and_the_nearest(tmp_path: Path) -> None:
    site = load_site(write(tmp_path))
    with pytest.raises(UsageError, match="has no server 'egde1'") as caught:
        site.server("egde1")
    assert caught.value.todo == "did you mean EDGE1? It has EDGE1"
    with pytest.raises(UsageError) as caught:
        site.server("paris")
    assert caught.value.todo == "use one of EDGE1"


def test_the_model_alone_refuses_what_does_not_fit_together() -> None:
    data = tomllib.loads(MINIMAL.format(name="london", more=""))
    data["servers"].append(data["servers"][0])
    with pytest.raises(ValidationError, match="also the name of"):
        Site.model_validate(data)


def test_unknown_keys_and_changes_are_refused_by_the_model(tmp_path: Path) -> None:
    server = load_site(write(tmp_path)).servers[0]
    with pytest.raises(ValidationError, match="frozen"):
        server.fqdn = "mx2.example.net"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Server.model_validate({**server.model_dump(), "colour": "red"})


def test_all_sites_of_a_folder_come_by_file_name_without_credentials(tmp_path: Path) -> None:
    write(tmp_path, "paris")
    write(tmp_path, "london", more='credentials = { file = "credentials.toml" }')
    (tmp_path / "credentials.toml").write_text("[edge-admin]\nuser = 'a'\npassword = 'hunter2'\n", encoding="utf-8")
    (tmp_path / ".hidden.toml").write_text("nothing", encoding="utf-8")
    assert [site.name for site in load_sites(tmp_path)] == ["london", "paris"]
    assert [site.name for site in load_sites(str(tmp_path / "paris.toml"))] == ["paris"]


def test_a_broken_credentials_file_is_not_reported_as_a_site(tmp_path: Path) -> None:
    write(tmp_path, more='credentials = { file = "credentials.toml" }')
    (tmp_path / "credentials.toml").write_text("hunter2", encoding="utf-8")
    assert [site.name for site in load_sites(tmp_path)] == ["london"]


def test_problems_of_all_files_of_a_folder_are_reported_at_once(tmp_path: Path) -> None:
    write(tmp_path, "london")
    write(tmp_path, "london", file="madrid.toml")
    write(tmp_path, "paris", more='dns = { server = "ns1" }')
    (tmp_path / "rome.toml").write_text("name = rome", encoding="utf-8")
    with pytest.raises(SiteFileError) as caught:
        load_sites(tmp_path)
    found = sorted(re.match(r"\w+\.toml: [\w., ]+", problem)[0] for problem in caught.value.problems)  # type: ignore[index]
    assert found == ["madrid.toml: name", "paris.toml: dns.server", "rome.toml: line 1, column 8"]


def test_a_folder_without_site_files_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no site file in this folder"):
        load_sites(tmp_path)


def test_a_site_that_did_not_come_from_a_file_keeps_relative_paths() -> None:
    site = parse_site(tomllib.loads(MINIMAL.format(name="london", more="")))
    assert isinstance(site.authority, FolderAuthoritySettings)
    assert site.authority.outbox == Path("ca/outbox")
    assert site.path == Path()


def test_a_connector_name_gets_the_server_in_upper_case() -> None:
    example = Path(__file__).resolve().parents[2] / "docs" / "example-site.toml"
    connectors = load_site(example).send_connectors
    assert connectors is not None
    assert connectors.required.name_for("edge1") == "TLS required EDGE1"
    assert connectors.never.name_for("MBX1") == "TLS never MBX1"
    assert connectors.default.name_for("MBX1") == "Internet MBX1"
