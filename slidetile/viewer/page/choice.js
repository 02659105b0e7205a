/**
 * Which tiles are kept: a least and a most value of any column, as `store.select` compares them.
 *
 * Values of float32 are compared as doubles, here and in pyarrow; a missing one is neither above
 * nor below anything, so it is dropped by every filter of its column.
 */

export class Choice {
  /** @param {TileTable} table */
  constructor(table) {
    this.table = table;
    this.filters = new Map();
    this.kept = new Uint8Array(table.count).fill(1);
    this.update();
  }

  /** Set the limits of a column; null is none. */
  set(name, least, most) {
    if (least === null && most === null) this.filters.delete(name);
    else this.filters.set(name, { least, most });
    this.update();
  }

  clear() {
    this.filters.clear();
    this.update();
  }

  /** Compute which tiles are kept, and what each filter drops. */
  update() {
    const { table, kept } = this;
    const active = [...this.filters].map(([name, { least, most }]) => ({
      name,
      data: table.values.get(name).data,
      least: least ?? -Infinity,
      most: most ?? Infinity,
      drops: 0,
      alone: 0,
    }));
    let count = 0;
    for (let i = 0; i < table.count; i += 1) {
      let failed = 0;
      let last = null;
      for (const filter of active) {
        const value = filter.data[i];
        if (value >= filter.least && value <= filter.most) continue;
        filter.drops += 1;
        failed += 1;
        last = filter;
      }
      if (failed === 1) last.alone += 1;
      kept[i] = failed === 0 ? 1 : 0;
      count += kept[i];
    }
    this.count = count;
    this.drops = new Map(active.map(({ name, drops, alone }) => [name, { drops, alone }]));
  }

  /** The area of the kept tiles inside the slide, and of the tissue in them, in level-0 pixels. */
  area() {
    const { table, kept } = this;
    const fractions = table.values.get("tissue_fraction")?.data;
    let px = 0;
    let tissue = fractions ? 0 : null;
    for (let i = 0; i < table.count; i += 1) {
      if (!kept[i]) continue;
      const { width, height } = table.region(i);
      px += width * height;
      if (fractions) tissue += width * height * fractions[i];
    }
    return { px, tissue };
  }

  /** What is typed in Python to get the kept tiles of a store. */
  python() {
    const terms = [];
    for (const [name, { least, most }] of this.filters) {
      const field = `pc.field(${JSON.stringify(name)})`;
      // pyarrow may compare whole numbers with a fraction as float32, which holds few of them.
      const { isWhole } = this.table.values.get(name);
      const [above, below] = isWhole ? [whole(Math.ceil(least)), whole(Math.floor(most))] : [literal(least), literal(most)];
      if (least !== null) terms.push(`(${field} >= ${above})`);
      if (most !== null) terms.push(`(${field} <= ${below})`);
    }
    if (!terms.length) return "store.select(range(len(store)))";
    return `store.select(${terms.length === 1 ? terms[0].slice(1, -1) : terms.join(" & ")})`;
  }

  /** What is typed after `slidetile tile` to store only these, and which columns it cannot say. */
  options() {
    const name = "tissue_fraction";
    const { least = null } = this.filters.get(name) ?? {};
    const unsaid = [...this.filters].filter(([each, { most }]) => each !== name || most !== null).map(([each]) => each);
    // One that drops nothing is not said: it would bring tiles that the store does not have.
    const isSaid = least !== null && this.drops.get(name).drops > 0;
    return { text: isSaid ? `--min-tissue-fraction ${literal(this.#between(name, least))}` : "", unsaid };
  }

  /**
   * Return a limit that parts the numbers behind a column's values as a least value parts these.
   *
   * A plan compares doubles, of which the table has the nearest float32.
   */
  #between(name, least) {
    const { data, type } = this.table.values.get(name);
    if (type !== "f4") return least;
    let [below, above] = [-Infinity, Infinity];
    for (const value of data) {
      if (value < least) below = Math.max(below, value);
      else if (value >= least) above = Math.min(above, value);
    }
    if (halfway(below, 1) >= least) return halfway(below, 1);
    return halfway(above, -1) < least ? halfway(above, -1) : least;
  }
}

/** Return the number between a positive float32 and the next one, above (1) or below (-1) it. */
function halfway(value, step) {
  if (!(value > 0 && value < Infinity)) return value;
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  return (value + new Float32Array(Uint32Array.of(bits[0] + step).buffer)[0]) / 2;
}

/** Of larger whole numbers float32 skips some, so pyarrow refuses to compare its columns with them. */
const LARGEST_WHOLE = 2 ** 24;

/** A number as Python reads it back to the same double. */
function literal(value) {
  const text = String(value);
  const isFloat = Math.abs(value) > LARGEST_WHOLE && /^-?\d+$/.test(text);
  return isFloat ? `${text}.0` : text;
}

/** A whole number as Python reads it; none of a column is beyond these ends. */
function whole(value) {
  return String(Math.min(Number.MAX_SAFE_INTEGER, Math.max(Number.MIN_SAFE_INTEGER, value)));
}
