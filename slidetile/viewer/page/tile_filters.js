/** Sliders over the tiles of all slides of a folder: how many of each they keep. */

import { make } from "./dom.js";
import { Quantiles, keptTogether, rangeText } from "./quantiles.js";
import { rangeSlider } from "./sliders.js";

/**
 * Sliders over the columns of the tile tables of all slides.
 *
 * @param {object[]} slides As slidetile/viewer/cards/cards.py makes them.
 * @param {() => void} choose Is called when one was moved.
 */
export function tileFilters(slides, choose) {
  const columns = new Map(
    slides.map((slide) => [slide, new Map(slide.tile_columns.map((each) => [each.name, new Quantiles(each)]))]),
  );
  const filters = new Map();
  const found = new Map();
  for (const own of columns.values()) {
    for (const [name, { limits, isWhole }] of own) {
      if (limits === null) continue;
      const before = found.get(name);
      if (before === undefined) found.set(name, { name, limits, isWhole });
      else {
        before.limits = [Math.min(before.limits[0], limits[0]), Math.max(before.limits[1], limits[1])];
        before.isWhole &&= isWhole;
      }
    }
  }
  const sliders = [...found.values()].filter(({ limits: [least, most] }) => least < most).map((column) => {
    const slider = rangeSlider(column, (least, most) => {
      if (least === null && most === null) filters.delete(column.name);
      else filters.set(column.name, { least, most, slider });
      choose();
    });
    slider.element.dataset.column = `tiles.${column.name}`;
    return slider;
  });
  const ofFilter = (slide, name, { least, most }) => columns.get(slide).get(name)?.kept(least, most) ?? [0, 0];
  /** Between how many and how many tiles of a slide are kept; null where nothing is chosen. */
  const keptOf = (slide) =>
    filters.size && slide.numbers.tiles !== null
      ? keptTogether(slide.numbers.tiles, [...filters].map((each) => ofFilter(slide, ...each)))
      : null;
  const isKept = (slide) => slide.numbers.tiles === null || keptOf(slide) === null || keptOf(slide)[1] > 0;
  return {
    keptOf,
    keepsAny: isKept,
    clear() {
      filters.clear();
      for (const slider of sliders) slider.clear();
    },
    tell() {
      for (const slider of sliders) slider.tell("");
      for (const [name, filter] of filters) {
        const drops = slides.reduce(
          ([low, high], slide) => {
            const count = slide.numbers.tiles ?? 0;
            const [least, most] = ofFilter(slide, name, filter);
            return [low + Math.max(0, count - most), high + Math.max(0, count - least)];
          },
          [0, 0],
        );
        filter.slider.tell(`drops ${rangeText(drops)} tiles`);
      }
    },
    countText(kept) {
      if (!filters.size) return null;
      const sums = kept.reduce(
        ([low, high], slide) => {
          const [least, most] = keptOf(slide) ?? [0, 0];
          return [low + least, high + most];
        },
        [0, 0],
      );
      const all = slides.reduce((sum, { numbers }) => sum + (numbers.tiles ?? 0), 0);
      return `${rangeText(sums)} of ${all.toLocaleString("en")} tiles`;
    },
    elements: sliders.length ? [make("h2", {}, "Choose tiles"), ...sliders.map(({ element }) => element)] : [],
  };
}
