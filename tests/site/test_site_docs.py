"""The docs say what the code does: schema, key table and example."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from generate_docs import DOCS, REFERENCE, SCHEMA, reference_text, schema_text

from tlsrunbook.lab.lab import Lab
from tlsrunbook.site import FolderAuthoritySettings, json_schema, load_site
from tlsrunbook.site.keys import all_keys

EXAMPLE = DOCS / "example-site.toml"
RUN = "stale: run python tests/site/generate_docs.py"


def example_as_json() -> dict[str, Any]:
    data = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    plain = json.dumps(data, default=lambda value: value.isoformat() if isinstance(value, date) else None)
    return dict(json.loads(plain))


def test_the_committed_schema_is_the_models() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), RUN


def test_the_key_table_is_the_models() -> None:
    current = REFERENCE.read_text(encoding="utf-8")
    assert current == reference_text(current), RUN
    assert "| `renew_before_days` | `30` |" in current


def test_the_example_loads_and_shows_what_a_site_needs() -> None:
    site = load_site(EXAMPLE)
    assert [server.name for server in site.servers] == ["EDGE1", "MBX1"]
    assert all(server.roles == {"send", "receive"} for server in site.servers)
    assert isinstance(site.authority, FolderAuthoritySettings)
    assert site.send_connectors is not None


def test_the_example_satisfies_the_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(example_as_json(), json_schema())


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("certificate", "key_size", 1024),
        ("policy", "waves", ["half"]),
        ("dns", "sever", ""),
        ("authority", "kind", "acme"),
    ],
)
def test_an_editor_sees_mistakes_by_the_schema(table: str, key: str, value: object) -> None:
    data = example_as_json()
    data[table][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, json_schema())


def test_every_key_is_described_and_every_value_has_an_example() -> None:
    assert [key.path for key in all_keys() if not key.field.description] == []
    assert [key.path for key in all_keys() if not key.tables and not key.field.examples] == []


def test_every_example_value_of_a_key_is_valid_where_it_stands() -> None:
    shown = {key.path for key in all_keys()}
    assert {"certificate.state", "servers[].logon.ca_file", "send_connectors.never.domains[].review"} <= shown
    data = example_as_json()
    for key in all_keys():
        if key.tables or key.path in {"name", "authority.kind", "authority.url", "servers[].fqdn", "servers[].name"}:
            continue
        target: Any = data
        for part in key.table.split(".") if key.table else []:
            target = target.setdefault(part.removesuffix("[]"), {})  # a table that the example has no use for
            target = target[0] if part.endswith("[]") else target
        example = key.field.examples[0] if key.field.examples else None
        target[key.name] = example.isoformat() if isinstance(example, date) else example
    jsonschema.validate(data, json_schema())


def test_the_example_is_the_labs_world(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    """They differ in how things are reached and who signs, and in nothing else."""
    lab = make_lab()
    (path,) = lab.write_site_files(tmp_path)
    ours, theirs = load_site(EXAMPLE), load_site(path)
    assert (ours.name, ours.certificate, ours.policy) == (theirs.name, theirs.certificate, theirs.policy)
    assert ours.send_connectors == theirs.send_connectors
    reach = {"address", "endpoints", "logon"}
    assert [s.model_dump(exclude=reach) for s in ours.servers] == [s.model_dump(exclude=reach) for s in theirs.servers]
