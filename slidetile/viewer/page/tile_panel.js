/** What is known of one tile, and itself at full resolution. */

import { make, told } from "./dom.js";
import { bitmapOf } from "./picture.js";

const MOST_PX = 4096; // of a larger tile, a coarser level is shown

/** Return a panel; `show(index)` fills it with a tile of the table. */
export function tilePanel(scene, source, onTrouble) {
  const rows = make("tbody");
  const canvas = make("canvas", { title: "click to enlarge", tabIndex: 0 });
  const heading = make("h2", {}, "Tile");
  const element = make(
    "section", { className: "tile", hidden: true }, heading, canvas, make("table", {}, rows),
  );
  const toggle = () => element.classList.toggle("large");
  canvas.addEventListener("click", toggle);
  canvas.addEventListener("keydown", ({ key }) => {
    if (key === "Enter") toggle();
    if (key === "Escape") element.classList.remove("large");
  });
  let shown = -1;

  async function fill(index) {
    const facts = await source.row(index);
    if (shown !== index) return;
    rows.replaceChildren(
      ...facts.map(([name, value]) =>
        make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, typeof value === "number" ? told(value) : String(value ?? "–"))),
      ),
    );
  }

  async function draw(index, region) {
    const rung = Math.max(
      0,
      scene.levels.findIndex(({ downsample: [x] }) => Math.max(region.width, region.height) / x <= MOST_PX),
    );
    const { downsample: [sx, sy], tile: [w, h], width, height } = scene.levels[rung];
    const [left, top] = [Math.floor(region.x / sx), Math.floor(region.y / sy)];
    const right = Math.min(width, Math.ceil((region.x + region.width) / sx));
    const bottom = Math.min(height, Math.ceil((region.y + region.height) / sy));
    Object.assign(canvas, { width: right - left, height: bottom - top });
    const pen = canvas.getContext("2d");
    const parts = [];
    for (let row = Math.floor(top / h); row * h < bottom; row += 1) {
      for (let column = Math.floor(left / w); column * w < right; column += 1) {
        parts.push(
          bitmapOf(scene, source, rung, column, row, onTrouble).then((bitmap) => {
            if (bitmap === null || shown !== index) return;
            const [across, down] = [Math.min(w, width - column * w), Math.min(h, height - row * h)];
            const at = [column * w - left, row * h - top];
            pen.drawImage(bitmap, 0, 0, across, down, ...at, across, down);
            bitmap.close();
          }),
        );
      }
    }
    await Promise.allSettled(parts);
    if (shown === index) canvas.dataset.drawn = String(index);
  }

  function show(index, region) {
    shown = index;
    element.hidden = index < 0;
    delete canvas.dataset.drawn;
    if (index < 0) return;
    heading.textContent = `Tile ${index.toLocaleString("en")}`;
    for (const done of [fill(index), draw(index, region)]) {
      done.catch((error) => onTrouble(error.state, error.message));
    }
  }
  return { element, show };
}
