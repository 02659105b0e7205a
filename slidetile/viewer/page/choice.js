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
      if (least !== null) terms.push(`(${field} >= ${literal(least)})`);
      if (most !== null) terms.push(`(${field} <= ${literal(most)})`);
    }
    if (!terms.length) return "store.select(range(len(store)))";
    return `store.select(${terms.length === 1 ? terms[0].slice(1, -1) : terms.join(" & ")})`;
  }

  /** What is typed after `slidetile tile` to store only these, and which columns it cannot say. */
  options() {
    const least = this.filters.get("tissue_fraction")?.least ?? null;
    const unsaid = [...this.filters]
      .filter(([name, { most }]) => name !== "tissue_fraction" || most !== null)
      .map(([name]) => name);
    return { text: least === null ? "" : `--min-tissue-fraction ${literal(least)}`, unsaid };
  }
}

/** A number as Python reads it back to the same double. */
function literal(value) {
  return String(value);
}
