/** The table of the kept tiles: a page of rows at a time, sorted by any column. */

import { make, told } from "./dom.js";

const ROWS = 100;

/** Lay the table of a page's tiles below its panel; a click on a row shows the tile. */
export function tileList(page) {
  if (!page.table) return;
  const { table } = page;
  const columns = [
    { name: "tile", data: null },
    { name: "column", data: table.columns },
    { name: "row", data: table.rows },
    ...[...table.values.values()].filter(({ name }) => name !== "column" && name !== "row"),
  ];
  const valueOf = ({ data }, i) => (data === null ? i : data[i]);
  const head = make("tr");
  const body = make("tbody");
  const where = make("span", { role: "status" });
  const state = { by: columns[0], isDown: false, from: 0, order: [] };

  const button = (text, step) =>
    make("button", { type: "button", onclick: () => turn(step) }, text);
  const element = make(
    "details",
    { className: "tiles" },
    make("summary", {}, "Table of tiles"),
    make("div", { className: "turn" }, button("‹ before", -ROWS), where, button("more ›", ROWS)),
    make("div", { className: "wide" }, make("table", {}, make("thead", {}, head), body)),
  );

  function sort() {
    const { by, isDown } = state;
    const kept = [];
    for (let i = 0; i < table.count; i += 1) if (page.choice.kept[i]) kept.push(i);
    if (by.data !== null || isDown) {
      const sign = isDown ? -1 : 1;
      // Missing values come last, whichever way.
      const keys = (i) => valueOf(by, i);
      kept.sort((a, b) => {
        const [x, y] = [keys(a), keys(b)];
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a - b;
        return sign * (x - y) || a - b;
      });
    }
    [state.order, state.from] = [kept, 0];
  }

  function draw() {
    head.replaceChildren(
      ...columns.map((column) => {
        const isBy = column === state.by;
        const order = state.isDown ? "descending" : "ascending";
        return make(
          "th",
          { scope: "col", "aria-sort": isBy ? order : "none" },
          make("button", { type: "button", onclick: () => sortBy(column) },
            column.name + (isBy ? (state.isDown ? " ↓" : " ↑") : "")),
        );
      }),
    );
    const shown = state.order.slice(state.from, state.from + ROWS);
    body.replaceChildren(
      ...shown.map((i) => {
        const row = make(
          "tr", { onclick: () => page.choose(i), tabIndex: 0,
            onkeydown: ({ key }) => key === "Enter" && page.choose(i) },
          ...columns.map((column) => make("td", {}, told(valueOf(column, i)))),
        );
        row.dataset.tile = String(i);
        return row;
      }),
    );
    const of = state.order.length.toLocaleString("en");
    where.textContent = shown.length
      ? `${(state.from + 1).toLocaleString("en")}–${(state.from + shown.length).toLocaleString("en")} of ${of}`
      : "no tiles";
  }

  function sortBy(column) {
    state.isDown = state.by === column && !state.isDown;
    state.by = column;
    sort();
    draw();
  }

  function turn(step) {
    const last = Math.max(0, Math.floor((state.order.length - 1) / ROWS) * ROWS);
    state.from = Math.min(last, Math.max(0, state.from + step));
    draw();
  }

  function follow() {
    if (!element.open) return;
    sort();
    draw();
  }

  element.addEventListener("toggle", follow);
  page.element.addEventListener("told", follow);
  page.panel.append(element);
}
