/** The page that is one file: its source holds everything. */

import { bytesOf, unpackedJson } from "./bytes.js";
import { make } from "./dom.js";
import { show } from "./page.js";
import { rowsOf } from "./rows.js";
import { DAMAGED, FAILED, SourceError } from "./source.js";
import { tileList } from "./tile_list.js";

const part = (id) => {
  const element = document.getElementById(id);
  const bytes = bytesOf(element.textContent);
  element.remove();
  return bytes;
};

async function savedSource() {
  const pixels = part("pixels");
  const { levels, tiles } = await unpackedJson(part("places"));
  const scene = { ...(await unpackedJson(part("scene"))), levels };
  return {
    scene: async () => scene,
    async tile(level, column, row) {
      const place = tiles[level][`${column}/${row}`];
      if (place === undefined) return null;
      const [first, length, type] = place;
      if (typeof first === "string") throw new SourceError(first, DAMAGED);
      return new Blob([pixels.subarray(first, first + length)], { type });
    },
    row: rowsOf(scene),
    async replan() {
      throw new SourceError("A saved page has no slide to plan again.", FAILED);
    },
  };
}

const main = document.getElementById("page");
savedSource()
  .then(async (source) => {
    const page = await show(main, source);
    tileList(page);
    globalThis.slidetile = page;
  })
  .catch((error) => {
    const words = `This page was cut short, or changed since it was saved: ${error.message}`;
    main.replaceChildren(make("p", { className: "failure", role: "alert" }, words));
  });
