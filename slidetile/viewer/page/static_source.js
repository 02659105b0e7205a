/** The door without a server of ours: a store behind any server of files that knows ranges. */

import { unpackedJson } from "./bytes.js";
import { changed, pathOf, range, whole } from "./ranges.js";
import { rowsOf } from "./rows.js";
import { ShardedLevel } from "./shards.js";
import { DAMAGED, FAILED, SourceError } from "./source.js";
import { TileTable } from "./table.js";

const MOST_BACKDROP_PX = 4_000_000;

/** The source of a store, by its card in the list of pages. */
export async function staticSource(files, card) {
  const scene = await unpackedJson(await whole(pathOf(files, card.scene), { cache: "no-cache" }));
  return new StaticSource(files, card, scene);
}

class StaticSource {
  constructor(files, { store, saved }, scene) {
    const { archive, ...shown } = scene;
    Object.assign(this, { store, archive, shown });
    this.saved = pathOf(files, saved);
    this.row = rowsOf(shown);
    this.table = shown.overlay.tiles && new TileTable(shown.overlay.tiles, shown.size);
    this.levels = new Map();
    for (const part of archive.parts) {
      if (part.kind === "stored" && !this.levels.has(part.level)) {
        this.levels.set(part.level, new ShardedLevel(store, part));
      }
    }
    this.checked = new Map();
  }

  /** What a page shows; fails where the store is another one, or the server knows no ranges. */
  async scene() {
    const { file, size, tail } = this.archive.mark;
    const path = pathOf(this.store, file);
    let end;
    try {
      end = await range(path, size, size - tail.length, size, { cache: "no-store" });
    } catch (error) {
      throw error.state === DAMAGED ? changed() : error;
    }
    if (new TextDecoder().decode(end) !== tail) throw changed();
    return this.shown;
  }

  async replan() {
    throw new SourceError("A store is written; only a plan can be made again.", FAILED);
  }

  async tile(level, column, row, signal) {
    const part = this.archive.parts[level];
    if (part.kind === "saved") return this.#savedTile(part, column, row, signal);
    if (part.by === 1) return this.#chunk(part, column, row, signal);
    return this.#joined(level, column, row, signal);
  }

  async #savedTile(part, column, row, signal) {
    const place = part.tiles[`${column}/${row}`];
    if (place === undefined) return null;
    const [first, length, type] = place;
    if (typeof first === "string") throw new SourceError(first, DAMAGED);
    return new Blob([await range(this.saved, null, first, first + length, { signal })], { type });
  }

  async #chunk(part, column, row, signal) {
    const found = await this.levels.get(part.level).chunks([[column, row]], signal);
    const chunk = found.get(`${column}/${row}`);
    if (chunk instanceof SourceError) throw chunk;
    if (chunk === null) {
      await this.#checkAbsent(part.level, column, row);
      return null;
    }
    return new Blob([chunk], { type: part.type });
  }

  /** A tile of a level that is not stored, drawn from the chunks of a finer one. */
  async #joined(level, column, row, signal) {
    const part = this.archive.parts[level];
    const sharded = this.levels.get(part.level);
    const { by } = part;
    const cells = [];
    for (let y = row * by; y < Math.min(sharded.rows, (row + 1) * by); y += 1) {
      for (let x = column * by; x < Math.min(sharded.columns, (column + 1) * by); x += 1) cells.push([x, y]);
    }
    const chunks = await sharded.chunks(cells, signal);
    if (![...chunks.values()].some((chunk) => chunk !== null)) {
      for (const [x, y] of cells) await this.#checkAbsent(part.level, x, y);
      return null;
    }
    const { chunkWidth: w, chunkHeight: h } = sharded;
    const canvas = new OffscreenCanvas(w, h);
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    await this.#drawBackdrop(pen, level, column, row);
    for (const [x, y] of cells) {
      const at = [(x - column * by) * (w / by), (y - row * by) * (h / by), w / by, h / by];
      const chunk = chunks.get(`${x}/${y}`);
      if (chunk === null) {
        if (await this.#isMissing(part.level, x, y)) stripes(pen, ...at);
        continue;
      }
      const bitmap =
        chunk instanceof SourceError
          ? null
          : await createImageBitmap(new Blob([chunk], { type: part.type }), { colorSpaceConversion: "none" }).catch(() => null);
      if (bitmap === null) stripes(pen, ...at);
      else {
        pen.drawImage(bitmap, ...at);
        bitmap.close();
      }
    }
    return canvas.convertToBlob({ type: "image/png" });
  }

  /** Draw the overview below a tile, where parts of it are not stored. */
  async #drawBackdrop(pen, level, column, row) {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
    this.backdrop ??= this.#backdrop();
    const found = await this.backdrop.catch(() => null);
    if (found === null) return;
    const { downsample: [dx, dy], tile: [w, h] } = this.shown.levels[level];
    const [sx, sy] = found.downsample;
    const [across, down] = [(w * dx) / sx, (h * dy) / sy];
    pen.drawImage(found.canvas, column * across, row * down, across, down, 0, 0, w, h);
  }

  async #backdrop() {
    const { parts } = this.archive;
    const number = this.shown.levels.findIndex(
      ({ width, height }, i) => parts[i].kind === "saved" && width * height <= MOST_BACKDROP_PX,
    );
    if (number < 0) return null;
    const { width, height, downsample, tile } = this.shown.levels[number];
    const canvas = new OffscreenCanvas(width, height);
    const pen = canvas.getContext("2d");
    for (const key of Object.keys(parts[number].tiles)) {
      const [column, row] = key.split("/").map(Number);
      if (parts[number].tiles[key].length === 1) continue; // it is damaged
      const bitmap = await createImageBitmap(await this.#savedTile(parts[number], column, row));
      pen.drawImage(bitmap, column * tile[0], row * tile[1]);
      bitmap.close();
    }
    return { canvas, downsample };
  }

  async #checkAbsent(level, column, row) {
    if (await this.#isMissing(level, column, row)) {
      const words = `The chunk ${column}/${row} of level ${level} is missing from the store.`;
      throw new SourceError(words, DAMAGED);
    }
  }

  /** Whether a chunk that is not there should be: see "Absence" in docs/reference/store-format.md. */
  async #isMissing(level, column, row) {
    if (level > 0) {
      if (this.archive.codec === "native") return false;
      const { across, down } = this.levels.get(level);
      const finer = this.levels.get(level - 1);
      return across === 2 && down === 2 && finer !== undefined && finer.sizeOf(`${column}/${row}`) !== undefined;
    }
    const sharded = this.levels.get(0);
    const { table } = this;
    const bytes = table?.values.get("bytes")?.data;
    if (!bytes) return false;
    const [x, y] = [column * sharded.chunkWidth, row * sharded.chunkHeight];
    const [right, bottom] = [Math.min(table.width, x + sharded.chunkWidth), Math.min(table.height, y + sharded.chunkHeight)];
    for (const [from, until] of table.runsIn(x, y, right - 1, bottom - 1)) {
      for (let i = from; i < until; i += 1) {
        const tile = table.region(i);
        const isOff = tile.x >= right || tile.x + tile.width <= x || tile.y >= bottom || tile.y + tile.height <= y;
        if (!isOff && !(await this.#isWhole(i, tile, bytes[i]))) return true;
      }
    }
    return false;
  }

  /** Whether the chunks of a tile take as many bytes as its row says. */
  #isWhole(i, { x, y, width, height }, bytes) {
    let found = this.checked.get(i);
    if (!found) {
      const sharded = this.levels.get(0);
      found = (async () => {
        let sum = 0;
        for (let row = Math.floor(y / sharded.chunkHeight); row * sharded.chunkHeight < y + height; row += 1) {
          for (let column = Math.floor(x / sharded.chunkWidth); column * sharded.chunkWidth < x + width; column += 1) {
            sum += await sharded.lengthOf(column, row);
          }
        }
        return sum === bytes;
      })();
      found.catch(() => this.checked.delete(i));
      this.checked.set(i, found);
    }
    return found;
  }
}

function stripes(pen, x, y, width, height) {
  pen.fillStyle = "#ffe1e1";
  pen.fillRect(x, y, width, height);
  pen.save();
  pen.beginPath();
  pen.rect(x, y, width, height);
  pen.clip();
  pen.strokeStyle = "#c80000";
  pen.lineWidth = 8;
  for (let at = -height; at < width; at += 32) {
    pen.beginPath();
    pen.moveTo(x + at, y + height);
    pen.lineTo(x + at + height, y);
    pen.stroke();
  }
  pen.restore();
}
