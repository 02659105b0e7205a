/** A page of cards, one a slide, warnings first; sliders choose among slides, and among their tiles. */

import { make, told } from "./dom.js";
import { rangeText } from "./quantiles.js";
import { rangeSlider } from "./sliders.js";
import { tileFilters } from "./tile_filters.js";

const AT_ONCE = 200;
const LABELS = { tissue_area_mm2: "tissue, mm²", mpp_um: "mpp, µm", tile_bytes: "bytes of tiles", tissue_share: "share of tissue", peak_memory_bytes: "memory, bytes" };

/**
 * Lay cards into an element.
 *
 * @param {HTMLElement} element
 * @param {object[]} slides As slidetile/viewer/cards/cards.py makes them.
 * @param {(slide: object) => {href: string|null, picture: string|null}} linksOf Addresses of ours.
 */
export function showCards(element, slides, linksOf) {
  const grid = make("div", { className: "grid" });
  const counts = make("p", { className: "counts", role: "status" });
  const filters = new Map();
  const names = Object.keys(slides[0]?.numbers ?? {});
  const tiles = tileFilters(slides, () => choose());
  let words = "";
  let onlyWarned = false;
  let kept = slides;

  const sliders = names.flatMap((name) => {
    const known = slides.map(({ numbers }) => numbers[name]).filter((value) => value !== null);
    if (!known.length) return [];
    const limits = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
    if (limits[0] === limits[1]) return [];
    const column = { name: LABELS[name] ?? name.replaceAll("_", " "), limits, isWhole: known.every(Number.isInteger) };
    const slider = rangeSlider(column, (least, most) => {
      if (least === null && most === null) filters.delete(name);
      else filters.set(name, { least, most, slider });
      choose();
    });
    slider.element.dataset.column = name;
    return [slider];
  });

  function choose() {
    const drops = new Map([...filters.keys()].map((name) => [name, 0]));
    kept = slides.filter((slide) => {
      let isIn = words === "" || textOf(slide).includes(words);
      if (onlyWarned && !slide.warnings.length && slide.problem === null) isIn = false;
      for (const [name, { least, most }] of filters) {
        const value = slide.numbers[name];
        if (value !== null && (least === null || value >= least) && (most === null || value <= most)) continue;
        drops.set(name, drops.get(name) + 1);
        isIn = false;
      }
      return isIn && tiles.keepsAny(slide);
    });
    tiles.tell();
    for (const slider of sliders) slider.tell("");
    for (const [name, { slider }] of filters) slider.tell(`drops ${drops.get(name).toLocaleString("en")}`);
    draw();
  }

  function draw() {
    const sum = (name) => kept.reduce((all, { numbers }) => all + (numbers[name] ?? 0), 0);
    const parts = [
      `${kept.length.toLocaleString("en")} of ${slides.length.toLocaleString("en")} slides`,
      tiles.countText(kept) ?? `${sum("tiles").toLocaleString("en")} tiles`,
      `${told(sum("tissue_area_mm2"))} mm² of tissue`,
    ];
    counts.textContent = parts.join(" · ");
    counts.dataset.count = String(kept.length);
    grid.replaceChildren(...kept.slice(0, AT_ONCE).map((slide) => cardOf(slide, linksOf(slide), tiles.keptOf(slide))));
    if (kept.length > AT_ONCE) more(AT_ONCE);
  }

  /** Add further cards when somebody asks for them: thousands at once would be slow. */
  function more(from) {
    const button = make("button", { type: "button", className: "more" }, `${(kept.length - from).toLocaleString("en")} more`);
    button.onclick = () => {
      button.remove();
      grid.append(...kept.slice(from, from + AT_ONCE).map((slide) => cardOf(slide, linksOf(slide), tiles.keptOf(slide))));
      if (kept.length > from + AT_ONCE) more(from + AT_ONCE);
    };
    grid.append(button);
  }

  const search = make("input", {
    type: "search", placeholder: "name, warning, column …", "aria-label": "search",
    oninput: ({ target }) => {
      words = target.value.toLowerCase();
      choose();
    },
  });
  const warned = make("input", {
    type: "checkbox", name: "warned",
    onchange: ({ target }) => {
      onlyWarned = target.checked;
      choose();
    },
  });
  const clear = () => {
    filters.clear();
    for (const slider of sliders) slider.clear();
    tiles.clear();
    choose();
  };
  const panel = make(
    "aside", { className: "panel" },
    make("h1", {}, "Slides"), counts, search,
    make("label", {}, warned, "failures and warnings only"),
    make("h2", {}, "Choose slides"),
    ...sliders.map((slider) => slider.element),
    ...tiles.elements,
    make("button", { type: "button", onclick: clear }, "all slides"),
  );
  element.className = "folder";
  element.replaceChildren(grid, panel);
  element.dataset.state = "cards";
  choose();
}

function textOf({ name, key, status, problem, warnings, columns }) {
  const texts = [name, key, status, problem ?? "", ...warnings.map(({ text }) => text), ...columns.map(({ text }) => text)];
  return texts.join("\n").toLowerCase();
}

function cardOf(slide, { href, picture }, kept) {
  const { numbers } = slide;
  const isNamedSo = slide.name === slide.key || slide.name.startsWith(`${slide.key}.`);
  const facts = [
    !isNamedSo && slide.key,
    numbers.tiles !== null && `${kept === null ? "" : `${rangeText(kept)} of `}${told(numbers.tiles)} tiles`,
    numbers.tissue_area_mm2 !== null && `${told(numbers.tissue_area_mm2)} mm²`,
    numbers.mpp_um !== null && `${told(numbers.mpp_um)} µm`,
    slide.codec,
  ].filter(Boolean);
  const image = picture === null ? make("div", { className: "blank" }) : make("img", { src: picture, loading: "lazy", alt: "" });
  const name = make("bdi", {}, slide.name);
  const isBad = slide.problem !== null;
  const card = make(
    "article", { className: `card${isBad ? " bad" : slide.warnings.length ? " odd" : ""}` },
    href === null ? image : make("a", { href, tabIndex: -1, "aria-hidden": "true" }, image),
    make("h2", {}, href === null ? name : make("a", { href }, name)),
    make("p", { className: "limits" }, facts.map((fact) => (fact === slide.key ? fact : fact.replaceAll(" ", "\u00a0"))).join("\u00a0· ")),
  );
  if (slide.status !== "ok") card.append(make("p", { className: "status" }, slide.status));
  if (isBad) card.append(make("p", { className: "trouble" }, slide.problem));
  for (const { text } of slide.warnings) card.append(make("p", { className: "warning" }, text));
  card.dataset.key = slide.key;
  return card;
}
