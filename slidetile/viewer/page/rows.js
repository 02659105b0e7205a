/** What a page alone knows of its tiles, where no Python is behind it to be asked. */

import { TileTable } from "./table.js";

/** Return `row(index)` of a scene: what its own columns say. */
export function rowsOf(scene) {
  const table = scene.overlay.tiles && new TileTable(scene.overlay.tiles, scene.size);
  return async (index) => {
    const { x, y, width, height } = table.region(index);
    const place = { tile_id: index, column: table.columns[index], row: table.rows[index], x, y, width, height };
    const known = [...table.values.values()].map(({ name, data }) => [
      name,
      Number.isNaN(data[index]) ? null : data[index],
    ]);
    const status = table.unreadable === null ? [] : [["status", table.unreadable[index] ? "unreadable" : "ok"]];
    return [...Object.entries(place), ...known.filter(([name]) => !(name in place)), ...status];
  };
}
