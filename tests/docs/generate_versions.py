"""Writes the table of docs/versions.md from runs on the lab: ``python -m tests.docs.generate_versions``."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.versions import BEGIN, BUILDS, DOC, END, row, run_all, table


def main() -> None:
    rows = []
    for build in BUILDS:
        with TemporaryDirectory() as folder:
            for server, records in run_all(build, Path(folder)).items():
                if server != "MBX2":  # a second Mailbox server, where there is no Edge
                    rows.append(row(build, server, records))
    before, _, rest = DOC.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOC.write_text(f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{after}", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
