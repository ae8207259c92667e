"""Writes the JSON schema of the site file and the key table of its page: ``python tests/site/generate_docs.py``."""

from __future__ import annotations

import json
from pathlib import Path

from tlsrunbook.site import json_schema
from tlsrunbook.site.schema import key_table

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMA = DOCS / "site-file.schema.json"
REFERENCE = DOCS / "site-file.md"
BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"


def schema_text() -> str:
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def reference_text(current: str) -> str:
    before, _, rest = current.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{key_table()}\n{END}{after}"


def main() -> None:
    SCHEMA.write_text(schema_text(), encoding="utf-8", newline="\n")
    REFERENCE.write_text(reference_text(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
