"""The frame of every page we write: one file, no network, light and dark, screen and paper, readable without script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape

#: What a browser may load for a page of ours: its own style sheet, and nothing else from anywhere.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_COLOURS = """
:root { color-scheme: light dark; --ink: #1b2430; --quiet: #586474; --paper: #fff; --line: #d8dee6; --soft: #f4f6f9;
  --link: #1d5fa8; --ok: #17694a; --ok-soft: #e4f4ec; --wait: #855300; --wait-soft: #fdf1da; --bad: #a8241b;
  --bad-soft: #fdeae8; --odd: #6c33a8; --odd-soft: #f3eafd; --plan: #1d5fa8; --plan-soft: #e6f0fb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --quiet: #9ba8b8; --paper: #12161c; --line: #313a46;
  --soft: #1a2029; --link: #8ab8f5; --ok: #62d6a0; --ok-soft: #15302640; --wait: #f2bd55; --wait-soft: #3a2b0f80;
  --bad: #ff938a; --bad-soft: #45191680; --odd: #cfa5ff; --odd-soft: #301f4580; --plan: #8ab8f5;
  --plan-soft: #17294180; } }
@media print { :root { color-scheme: light; --ink: #000; --quiet: #444; --paper: #fff; --line: #bbb; --soft: #f6f6f6;
  --link: #000; --ok: #17694a; --ok-soft: #fff; --wait: #855300; --wait-soft: #fff; --bad: #a8241b; --bad-soft: #fff;
  --odd: #6c33a8; --odd-soft: #fff; --plan: #1d5fa8; --plan-soft: #fff; } }
"""

_SHAPES = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 24px 64px; }
h1 { font-size: 27px; line-height: 1.25; margin: 0; } h2 { font-size: 19px; margin: 40px 0 8px; padding-top: 12px;
  border-top: 1px solid var(--line); } h3 { font-size: 15px; margin: 20px 0 4px; } p { margin: 4px 0 10px; }
a { color: var(--link); } .quiet { color: var(--quiet); } .wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; margin: 4px 0 12px; }
th, td { text-align: left; vertical-align: top; padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
th { color: var(--quiet); font-weight: 600; } .tight, th { white-space: nowrap; overflow-wrap: normal; }
td pre { margin: 0 0 4px; } tr:has(+ tr > td:first-child:empty) > td:first-child { border-bottom-color: transparent; }
pre, code, .code { font: 12.5px/1.5 ui-monospace, "Cascadia Mono", Consolas, Menlo, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--soft); padding: 8px 12px; border-radius: 6px;
  margin: 4px 0 10px; }
pre.source { border-left: 3px solid var(--line); } pre.error { border-left: 3px solid var(--bad); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 5px 22px; margin: 18px 0 8px; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
.ok { color: var(--ok); } .wait { color: var(--wait); } .bad { color: var(--bad); } .odd { color: var(--odd); }
.plan { color: var(--plan); } .status { font-weight: 600; white-space: nowrap; }
.tile { display: inline-block; padding: 1px 10px; border-radius: 11px; background: var(--soft); text-decoration: none; }
.tile.ok { background: var(--ok-soft); } .tile.wait { background: var(--wait-soft); }
.tile.bad { background: var(--bad-soft); } .tile.odd { background: var(--odd-soft); }
.tile.plan { background: var(--plan-soft); }
.lead { font-size: 16px; margin: 14px 0 0; padding: 12px 16px; border-left: 4px solid currentColor;
  background: var(--soft); border-radius: 0 6px 6px 0; }
.lead + h1 { margin-top: 22px; } .lead > span { color: var(--ink); }
.note { padding: 8px 14px; background: var(--soft); border-radius: 6px; }
"""

_NARROW = """
@media (max-width: 640px) { main { padding: 18px 14px 48px; } h1 { font-size: 21px; overflow-wrap: anywhere; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
  table.cards, .cards tbody, .cards tr, .cards td { display: block; } .cards thead { display: none; }
  .cards tr { padding: 8px 0; border-bottom: 1px solid var(--line); } .cards td { border: 0; padding: 2px 0; }
  .cards td:empty { display: none; } .cards td[data-head=before] { display: inline; padding-right: 16px; }
  .cards td[data-head=after] { display: inline; }
  .cards td[data-head]:not([data-head=""])::before { content: attr(data-head) ": ";
  color: var(--quiet); } .cards td.tight { white-space: normal; } }
@media print { @page { margin: 16mm 14mm; } main { max-width: none; padding: 0; } body { font-size: 10.5px; }
  h1 { font-size: 19px; } h2 { font-size: 14px; margin-top: 22px; } h3 { font-size: 11.5px; }
  table { font-size: 9.5px; }
  pre, code, .code { font-size: 8.5px; } h2, h3 { break-after: avoid; } tr, pre, dl { break-inside: avoid; }
  thead { display: table-header-group; } a { text-decoration: none; } .wide { overflow: visible; }
  .tile { padding: 0; } .lead { font-size: 11.5px; } }
"""


def page(title: str, body: str, *, kind: str = "", style: str = "", script: str = "", refresh: int = 0) -> str:
    """Give a whole page around a body that is already HTML.

    Args:
        title: Plain text.
        body: HTML.
        kind: Class of the page, for its style.
        style: More style sheet, ours.
        script: Ours, inline; the page's policy lets the browser run this very text, and no other.
        refresh: Seconds after which a browser loads it again; 0 never does.
    """
    again = f'<meta http-equiv="refresh" content="{refresh}">' if refresh else ""
    policy = POLICY
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
        policy += f"; script-src 'sha256-{digest}'"
    mark = f' class="{escape(kind)}"' if kind else ""
    end = f"<script>{script}</script>" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"{again}<title>{escape(title)}</title><style>{_COLOURS}{_SHAPES}{_NARROW}{style}</style></head>"
        f"<body><main{mark}>{body}</main>{end}</body></html>\n"
    )


def page_bytes(text: str) -> bytes:
    """Give a page as UTF-8; half a surrogate pair, which a server may send, becomes a mark."""
    return text.encode("utf-8", "replace")


def table(
    heads: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    *,
    tight: tuple[int, ...] = (),
    empty: str = "none",
    cards: bool = True,
) -> str:
    """Give a table of cells that are already HTML.

    Args:
        heads: Plain text.
        rows: One tuple per row, as long as ``heads``.
        tight: Columns that are never broken.
        empty: What to say when there are no rows.
        cards: Whether a narrow screen shows each row as a block of its own.
    """
    mark = [' class="tight"' if at in tight else "" for at in range(len(heads))]
    head = "".join(f'<th scope="col"{mark[at]}>{escape(name)}</th>' for at, name in enumerate(heads))
    names = [f' data-head="{escape(name)}"' if cards else "" for name in heads]
    body = "".join(
        "<tr>" + "".join(f"<td{mark[at]}{names[at]}>{cell}</td>" for at, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    if not body:
        return f'<p class="quiet">{escape(empty)}</p>'
    kind = ' class="cards"' if cards else ""
    return f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
