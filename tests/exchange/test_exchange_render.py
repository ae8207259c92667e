import base64
import tomllib
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_pwsh
from hypothesis import example, given
from hypothesis import strategies as st
from powershell_reader import Reader, scan_single_quoted

from tlsrunbook.exchange.command import Command, Later
from tlsrunbook.exchange.render import SINGLE_QUOTES, quote, render, render_pipeline
from tlsrunbook.secret import Secret

CASES = tomllib.loads((Path(__file__).parent / "cases" / "render.toml").read_text("utf-8"))["case"]
INJECTIONS = [
    "x’; Remove-Item C:\\ -Recurse; ‘",
    "x'; Stop-Service MSExchangeTransport; '",
    "‚‛’",
    "a‘’b",
    "'",
    "’'’",
    "ends with ’",
    "$(Stop-Computer)",
    "`$x\n; Stop-Computer",
    "–Force",
    "\u0085Stop-Computer",
    "\u202ereversed",
    "@('a','b')",
]

plain_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
quoty_text = st.text(alphabet=st.sampled_from([*SINGLE_QUOTES, "a", " ", ";", "$", "`", '"', "“", "\n", "\x00", "–"]))
texts = plain_text | quoty_text | st.sampled_from(INJECTIONS)
values = (
    texts
    | st.booleans()
    | st.none()
    | st.integers(-(2**31), 2**31 - 1)
    | st.binary(max_size=64)
    | st.lists(texts, max_size=4).map(tuple)
)


def value_of(raw: object) -> object:
    if raw == "$null":
        return None
    if isinstance(raw, dict):
        return base64.b64decode(raw["base64"])
    return tuple(raw) if isinstance(raw, list) else raw


def can_be_run(text: str) -> bool:
    """Whether PowerShell would run the line: a bare ``<`` is reserved, and the parse error takes the whole line."""
    bare = "".join(part for number, part in enumerate(text.split("'")) if number % 2 == 0)
    return "<" not in bare and "\n" not in bare


def has_parse_error(text: str) -> bool:
    # The grammar knows the language roughly, and neither smart quotes nor the reserved `<`: good for slips only.
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_pwsh.language()))
    return parser.parse(text.encode()).root_node.has_error


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_command_renders_exactly(case: dict) -> None:
    command = Command(case["command"], tuple((name, value_of(raw)) for name, raw in case["parameters"]))
    assert render(command) == case["text"].strip()
    assert Reader(render(command)).commands() == [(command.name, list(command.parameters))]


@given(texts)
@example("‘")
@example("")
def test_a_quoted_text_reads_back_as_itself_and_nothing_follows_it(text: str) -> None:
    rendered = quote(text)
    assert Reader(rendered).value() == text
    if rendered[0] in SINGLE_QUOTES:
        assert scan_single_quoted(rendered, 0) == (text, len(rendered))


@given(st.lists(values, min_size=1, max_size=4))
def test_a_rendered_command_reads_back_as_the_same_values(given_values: list) -> None:
    parameters = tuple((f"P{number}", value) for number, value in enumerate(given_values))
    command = Command("Set-Thing", parameters)
    assert Reader(render_pipeline((command, command))).commands() == [("Set-Thing", list(parameters))] * 2


@pytest.mark.parametrize("text", INJECTIONS)
def test_an_injection_stays_inside_the_literal(text: str) -> None:
    command = Command.of("New-SendConnector", Name=text, AddressSpaces=(text, text))
    read = Reader(render(command)).commands()
    assert read == [("New-SendConnector", [("Name", text), ("AddressSpaces", (text, text))])]


def test_doubling_the_apostrophe_alone_would_let_the_injection_out() -> None:
    text = INJECTIONS[0]
    naive = "'" + text.replace("'", "''") + "'"
    assert scan_single_quoted(naive, 0)[0] == "x"


@given(texts.filter(lambda text: text != ""))
def test_what_is_not_shown_as_it_is_never_reaches_the_text(text: str) -> None:
    assert all(character.isprintable() or character.isspace() for character in quote(text) if ord(character) < 0x80)
    assert not set(quote(text)) & set("\n\r\x00\x1b\x85\u2028\u202e")


@pytest.mark.parametrize(
    "command",
    [
        Command.of("New-SendConnector", Name="\ud800"),
        Command.of("New-SendConnector", AddressSpaces=("fine", "a\udfff")),
        Command.of("New-SendConnector", Name=Later("\udc00")),
    ],
)
def test_half_a_surrogate_pair_is_refused(command: Command) -> None:
    with pytest.raises(ValueError, match="surrogate"):
        render(command)


def test_a_secret_is_asked_for_and_never_shown() -> None:
    command = Command.of("Import-ExchangeCertificate", FileData=b"pfx", Password=Secret("hunter2"))
    text = render(command)
    assert text.endswith("-Password (Read-Host -AsSecureString -Prompt 'Password')")
    assert "hunter2" not in text + render(command, shorten=True)


def test_what_is_known_later_stands_in_angle_brackets_that_powershell_refuses() -> None:
    command = Command.of(
        "Enable-ExchangeCertificate", Thumbprint=Later("thumbprint of the\ncertificate > to be issued")
    )
    text = render(command)
    assert text == "Enable-ExchangeCertificate -Thumbprint <thumbprint of the certificate to be issued>"
    assert not can_be_run(text)


def test_shortened_bytes_show_length_and_digest_and_do_not_run() -> None:
    command = Command.of("Import-ExchangeCertificate", FileData=b"x" * 1512)
    text = render(command, shorten=True)
    assert text == "Import-ExchangeCertificate -FileData <1512 bytes, SHA-256 049dca2c501f…>"
    assert not can_be_run(text)
    assert base64.b64encode(b"x" * 1512).decode() in render(command)


def test_a_pipeline_is_one_line() -> None:
    pipeline = (
        Command.of("Import-ExchangeCertificate", FileData=b"abc"),
        Command.of("Enable-ExchangeCertificate", Services="SMTP", Force=True),
    )
    text = render_pipeline(pipeline)
    assert text == (
        "Import-ExchangeCertificate -FileData ([Convert]::FromBase64String('YWJj'))"
        " | Enable-ExchangeCertificate -Services 'SMTP' -Force:$true"
    )
    assert not has_parse_error(text)


X509 = "System.Security.Cryptography.X509Certificates"


@pytest.mark.parametrize(
    ("command", "mode", "act"),
    [
        (
            Command.of("Get-StoreCertificate", StoreName="CA"),
            "ReadOnly",
            "$store.Certificates | Select-Object Thumbprint,RawData",
        ),
        (
            Command.of("Add-StoreCertificate", StoreName="CA", RawData=b"abc"),
            "ReadWrite",
            f"$store.Add((New-Object {X509}.X509Certificate2 -ArgumentList (,([Convert]::FromBase64String('YWJj')))))",
        ),
        (
            Command.of("Remove-StoreCertificate", StoreName="CA", Thumbprint="A" * 40),
            "ReadWrite",
            (
                f"$store.Certificates.Find('FindByThumbprint','{'A' * 40}',$false)"
                " | ForEach-Object { $store.Remove($_) }"
            ),
        ),
    ],
    ids=["get", "add", "remove"],
)
def test_store_commands_render_as_the_dotnet_lines_that_do_the_same(command: Command, mode: str, act: str) -> None:
    assert render(command).splitlines() == [
        f"$store = New-Object {X509}.X509Store -ArgumentList 'CA','LocalMachine'",
        f"$store.Open('{mode}, OpenExistingOnly')",
        act,
        "$store.Close()",
    ]
    assert not has_parse_error(render(command))


def test_a_store_command_cannot_be_piped() -> None:
    with pytest.raises(ValueError, match="stand alone"):
        render_pipeline((Command.of("Get-StoreCertificate", StoreName="CA"), Command.of("Remove-X", Confirm=False)))
