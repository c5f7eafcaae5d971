// Copyright (c) 2026 puffy.vmm contributors
// SPDX-License-Identifier: ISC
// Finds, filters and sorts the VMs. Without it the page shows all of them, in the order of the fleet.
(() => {
  "use strict";
  const table = document.getElementById("table");
  if (!table) return;
  // So many rows at once are drawn at once, however many there are; printed are all that match.
  const first = 100, step = 400;
  const body = table.tBodies[0];
  const [find, state, server, count, more] = ["find", "state", "server", "count", "more"].map((id) => document.getElementById(id));
  const rows = Array.from(body.rows, (element) => ({
    element, text: Array.from(element.cells, (cell) => cell.textContent).join(" ").toLowerCase(),
    ...element.dataset, shown: true, later: false,
  }));
  const number = new Intl.NumberFormat("en");
  let most = first;

  function fits(row, words, choice, on) {
    if (on && row.server !== on) return false;
    if (choice === "attention" || choice === "pending") {
      if (row[choice] === undefined) return false;
    } else if (choice && row.state !== choice) return false;
    return words.every((word) => row.text.includes(word));
  }

  function show() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let matching = 0;
    for (const row of rows) {
      const shown = fits(row, words, state.value, server.value);
      const later = shown && matching >= most;
      matching += shown;
      if (shown !== row.shown) row.element.hidden = !(row.shown = shown);
      if (later !== row.later) row.element.classList.toggle("later", (row.later = later));
    }
    const all = matching === rows.length;
    const vms = `${number.format(rows.length)} ${rows.length === 1 ? "VM" : "VMs"}`;
    count.textContent = all ? vms : `${number.format(matching)} of ${vms}`;
    const rest = matching - most;
    more.parentElement.hidden = rest <= 0;
    if (rest > 0) {
      more.textContent = `Show ${number.format(Math.min(rest, step))} more`;
      count.textContent += `, the first ${number.format(most)} are shown`;
    }
  }

  function key(row, column, kind) {
    const cell = row.element.cells[column];
    if (kind === "number") return Number(cell.dataset.key);
    return kind === "key" ? cell.dataset.key : cell.textContent;
  }

  const words = new Intl.Collator("en", { numeric: true });
  const compare = {
    number: (one, other) => one - other,
    key: (one, other) => (one < other ? -1 : one > other ? 1 : 0),
    text: words.compare,
  };

  function sort(header) {
    const up = header.getAttribute("aria-sort") !== "ascending";
    const column = header.cellIndex;
    const kind = header.dataset.sort;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    const keys = new Map(rows.map((row) => [row, key(row, column, kind)]));
    rows.sort((one, other) => (up ? 1 : -1) * compare[kind](keys.get(one), keys.get(other)));
    body.append(...rows.map((row) => row.element));
    show();
  }

  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => sort(header));
    header.replaceChildren(button);
  }

  // As cards on a small screen it is no table to some screen readers, unless it says so.
  const small = matchMedia("(max-width: 44rem)");
  function name() {
    if (!small.matches || table.hasAttribute("role")) return;
    const parts = { table: [table], rowgroup: [table.tHead, body], row: table.rows };
    for (const [role, elements] of Object.entries(parts)) {
      for (const element of elements) element.setAttribute("role", role);
    }
    for (const row of body.rows) {
      for (const cell of row.cells) cell.setAttribute("role", cell.tagName === "TH" ? "rowheader" : "cell");
    }
    for (const cell of table.tHead.rows[0].cells) cell.setAttribute("role", "columnheader");
  }
  small.addEventListener("change", name);
  name();

  for (const link of document.querySelectorAll('a[href="#vms"]:not(.skip)')) {
    link.addEventListener("click", () => {
      most = first;
      find.value = "";
      state.value = link.dataset.state ?? "";
      server.value = link.dataset.server ?? "";
      show();
    });
  }
  find.form.addEventListener("submit", (event) => event.preventDefault());
  for (const control of [find, state, server]) {
    control.addEventListener("input", () => {
      most = first;
      show();
    });
  }
  more.addEventListener("click", () => {
    most += step;
    const next = rows.find((row) => row.later).element.cells[0];
    show();
    next.tabIndex = -1;
    next.focus();
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      find.focus();
    }
  });

  const opened = new Set();
  addEventListener("beforeprint", () => {
    for (const element of document.querySelectorAll("details:not([open])")) {
      element.open = true;
      opened.add(element);
    }
  });
  addEventListener("afterprint", () => {
    for (const element of opened) element.open = false;
    opened.clear();
  });

  find.form.hidden = false;
  show();
})();
