/**
 * The page of one slide, plan or store: the picture, what lies over it, and deciding by eye.
 *
 * `show(element, source)` is all that a door needs; see source.js for what a source is.
 */

import { Choice } from "./choice.js";
import { Deciding } from "./deciding.js";
import { make } from "./dom.js";
import { Layers } from "./layers.js";
import { Overlay } from "./overlay.js";
import { openPicture } from "./picture.js";
import { scaleBar } from "./scale_bar.js";
import { GONE, SourceError } from "./source.js";
import { TileTable } from "./table.js";
import { tilePanel } from "./tile_panel.js";

export { SourceError };

const MOST_TROUBLES = 20;

/** Show what a source has in an element; return what ends it. */
export async function show(element, source) {
  element.replaceChildren(make("p", { className: "waiting", role: "status" }, "Opening …"));
  let scene;
  try {
    scene = await source.scene();
  } catch (error) {
    element.replaceChildren(make("p", { className: "failure", role: "alert" }, error.message));
    element.dataset.state = "failed";
    return { close() {} };
  }
  return new Page(element, source, scene);
}

class Page {
  constructor(element, source, scene) {
    this.element = element;
    this.scene = scene;
    this.source = this.#watched(source);
    this.troubles = new Set();
    this.#lay();
    this.viewer = openPicture(this.stage, scene, this.source, (...told) => this.trouble(...told));
    this.overlay = new Overlay(this.viewer, scene.size);
    this.tile = tilePanel(scene, this.source, (...told) => this.trouble(...told));
    this.deciding.element.before(this.tile.element);
    const keepBar = scaleBar(this.stage, this.overlay, scene.mpp);
    this.overlay.onDrawn = keepBar;
    this.overlay.setAreas(scene.areas);
    this.setOverlay(scene.overlay);
    this.viewer.addHandler("canvas-click", (event) => this.#click(event));
    this.viewer.addOnceHandler("open", () => (element.dataset.state = "open"));
  }

  /** Whether the plan is being made anew. */
  get isPlanning() {
    return this.deciding.isPlanning;
  }

  /** The settings of the plan as they are moved. */
  get settings() {
    return this.deciding.settings;
  }

  close() {
    this.viewer.destroy();
    this.element.replaceChildren();
  }

  /** A source that is asked no more once what it shows is gone. */
  #watched(source) {
    const ask = (name) => (...given) =>
      this.isGone
        ? Promise.reject(new SourceError(this.isGone, GONE))
        : source[name](...given);
    return Object.fromEntries(["scene", "tile", "row", "replan"].map((name) => [name, ask(name)]));
  }

  #lay() {
    const { scene } = this;
    this.stage = make("div", { className: "stage" });
    this.notes = make("ul", { className: "notes", role: "status" });
    this.hint = make("p", { className: "hint" }, "Click a tile to see it at full resolution, and its row.");
    this.layers = new Layers(scene.areas, (name, isShown) => this.#switch(name, isShown), () => this.#colour());
    this.deciding = new Deciding(scene, () => this.overlay.redraw(), (settings) => this.#plan(settings));
    const facts = scene.facts.map(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]);
    this.panel = make(
      "aside",
      { className: "panel" },
      make("h1", {}, make("bdi", {}, scene.name)),
      make("p", { className: "kind" }, scene.kind),
      this.notes,
      make("dl", { className: "facts" }, ...facts.flat()),
      this.layers.element,
      this.deciding.counts,
      this.hint,
      this.deciding.element,
    );
    const zoom = (label, by, sign) =>
      make("button", {
        type: "button", title: label, "aria-label": label, textContent: sign,
        onclick: () => (by === null ? this.viewer.viewport.goHome() : this.viewer.viewport.zoomBy(by)),
      });
    this.stage.append(
      make("div", { className: "zoom" }, zoom("zoom in", 1.6, "+"), zoom("zoom out", 1 / 1.6, "−"), zoom("whole slide", null, "⤢")),
    );
    this.element.className = "viewer";
    this.element.replaceChildren(this.stage, this.panel);
  }

  #switch(name, isShown) {
    this.overlay.shows[name] = isShown;
    this.overlay.redraw();
  }

  #colour() {
    this.overlay.colourBy(this.layers.colour(this.table));
  }

  /** Lay an overlay over the picture: at first, and whenever a plan is made anew. */
  setOverlay(overlay) {
    this.overlay.setOutlines(overlay.outlines);
    this.#note([...overlay.notes, ...overlay.left_out.map((text) => `left out: ${text}`)]);
    this.table = overlay.tiles === null ? null : new TileTable(overlay.tiles, this.scene.size);
    this.choice = this.table && new Choice(this.table);
    this.overlay.setTiles(this.table, this.choice);
    this.tile.show(-1);
    this.hint.hidden = !this.table?.count;
    this.layers.offer(this.table);
    this.#colour();
    this.deciding.follow(overlay, this.table, this.choice);
  }

  async #plan(settings) {
    try {
      this.setOverlay(await this.source.replan(settings));
    } catch (error) {
      this.#note([error.message]);
      if (error.state === GONE) this.trouble(error.state, error.message);
    }
  }

  #note(texts) {
    this.notes.replaceChildren(...texts.map((text) => make("li", {}, text)));
    for (const text of this.troubles) this.#addTrouble(text);
  }

  #addTrouble(text) {
    this.notes.append(make("li", { className: "trouble" }, text));
  }

  /** Say that something is damaged, once; and end where what is looked at is gone. */
  trouble(state, text) {
    if (state === GONE && !this.isGone) {
      this.isGone = text;
      this.element.dataset.state = "gone";
      this.stage.append(
        make(
          "div", { className: "gone", role: "alert" }, make("p", {}, text),
          make("button", { type: "button", onclick: () => location.reload() }, "open again"),
        ),
      );
    }
    if (state === GONE || this.troubles.has(text) || this.troubles.size >= MOST_TROUBLES) return;
    this.troubles.add(text);
    this.#addTrouble(text);
  }

  #click(event) {
    if (!event.quick || this.table === null) return;
    const { viewport } = this.viewer;
    const point = viewport.pointFromPixel(event.position, true);
    const [x, y] = [point.x * this.scene.size[0], point.y * this.scene.size[0]];
    this.choose(this.table.at(x, y));
  }

  /** Show a tile by its number; -1 is none. */
  choose(index) {
    this.overlay.chosen = index;
    this.overlay.redraw();
    this.hint.hidden = index >= 0;
    this.tile.show(index, index < 0 ? null : this.table.region(index));
  }
}
