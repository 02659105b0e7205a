/** Deciding by eye: sliders over the tiles of a store or the settings of a plan, what they keep, and what is typed for it. */

import { copy, make, told } from "./dom.js";
import { rangeSlider, settingSlider } from "./sliders.js";

export class Deciding {
  /**
   * @param {object} scene What is shown.
   * @param {() => void} onChosen Told when other tiles are kept.
   * @param {(settings: object) => Promise} plan Makes the plan anew; never fails.
   */
  constructor(scene, onChosen, plan) {
    Object.assign(this, { scene, onChosen, plan, filters: null, settings: null, copies: [], isPlanning: false });
    this.counts = make("p", { className: "counts", role: "status" });
    this.element = make("section", { className: "controls" });
    this.expression = make("code", { className: "expression" });
    this.unsaid = make("p", { className: "limits" });
  }

  /** Follow an overlay that was laid over the picture: its tiles, those kept of them, and what is typed for it. */
  follow(overlay, table, choice) {
    Object.assign(this, { table, choice, typed: overlay.choice });
    if (this.filters === null && this.settings === null) {
      if (overlay.settings.length) this.#offerSettings(overlay.settings);
      else if (this.scene.kind === "store" && table !== null) this.#offerFilters(table);
    }
    this.tell();
  }

  #offerSettings(settings) {
    this.settings = Object.fromEntries(settings.map(({ name, value }) => [name, value]));
    const slider = (each) =>
      settingSlider(each, (value) => {
        this.settings[each.name] = value;
        this.#planAnew();
      });
    this.element.append(
      make("h2", {}, "Plan"),
      ...this.#buttons(["copy as Python", () => this.typed.python], ["copy as options", () => this.typed.options]),
      this.expression,
      ...settings.map(slider),
    );
  }

  #offerFilters(table) {
    this.filters = new Map();
    for (const column of table.values.values()) {
      if (column.limits === null) continue;
      const slider = rangeSlider(column, (least, most) => {
        this.choice.set(column.name, least, most);
        this.#chosen();
      });
      this.filters.set(column.name, slider);
    }
    this.element.append(
      make("h2", {}, "Choose tiles"),
      ...this.#buttons(["copy as Python", () => this.choice.python()], ["copy as options", () => this.choice.options().text]),
      make("button", { type: "button", onclick: () => this.#clear() }, "all tiles"),
      this.expression,
      this.unsaid,
      ...[...this.filters.values()].map(({ element }) => element),
    );
  }

  #buttons(...kinds) {
    this.copies = kinds.map(([label, text]) => ({
      text,
      button: make("button", { type: "button", onclick: ({ target }) => copy(text(), target) }, label),
    }));
    return this.copies.map(({ button }) => button);
  }

  #clear() {
    for (const slider of this.filters.values()) slider.clear();
    this.choice.clear();
    this.#chosen();
  }

  #chosen() {
    this.onChosen();
    this.tell();
  }

  /** Make the plan anew; of several changes meanwhile the last counts. */
  async #planAnew() {
    this.wanted = { ...this.settings };
    if (this.isPlanning) return;
    this.isPlanning = true;
    this.counts.classList.add("old");
    while (this.wanted) {
      const settings = this.wanted;
      this.wanted = null;
      await this.plan(settings);
    }
    this.isPlanning = false;
    this.counts.classList.remove("old");
  }

  /** Say how many tiles are kept, how large they are, what each filter drops, and what is typed for it. */
  tell() {
    if (this.table === null) {
      this.counts.textContent = "";
      return;
    }
    this.#tellCounts();
    if (this.filters) this.#tellFilters();
    else if (this.settings) this.#tellTyped(this.typed.python, this.typed.options);
    for (const { button, text } of this.copies) {
      button.disabled = text() === "";
      delete button.dataset.copied; // what was copied is not what is seen now
    }
    this.element.dispatchEvent(new Event("told", { bubbles: true }));
  }

  #tellCounts() {
    const { count } = this.choice;
    const { px, tissue } = this.choice.area();
    const of = this.filters ? ` of ${this.table.count.toLocaleString("en")}` : "";
    const tiles = of === "" && count === 1 ? "tile" : "tiles";
    const parts = [`${count.toLocaleString("en")}${of} ${tiles}`, this.#large(px)];
    if (tissue !== null) parts.push(`${this.#large(tissue)} of tissue`);
    this.counts.textContent = parts.join(" · ");
    this.counts.dataset.count = String(count);
  }

  #tellFilters() {
    for (const [name, slider] of this.filters) {
      const found = this.choice.drops.get(name);
      slider.tell(found ? `drops ${found.drops.toLocaleString("en")}, ${found.alone.toLocaleString("en")} alone` : "");
    }
    const { text, unsaid } = this.choice.options();
    this.#tellTyped(this.choice.python(), text);
    this.unsaid.textContent = unsaid.length ? `No option of the command line chooses by ${unsaid.join(", ")}.` : "";
  }

  #tellTyped(...lines) {
    this.expression.textContent = lines.filter(Boolean).join("\n");
  }

  #large(px) {
    const { mpp } = this.scene;
    if (mpp === null) return `${told(px / 1e6)} Mpx`;
    return `${told((px * mpp[0] * mpp[1]) / 1e6)} mm²`;
  }
}
