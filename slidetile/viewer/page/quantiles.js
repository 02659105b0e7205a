/** How many tiles of a slide a filter keeps, told from a few sorted values of a column. */

import { unpacked } from "./table.js";

/** A column of a slide's tiles, as slidetile/viewer/cards/quantiles.py keeps it. */
export class Quantiles {
  constructor({ known, type, data }) {
    this.known = known;
    this.values = unpacked(data, type);
    this.isWhole = type !== "f4" && type !== "f8";
  }

  get limits() {
    return this.known ? [this.values[0], this.values.at(-1)] : null;
  }

  #rank(i) {
    return Math.floor((i * (this.known - 1)) / Math.max(1, this.values.length - 1));
  }

  /** Between how many and how many values do not pass a test that small ones fail: [least, most]. */
  #before(passes) {
    const i = this.values.findIndex(passes);
    if (i === 0) return [0, 0];
    if (i < 0) return [this.known, this.known];
    return [this.#rank(i - 1) + 1, this.#rank(i)];
  }

  /** Between how many and how many tiles have values from least to most; null is no limit. */
  kept(least, most) {
    if (!this.known) return [0, 0];
    const below = least === null ? [0, 0] : this.#before((value) => value >= least);
    const within = most === null ? [this.known, this.known] : this.#before((value) => value > most);
    return [Math.max(0, within[0] - below[1]), Math.max(0, within[1] - below[0])];
  }
}

/** Between how many and how many of so many tiles several filters keep together. */
export function keptTogether(count, each) {
  const dropped = each.reduce((sum, [least]) => sum + count - least, 0);
  return [Math.max(0, count - dropped), each.reduce((most, [, own]) => Math.min(most, own), count)];
}

/** Such a range as people read it. */
export function rangeText([least, most]) {
  const text = most.toLocaleString("en");
  return least === most ? text : `${least.toLocaleString("en")}–${text}`;
}
