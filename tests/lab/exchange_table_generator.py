"""Makes ``tlsrunbook/lab/exchange/data/cmdlets.json`` from the facts; the table's test compares the two.

Run it from the checkout, with the facts in the folder ``../shared/facts`` beside it::

    python tests/lab/exchange_table_generator.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
FACTS = CHECKOUT.parent / "shared" / "facts" / "cmdlets.json"
TABLE = CHECKOUT / "tlsrunbook" / "lab" / "exchange" / "data" / "cmdlets.json"

# What the cmdlets of the reference have, unless a parameter says otherwise.
ON_PREMISES = ["2010", "2013", "2016", "2019", "SE"]


def products(applicable: list[str]) -> list[str]:
    short = [text.removeprefix("Exchange Server ") for text in applicable]
    return [product for product in ON_PREMISES if product in short]


def compact_parameter(facts: dict[str, Any], all_sets: list[str]) -> dict[str, Any]:
    sets = {name: facts["sets"][name]["required"] for name in sorted(facts["sets"])}
    there = products(facts["applicable"])
    return {
        "type": facts["type"],
        **({"sets": sets} if sets != dict.fromkeys(sorted(all_sets), False) else {}),
        **({"products": there} if there != ON_PREMISES else {}),
        **({"pipeline": True} if facts["pipeline"] else {}),
        **{key: facts[key] for key in ("aliases", "values", "range", "flags") if facts.get(key)},
    }


def compact_cmdlet(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "products": products(facts["applicable"]),
        "sets": sorted(facts["parameter_sets"]),
        "parameters": {
            name: compact_parameter(parameter, facts["parameter_sets"])
            for name, parameter in sorted(facts["parameters"].items())
            if products(parameter["applicable"])
        },
    }


def without_sources(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_sources(item) for key, item in value.items() if key not in ("source", "note")}
    return value


def compact(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "cmdlets": {name: compact_cmdlet(cmdlet) for name, cmdlet in sorted(facts["cmdlets"].items())},
        "windows": facts["version_windows"]["parameters"],
        "exchange_2007": without_sources(facts["exchange_2007"]),
        "builds": [[name, build] for name, build, _ in facts["builds"]["milestones"]],
        "sha256_since": facts["builds"]["boundaries"]["default_cert_sha256_on_fresh_install"],
        "se_min": facts["builds"]["boundaries"]["se_min"],
        "enums": without_sources(facts["enums"]),
        "usage_types": without_sources(facts["usage_types"]),
        "default_receive_connectors": without_sources(facts["default_receive_connectors"]),
    }


def text_of(table: dict[str, Any]) -> str:
    """Lay the table out with a parameter on each line, so that a change shows as a line."""
    cmdlets = ",\n".join(
        f"{json.dumps(name)}: {{\n"
        + "".join(f"{json.dumps(key)}: {json.dumps(cmdlet[key])},\n" for key in ("products", "sets"))
        + '"parameters": {\n'
        + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in cmdlet["parameters"].items())
        + "\n}}"
        for name, cmdlet in table["cmdlets"].items()
    )
    rest = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in table.items() if key != "cmdlets")
    return f'{{\n"cmdlets": {{\n{cmdlets}\n}},\n{rest}\n}}\n'


if __name__ == "__main__":
    TABLE.write_text(text_of(compact(json.loads(FACTS.read_text(encoding="utf-8")))), encoding="utf-8", newline="\n")
