/** The tiles of a scene: where each lies and what is known of it. A million are fine. */

const TYPES = { u1: Uint8Array, i4: Int32Array, f4: Float32Array, f8: Float64Array };

/** Return the typed array that base64 of little-endian numbers holds. */
export function unpacked(text, type) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return new TYPES[type](bytes.buffer);
}

export class TileTable {
  /**
   * @param {object} facts The tiles of an overlay's JSON.
   * @param {[number, number]} size Width and height of level 0.
   */
  constructor(facts, size) {
    [this.width, this.height] = size;
    this.count = facts.count;
    this.size = facts.size;
    this.edge = facts.edge;
    this.colour = facts.colour;
    [this.gridColumns, this.gridRows] = facts.grid;
    this.columns = unpacked(facts.columns, "i4");
    this.rows = unpacked(facts.rows, "i4");
    this.unreadable = facts.unreadable === null ? null : unpacked(facts.unreadable, "u1");
    this.values = new Map(
      facts.values.map((each) => [
        each.name,
        { ...each, data: unpacked(each.data, each.type), isWhole: each.type === "i4" },
      ]),
    );
    this.starts = this.#rowStarts();
  }

  /** The first tile of each row of the grid, and after the last row their number. */
  #rowStarts() {
    const starts = new Int32Array(this.gridRows + 1);
    for (let i = 0; i < this.count; i += 1) starts[this.rows[i] + 1] += 1;
    for (let row = 0; row < this.gridRows; row += 1) starts[row + 1] += starts[row];
    return starts;
  }

  /** The left edge of a column; with the edge "shift" the last one is moved inward. */
  left(column) {
    const x = column * this.size;
    return this.edge === "shift" ? Math.min(x, Math.max(0, this.width - this.size)) : x;
  }

  top(row) {
    const y = row * this.size;
    return this.edge === "shift" ? Math.min(y, Math.max(0, this.height - this.size)) : y;
  }

  /** The part of a tile inside the slide. */
  region(i) {
    const x = this.left(this.columns[i]);
    const y = this.top(this.rows[i]);
    const width = Math.min(this.size, this.width - x);
    const height = Math.min(this.size, this.height - y);
    return { x, y, width, height };
  }

  /** The first tile of a row whose column is not less than one. */
  firstInRow(row, column) {
    let low = this.starts[row];
    let high = this.starts[row + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.columns[middle] < column) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Call with each tile that may meet a rectangle of level-0 pixels. */
  *runsIn(left, top, right, bottom) {
    const shift = this.edge === "shift" ? 1 : 0; // the last ones may begin a cell earlier
    const first = Math.max(0, Math.floor(top / this.size));
    const last = Math.min(this.gridRows - 1, Math.floor(bottom / this.size) + shift);
    const from = Math.max(0, Math.floor(left / this.size));
    const until = Math.min(this.gridColumns - 1, Math.floor(right / this.size) + shift);
    for (let row = first; row <= last; row += 1) {
      yield [this.firstInRow(row, from), this.firstInRow(row, until + 1)];
    }
  }

  /** The tile at a point of level 0; -1 where there is none. */
  at(x, y) {
    for (const [from, until] of this.runsIn(x, y, x, y)) {
      for (let i = from; i < until; i += 1) {
        const tile = this.region(i);
        const isIn = x >= tile.x && x < tile.x + tile.width;
        if (isIn && y >= tile.y && y < tile.y + tile.height) return i;
      }
    }
    return -1;
  }
}
