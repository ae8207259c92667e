"""The scripts that are sent: fixed by hash, short enough, and no PowerShell newer than what Exchange 2010 runs on."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from importlib import resources

import pytest
import tree_sitter
import tree_sitter_pwsh

from tlsrunbook.exchange import bootstrap
from tlsrunbook.exchange.frames import lines

# When a script changes on purpose, say so here. Before a release, run it once on a real Exchange (docs: known gaps).
LAUNCHER = "62f00167677a039fc01a79dacf370410a5217672a6723fe4e8f743b5cd3601ca"
SCRIPT = "1017f76697f68a5c6efa4c468cb6df4101cd8359fb3467fe216b6efd52e0fe32"

_FILES = ("launcher.ps1", "bootstrap.ps1")


def _text(name: str) -> str:
    return resources.files("tlsrunbook.exchange").joinpath(name).read_text(encoding="ascii")


def _code(name: str) -> str:
    """Give a file's text without comment lines and without what stands in single quotes."""
    return re.sub(r"'[^'\n]*'", "''", bootstrap.compact(_text(name)))


def test_the_scripts_are_the_ones_that_were_reviewed() -> None:
    assert hashlib.sha256(bootstrap.launcher().encode()).hexdigest() == LAUNCHER == bootstrap.BOOTSTRAP_SHA256
    assert hashlib.sha256(bootstrap.script().encode()).hexdigest() == SCRIPT == bootstrap.script_sha256().lower()


def test_the_launcher_runs_this_bootstrap_and_no_other() -> None:
    assert re.findall(r"[0-9A-F]{64}", bootstrap.launcher()) == [bootstrap.script_sha256()]


def test_the_command_line_is_the_launcher_and_fits() -> None:
    line = " ".join(["powershell.exe", *bootstrap.arguments()])
    assert len(line) < bootstrap.CEILING < 8191
    switches = " ".join(bootstrap.arguments()[:-1])
    assert switches == "-NoLogo -NoProfile -NonInteractive -OutputFormat Text -EncodedCommand"
    assert base64.b64decode(bootstrap.arguments()[-1]).decode("utf-16-le") == bootstrap.launcher()
    assert bootstrap.encoded_command() == bootstrap.arguments()[-1]
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", bootstrap.encoded_command())


def test_the_script_is_one_numbered_line_that_fits_an_envelope_of_the_oldest_servers() -> None:
    line = bootstrap.script_line()
    number, seq, total, text = line.strip().split(b" ")
    assert (line[:1], line[-1:], number, seq, total) == (b"\n", b"\n", b"0", b"1", b"1")
    assert base64.b64decode(text).decode() == bootstrap.script()
    assert len(line) * 4 // 3 < 150_000 // 2


def test_numbered_lines_match_the_pattern_in_the_script() -> None:
    (pattern,) = re.findall(r"notmatch '(\^\(\\d.*?)'", bootstrap.script())
    expected = re.compile(pattern.replace("\\z", "\\Z"))
    for line in lines(7, {"op": "run", "text": "x" * 200_000}):
        assert line.startswith(b"\n")
        assert expected.match(line.decode().strip("\n"))


def test_compacting_drops_comments_blank_lines_and_indentation_only() -> None:
    text = "# note\r\n\r\n  if ($a) {  # stays\r\n\t'#' + \"x  y\"\n}\n"
    assert bootstrap.compact(text) == "if ($a) {  # stays\n'#' + \"x  y\"\n}\n"
    assert bootstrap.compact(bootstrap.script()) == bootstrap.script()


def _mistakes(node: tree_sitter.Node) -> Iterator[str]:
    if node.is_error or node.is_missing:
        yield f"line {node.start_point[0] + 1}: {node.type}"
    for child in node.children:
        yield from _mistakes(child)


@pytest.mark.parametrize("text", [bootstrap.launcher(), bootstrap.script(), *map(_text, _FILES)], ids=range(4))
def test_they_parse(text: str) -> None:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language()))
    assert list(_mistakes(parser.parse(text.encode()).root_node)) == []


def test_the_text_that_is_parsed_on_the_server_parses_here_too() -> None:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language()))
    (old,) = re.findall(r"^\$pipeline = '(.*)'$", bootstrap.script(), re.MULTILINE)
    (more,) = re.findall(r"\$pipeline \+= '(.*)' \}$", bootstrap.script(), re.MULTILINE)
    assert more == " 3>&1"
    for text in (old, old + more):
        assert list(_mistakes(parser.parse(text.encode()).root_node)) == []


_TOO_NEW = {
    "the variable that takes stdin away": r"\$input\b",
    "JSON cmdlets (3.0)": r"\bConvert(?:From|To)-Json\b",
    "-in and -notin (3.0)": r"\s-(?:not)?in\b",
    "ordered and pscustomobject (3.0)": r"\[(?:ordered|pscustomobject)\]",
    "static new (5.0)": r"::new\(",
    "method syntax of Where and ForEach (4.0)": r"\.(?:Where|ForEach)\(",
    "Where-Object and ForEach-Object without a block (3.0)": r"\b(?:Where|ForEach)-Object\s+[^{\s]",
    "null-coalescing, chains, ternary (7.0)": r"\?\?|&&|\|\||\?\.",
    "redirection of other streams than errors (3.0)": r"[3-6*]>",
    "using (5.0)": r"(?m)^using\b|\$using:",
    "classes and enums (5.0)": r"(?m)^(?:class|enum)\s",
    "PSItem (3.0)": r"\$PSItem\b",
    "attributes without a value (3.0)": r"\[Parameter\(Mandatory\)\]",
    "CIM cmdlets (3.0)": r"\b\w+-Cim\w+",
    "-Raw and -File (3.0)": r"\s-(?:Raw|File)\b",
    "shift and PSObject literals (3.0)": r"\s-sh[lr]\b",
    "stop-parsing (3.0)": r"--%",
    "hash table splat of a property (never)": r"@\w+\.",
}


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("rule", _TOO_NEW)
def test_nothing_newer_than_powershell_2(name: str, rule: str) -> None:
    assert re.findall(_TOO_NEW[rule], _code(name), re.IGNORECASE) == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("-in and -notin (3.0)", "if ($a -in $b) {}"),
        ("static new (5.0)", "[Text.StringBuilder]::new()"),
        ("redirection of other streams than errors (3.0)", "x 3>&1"),
        ("the variable that takes stdin away", "$Input | x"),
    ],
)
def test_the_rules_find_what_they_are_for(rule: str, text: str) -> None:
    assert re.findall(_TOO_NEW[rule], text, re.IGNORECASE)


@pytest.mark.parametrize("name", _FILES)
def test_nothing_that_is_received_becomes_script_text(name: str) -> None:
    code = _code(name)
    assert not re.search(
        r"\bInvoke-Expression\b|\biex\b|-EncodedCommand|InvokeScript|NewScriptBlock", code, re.IGNORECASE
    )
    created = re.findall(r"\[ScriptBlock\]::Create\((.*)", code)
    assert (
        created
        == {
            "launcher.ps1": ["[Text.Encoding]::UTF8.GetString($bytes))) $reader"],  # whose hash was checked
            "bootstrap.ps1": ["$pipeline)"],
        }[name]
    )


@pytest.mark.parametrize("name", _FILES)
def test_no_secret_is_given_to_a_cmdlet_whose_arguments_are_logged(name: str) -> None:
    assert "ConvertTo-SecureString" not in _code(name)


def _loaded_patterns() -> list[re.Pattern[str]]:
    (listing,) = re.findall(r"\$cmdlets = (.*?)\n\n", _text("bootstrap.ps1"), re.DOTALL)
    return [re.compile(text.replace("*", "[A-Za-z]*")) for text in re.findall(r"'([^']+)'", listing)]


def test_every_cmdlet_the_builders_know_is_loaded_on_the_server() -> None:
    folder = resources.files("tlsrunbook.exchange")
    sources = [item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.startswith("cmdlets")]
    names = {name for text in sources for name in re.findall(r"\"([A-Z][a-z]+-[A-Z][A-Za-z]+)\"", text)}
    assert "New-SendConnector" in names
    own = {name for name in names if name.endswith(("-StoreCertificate", "-ServerFile"))}
    assert all(f"function {name} {{" in bootstrap.script() for name in own)
    patterns = _loaded_patterns()
    assert [name for name in sorted(names - own) if not any(pattern.fullmatch(name) for pattern in patterns)] == []


def test_all_three_file_functions_take_the_documented_parameters() -> None:
    for name, parameters in (("Get", "Folder"), ("Set", "Path Data"), ("Remove", "Path")):
        (body,) = re.findall(rf"function {name}-ServerFile \{{\n(.*?)\n\$ErrorAction", bootstrap.script(), re.DOTALL)
        assert re.findall(r"\]\$(\w+)", body) == parameters.split()


def test_all_three_store_functions_take_the_documented_parameters() -> None:
    for name, parameters in (("Get", "StoreName"), ("Add", "StoreName RawData"), ("Remove", "StoreName Thumbprint")):
        (body,) = re.findall(
            rf"function {name}-StoreCertificate \{{\n(.*?)\n\$ErrorAction", bootstrap.script(), re.DOTALL
        )
        assert re.findall(r"\]\$(\w+)", body) == parameters.split()
