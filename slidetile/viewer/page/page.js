/**
 * The page of one slide, plan or store: the picture, what lies over it, and deciding by eye.
 *
 * `show(element, source)` is all that a door needs; see source.js for what a source is.
 */

import { Choice } from "./choice.js";
import { RAMP } from "./colours.js";
import { copy, make, told } from "./dom.js";
import { COLOURS, Overlay } from "./overlay.js";
import { openPicture } from "./picture.js";
import { scaleBar } from "./scale_bar.js";
import { rangeSlider, settingSlider } from "./sliders.js";
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
    this.controls.before(this.tile.element);
    const keepBar = scaleBar(this.stage, this.overlay, scene.mpp);
    this.overlay.onDrawn = keepBar;
    this.overlay.setAreas(scene.areas);
    this.#legendOfAreas();
    this.setOverlay(scene.overlay);
    this.viewer.addHandler("canvas-click", (event) => this.#click(event));
    this.viewer.addOnceHandler("open", () => (element.dataset.state = "open"));
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
    this.counts = make("p", { className: "counts", role: "status" });
    this.hint = make("p", { className: "hint" }, "Click a tile to see it at full resolution, and its row.");
    this.controls = make("section", { className: "controls" });
    const facts = scene.facts.map(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]);
    this.panel = make(
      "aside",
      { className: "panel" },
      make("h1", {}, make("bdi", {}, scene.name)),
      make("p", { className: "kind" }, scene.kind),
      this.notes,
      make("dl", { className: "facts" }, ...facts.flat()),
      this.#layers(),
      this.counts,
      this.hint,
      this.controls,
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

  #layers() {
    const box = (name, label, colour) => {
      const sample = make("i");
      sample.style.color = colour;
      return make(
        "label",
        {},
        make("input", {
          type: "checkbox", checked: true, name,
          onchange: ({ target }) => {
            this.overlay.shows[name] = target.checked;
            this.overlay.redraw();
          },
        }),
        sample,
        label,
      );
    };
    const shown = [box("outlines", "tissue", COLOURS.outline), box("tiles", "tiles", COLOURS.grid)];
    if (this.scene.areas.length) shown.push(box("areas", "annotations", COLOURS.area));
    this.colours = make("select", {
      "aria-label": "colour tiles by",
      onchange: () => this.#colour(),
    });
    this.ramp = make("canvas", { width: 256, height: 1, hidden: true, className: "ramp" });
    this.limits = make("span", { className: "limits" });
    return make(
      "section", { className: "layers" }, ...shown,
      make("label", { className: "by" }, "colour by ", this.colours), this.ramp, this.limits,
    );
  }

  #legendOfAreas() {
    const classes = new Set(this.scene.areas.map((area) => area.class || "without a class"));
    if (classes.size) {
      const words = [...classes].slice(0, 20).join(", ");
      this.panel.querySelector(".layers").append(make("p", { className: "limits" }, `drawn: ${words}`));
    }
  }

  /** Lay an overlay over the picture: at first, and whenever a plan is made anew. */
  setOverlay(overlay) {
    const colour = this.colours.value;
    this.overlay.setOutlines(overlay.outlines);
    this.#note([...overlay.notes, ...overlay.left_out.map((text) => `left out: ${text}`)]);
    this.table = overlay.tiles === null ? null : new TileTable(overlay.tiles, this.scene.size);
    this.choice = this.table && new Choice(this.table);
    this.overlay.setTiles(this.table, this.choice);
    this.tile.show(-1);
    this.hint.hidden = !this.table?.count;
    this.typed = overlay.choice;
    const names = [...(this.table?.values.values() ?? [])]
      .filter((column) => column.limits !== null)
      .map((column) => column.name);
    this.colours.replaceChildren(
      ...["", ...names].map((name) => make("option", { value: name }, name || "nothing")),
    );
    this.colours.value = names.includes(colour) ? colour : "";
    this.colours.parentElement.hidden = !names.length;
    this.#colour();
    if (!this.filters && !this.hasSettings) this.#controls(overlay);
    this.#tell();
  }

  #controls(overlay) {
    const buttons = (...kinds) => {
      this.copies = kinds.map(([label, text]) => ({
        text,
        button: make("button", { type: "button", onclick: ({ target }) => copy(text(), target) }, label),
      }));
      return this.copies.map(({ button }) => button);
    };
    this.expression = make("code", { className: "expression" });
    this.unsaid = make("p", { className: "limits" });
    if (overlay.settings.length) {
      this.hasSettings = true;
      this.settings = Object.fromEntries(overlay.settings.map(({ name, value }) => [name, value]));
      this.controls.append(
        make("h2", {}, "Plan"),
        ...buttons(["copy as Python", () => this.typed.python], ["copy as options", () => this.typed.options]),
        this.expression,
        ...overlay.settings.map((each) =>
          settingSlider(each, (value) => {
            this.settings[each.name] = value;
            this.#replan();
          }),
        ),
      );
      return;
    }
    if (this.scene.kind !== "store" || this.table === null) return;
    this.filters = new Map();
    for (const column of this.table.values.values()) {
      if (column.limits === null) continue;
      const slider = rangeSlider(column, (least, most) => {
        this.choice.set(column.name, least, most);
        this.overlay.redraw();
        this.#tell();
      });
      this.filters.set(column.name, slider);
    }
    this.controls.append(
      make("h2", {}, "Choose tiles"),
      ...buttons(["copy as Python", () => this.choice.python()], ["copy as options", () => this.choice.options().text]),
      make("button", { type: "button", onclick: () => this.#clear() }, "all tiles"),
      this.expression,
      this.unsaid,
      ...[...this.filters.values()].map(({ element }) => element),
    );
  }

  #clear() {
    for (const slider of this.filters.values()) slider.clear();
    this.choice.clear();
    this.overlay.redraw();
    this.#tell();
  }

  /** Make the plan anew; of several changes meanwhile the last counts. */
  async #replan() {
    this.wanted = { ...this.settings };
    if (this.isPlanning) return;
    this.isPlanning = true;
    this.counts.classList.add("old");
    while (this.wanted) {
      const settings = this.wanted;
      this.wanted = null;
      try {
        this.setOverlay(await this.source.replan(settings));
      } catch (error) {
        this.#note([error.message]);
        if (error.state === GONE) this.trouble(error.state, error.message);
      }
    }
    this.isPlanning = false;
    this.counts.classList.remove("old");
  }

  #colour() {
    const column = this.table?.values.get(this.colours.value) ?? null;
    this.overlay.colourBy(column);
    this.ramp.hidden = this.limits.hidden = column === null;
    if (column === null) return;
    const pen = this.ramp.getContext("2d");
    RAMP.forEach((colour, x) => {
      pen.fillStyle = `rgb(${colour.join(" ")})`;
      pen.fillRect(x, 0, 1, 1);
    });
    this.limits.textContent = column.limits.map(told).join(" – ");
  }

  /** Say how many tiles are kept, how large they are, and what each filter drops. */
  #tell() {
    if (this.table === null) {
      this.counts.textContent = "";
      return;
    }
    const { count } = this.choice;
    const { px, tissue } = this.choice.area();
    const of = this.filters ? ` of ${this.table.count.toLocaleString("en")}` : "";
    const tiles = of === "" && count === 1 ? "tile" : "tiles";
    const parts = [`${count.toLocaleString("en")}${of} ${tiles}`, this.#large(px)];
    if (tissue !== null) parts.push(`${this.#large(tissue)} of tissue`);
    this.counts.textContent = parts.join(" · ");
    this.counts.dataset.count = String(count);
    for (const [name, slider] of this.filters ?? []) {
      const found = this.choice.drops.get(name);
      slider.tell(found ? `drops ${found.drops.toLocaleString("en")}, ${found.alone.toLocaleString("en")} alone` : "");
    }
    if (this.filters) {
      const { text, unsaid } = this.choice.options();
      this.expression.textContent = [this.choice.python(), text].filter(Boolean).join("\n");
      this.unsaid.textContent = unsaid.length
        ? `No option of the command line chooses by ${unsaid.join(", ")}.`
        : "";
    } else if (this.hasSettings) {
      this.expression.textContent = [this.typed.python, this.typed.options].filter(Boolean).join("\n");
    }
    for (const { button, text } of this.copies ?? []) {
      button.disabled = text() === "";
      delete button.dataset.copied; // what was copied is not what is seen now
    }
    this.element.dispatchEvent(new Event("told"));
  }

  #large(px) {
    const { mpp } = this.scene;
    if (mpp === null) return `${told(px / 1e6)} Mpx`;
    return `${told((px * mpp[0] * mpp[1]) / 1e6)} mm²`;
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
