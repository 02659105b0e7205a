/** One level of a store: chunks out of its shards, by ranges; see docs/reference/store-format.md. */

import { isSealed } from "./bytes.js";
import { pathOf, range } from "./ranges.js";
import { DAMAGED, SourceError } from "./source.js";

const MOST_INDEXES = 256;
const GAP_BYTES = 4096; // ranges that lie nearer are fetched as one
const ABSENT = 0xffffffff;

export class ShardedLevel {
  /** @param {string} store Its folder's name. @param {object} part Of the archive of a scene. */
  constructor(store, part) {
    this.store = store;
    [this.chunkWidth, this.chunkHeight] = part.chunk;
    [this.columns, this.rows] = part.chunks;
    [this.across, this.down] = part.shard;
    this.level = part.level;
    this.sizes = new Map(Object.entries(part.sizes));
    this.indexes = new Map();
  }

  /** The length of a shard's file; undefined where the store lists none. */
  sizeOf(shard) {
    return this.sizes.get(shard);
  }

  /** Where a chunk is: its shard, and its place in it. */
  placeOf(column, row) {
    const [x, y] = [Math.floor(column / this.across), Math.floor(row / this.down)];
    const place = (row - y * this.down) * this.across + (column - x * this.across);
    return { shard: `${x}/${y}`, place };
  }

  path(shard) {
    const [column, row] = shard.split("/");
    return pathOf(this.store, String(this.level), "c", "0", row, column);
  }

  /** The index of a shard: offsets and lengths by place. */
  index(shard) {
    let found = this.indexes.get(shard);
    if (!found) {
      found = this.#fetchIndex(shard);
      found.catch(() => this.indexes.delete(shard)); // it is asked for again
      this.indexes.set(shard, found);
      if (this.indexes.size > MOST_INDEXES) this.indexes.delete(this.indexes.keys().next().value);
    }
    return found;
  }

  async #fetchIndex(shard) {
    const size = this.sizeOf(shard);
    const count = this.across * this.down;
    const length = 16 * count + 4;
    const room = size - length;
    if (room < 0) throw this.#damaged(shard, "is too short");
    const bytes = await range(this.path(shard), size, room, size);
    if (!isSealed(bytes)) throw this.#damaged(shard, "has a damaged index");
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const entries = new Float64Array(2 * count);
    for (let i = 0; i < 2 * count; i += 1) {
      const [low, high] = [view.getUint32(8 * i, true), view.getUint32(8 * i + 4, true)];
      entries[i] = low === ABSENT && high === ABSENT ? -1 : low + high * 2 ** 32;
    }
    for (let i = 0; i < count; i += 1) {
      const [offset, bytesThere] = [entries[2 * i], entries[2 * i + 1]];
      if (offset < 0 && bytesThere < 0) entries[2 * i + 1] = 0;
      else if (offset + bytesThere > room) throw this.#damaged(shard, "has an index that reaches beyond it");
    }
    return entries;
  }

  #damaged(shard, what) {
    return new SourceError(`The shard ${this.path(shard)} ${what}.`, DAMAGED);
  }

  /** The stored length of a chunk; 0 where it is absent. */
  async lengthOf(column, row) {
    const { shard, place } = this.placeOf(column, row);
    if (this.sizeOf(shard) === undefined) return 0;
    return (await this.index(shard))[2 * place + 1];
  }

  /**
   * Return chunks by "column/row": their bytes, null where absent, or a SourceError.
   *
   * Those of a shard that lie together, as along a Z curve, are fetched at once.
   */
  async chunks(cells, signal) {
    const found = new Map();
    const shards = new Map();
    for (const [column, row] of cells) {
      const { shard, place } = this.placeOf(column, row);
      if (this.sizeOf(shard) === undefined) found.set(`${column}/${row}`, null);
      else shards.set(shard, [...(shards.get(shard) ?? []), { key: `${column}/${row}`, place }]);
    }
    await Promise.all([...shards].map((each) => this.#ofShard(...each, found, signal)));
    return found;
  }

  async #ofShard(shard, wanted, found, signal) {
    let index;
    try {
      index = await this.index(shard);
    } catch (error) {
      if (error.state !== DAMAGED) throw error;
      for (const { key } of wanted) found.set(key, error);
      return;
    }
    const there = [];
    for (const { key, place } of wanted) {
      const [from, length] = [index[2 * place], index[2 * place + 1]];
      if (length > 0) there.push({ key, from, until: from + length });
      else found.set(key, null);
    }
    there.sort((a, b) => a.from - b.from);
    const spans = [];
    for (const each of there) {
      const last = spans.at(-1);
      if (last && each.from - last.until <= GAP_BYTES) {
        last.until = Math.max(last.until, each.until);
        last.chunks.push(each);
      } else spans.push({ from: each.from, until: each.until, chunks: [each] });
    }
    await Promise.all(
      spans.map(async ({ from, until, chunks }) => {
        let bytes;
        try {
          bytes = await range(this.path(shard), this.sizeOf(shard), from, until, { signal });
        } catch (error) {
          if (error.state !== DAMAGED) throw error;
          for (const { key } of chunks) found.set(key, error);
          return;
        }
        for (const { key, from: at, until: end } of chunks) {
          const chunk = bytes.subarray(at - from, end - from);
          const words = `The chunk ${key} of level ${this.level} is damaged: its checksum does not fit.`;
          found.set(key, isSealed(chunk) ? chunk.subarray(0, -4) : new SourceError(words, DAMAGED));
        }
      }),
    );
  }
}
