/* Copyright (c) 2026, the winops.kms authors
   GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
   SPDX-License-Identifier: GPL-3.0-or-later */
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const DAYS = 3;
  const rows = data.rows.map((row) => row.map((cell, index) => (index === DAYS ? cell : data.texts[cell])));
  const searched = rows.map((row) => row.filter((cell, index) => index !== DAYS).join("\n").toLowerCase());
  // Heading -> the cell that it sorts by.
  const sortedBy = [0, 1, DAYS, 5, 6, 7, 8, 9];
  const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const state = { page: 0, column: null, descending: false };
  let found = [];

  const make = (name, content, kind) => {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (content) element.textContent = content;
    return element;
  };

  // The same as the rows that are in the page as it is written.
  const headings = [...document.querySelectorAll("#host-table thead th")];
  const labels = headings.map((heading) => heading.textContent);
  const kinds = headings.map((heading) => heading.className);

  const onDemand = (short, reason, remedy) => {
    if (!reason && !remedy) return short;
    const details = make("details");
    details.append(make("summary", short));
    if (reason) details.append(make("p", reason));
    if (remedy) {
      const advice = make("p");
      advice.append(make("b", "What to do: "), remedy);
      details.append(advice);
    }
    return details;
  };

  const line = ([host, label, severity, , days, product, channel, server, identity, short, reason, remedy]) => {
    const row = make("tr");
    row.setAttribute("role", "row");
    const head = make("th", host);
    head.scope = "row";
    head.setAttribute("role", "rowheader");
    row.append(head);
    const pill = make("span", "", "pill");
    const mark = make("span", "", `mark ${severity}`);
    mark.setAttribute("aria-hidden", "true");
    pill.append(mark, label);
    const machine = identity ? make("code", identity) : "";
    [pill, days, product, channel, server, machine, onDemand(short, reason, remedy)].forEach((content, index) => {
      const cell = make("td", "", kinds[index + 1]);
      cell.dataset.label = labels[index + 1];
      cell.setAttribute("role", "cell");
      if (content) cell.append(content);
      row.append(cell);
    });
    return row;
  };

  // Days: what ends first comes first; what does not end, and what is not known, come last.
  const daysOf = (row) => (row[DAYS] !== null ? row[DAYS] : row[4] ? 1e8 : 1e9);

  const compare = (one, other) => {
    const cell = sortedBy[state.column];
    if (cell === DAYS) return daysOf(rows[one]) - daysOf(rows[other]);
    const [left, right] = [rows[one][cell], rows[other][cell]];
    if (!left || !right) return (left ? 0 : 1) - (right ? 0 : 1);
    return words.compare(left, right);
  };

  const show = (size) => {
    const pages = Math.max(1, Math.ceil(found.length / size));
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * size;
    const part = found.slice(first, first + size);
    byId("rows").replaceChildren(...part.map((index) => line(rows[index])));
    byId("shown").textContent = part.length
      ? `${(first + 1).toLocaleString("en")} to ${(first + part.length).toLocaleString("en")} of ${found.length.toLocaleString("en")}`
      : "No host fits";
    byId("place").textContent = `Page ${state.page + 1} of ${pages}`;
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page === pages - 1;
    byId("pager").hidden = pages === 1;
  };

  const update = () => {
    const wanted = byId("find").value.trim().toLowerCase().split(/\s+/);
    const only = byId("only").value;
    found = [];
    rows.forEach((row, index) => {
      if ((!only || row[1] === only) && wanted.every((word) => searched[index].includes(word))) found.push(index);
    });
    if (state.column !== null) found.sort((one, other) => (state.descending ? -1 : 1) * compare(one, other) || one - other);
    show(Number(byId("size").value));
  };
  const restart = () => {
    state.page = 0;
    update();
  };

  headings.forEach((heading, column) => {
    const button = make("button", heading.textContent);
    button.type = "button";
    button.addEventListener("click", () => {
      state.descending = state.column === column && !state.descending;
      state.column = column;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
      restart();
    });
    heading.replaceChildren(button);
  });
  byId("find").addEventListener("input", restart);
  byId("only").addEventListener("change", restart);
  byId("size").addEventListener("change", restart);
  const turn = (step) => {
    state.page += step;
    update();
    byId("hosts").scrollIntoView();
  };
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  // Paper has no pages to turn: more rows at once, and still not without end.
  window.addEventListener("beforeprint", () => show(1000));
  window.addEventListener("afterprint", update);
  byId("controls").hidden = false;
  restart();
})();
