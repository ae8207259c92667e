// Filter and sort. Without it the page says the same, sorted as it is best read.
"use strict";
(() => {
  const all = (where, what) => [...where.querySelectorAll(what)];
  const bar = document.getElementById("filter");
  const [words, clear, told] = ["words", "clear", "told"].map((id) => document.getElementById(id));
  const servers = new Map();
  for (const row of all(document, "tr[data-server]")) {
    const name = row.dataset.server;
    if (!servers.has(name)) servers.set(name, { rows: [], words: "", verdict: row.dataset.verdict });
    servers.get(name).rows.push(row);
  }
  let verdict = "";

  // A filter chooses servers: those of which the tables say all of the words.
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [name, one] of servers) {
      one.words ||= [name, ...one.rows.map((row) => row.textContent)].join(" ").toLowerCase();
      const fits = (!verdict || one.verdict === verdict) && wanted.every((word) => one.words.includes(word));
      for (const row of one.rows) row.hidden = !fits;
      shown += fits;
    }
    told.textContent = wanted.length || verdict ? `${shown} of ${servers.size} servers` : `${servers.size} servers`;
    for (const tile of tiles) tile.setAttribute("aria-pressed", String(tile.dataset.verdict === verdict));
    for (const section of all(document, "section[data-count]")) {
      const count = all(section, "tbody tr[data-server]:not([hidden])").length;
      section.querySelector(".nothing").hidden = count > 0;
    }
  };

  const tiles = all(document, ".tiles [data-verdict]").map((span) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = span.className;
    button.dataset.verdict = span.dataset.verdict;
    button.append(...span.childNodes);
    button.addEventListener("click", () => {
      verdict = verdict === button.dataset.verdict ? "" : button.dataset.verdict;
      filter();
    });
    span.replaceWith(button);
    return button;
  });

  const key = (row, at) => {
    const cell = row.cells[at];
    const text = cell.dataset.sort ?? cell.textContent;
    return { text: text.toLowerCase(), number: text.trim() === "" ? NaN : Number(text) };
  };
  const compare = (a, b) => {
    const [left, right] = [Number.isNaN(a.number), Number.isNaN(b.number)];
    if (left !== right) return left ? 1 : -1;
    return left ? a.text.localeCompare(b.text, undefined, { numeric: true }) : a.number - b.number;
  };
  const sort = (head) => {
    const table = head.closest("table");
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of all(table, "thead th[aria-sort]")) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => ({ row, key: key(row, head.cellIndex) }));
    keyed.sort((a, b) => (down ? compare(b.key, a.key) : compare(a.key, b.key)));
    body.append(...keyed.map((one) => one.row));
  };
  for (const head of all(document, "table.sortable thead th:not(.picture)")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
    head.setAttribute("aria-sort", "none");
  }

  words.addEventListener("input", filter);
  clear.addEventListener("click", () => {
    [words.value, verdict] = ["", ""];
    filter();
    words.focus();
  });
  addEventListener("beforeprint", () => all(document, "details").forEach((one) => (one.open = true)));
  bar.hidden = false;
  const below = () => document.body.style.setProperty("--below", `${bar.offsetHeight}px`);
  addEventListener("resize", below);
  below();
  filter();
})();
