/** What lies over the picture: each layer is switched on and off, and tiles are coloured by a column. */

import { RAMP } from "./colours.js";
import { make, told } from "./dom.js";
import { COLOURS } from "./overlay.js";

const MOST_CLASSES = 20; // of which the legend tells

export class Layers {
  /**
   * @param {object[]} areas What somebody drew.
   * @param {(name: string, isShown: boolean) => void} onShown Told when a layer is switched.
   * @param {() => void} onColour Told when another column is chosen.
   */
  constructor(areas, onShown, onColour) {
    const box = (name, label, colour) => {
      const sample = make("i");
      sample.style.color = colour;
      const onchange = ({ target }) => onShown(name, target.checked);
      return make("label", {}, make("input", { type: "checkbox", checked: true, name, onchange }), sample, label);
    };
    const boxes = [box("outlines", "tissue", COLOURS.outline), box("tiles", "tiles", COLOURS.grid)];
    if (areas.length) boxes.push(box("areas", "annotations", COLOURS.area));
    this.colours = make("select", { "aria-label": "colour tiles by", onchange: onColour });
    this.ramp = make("canvas", { width: 256, height: 1, hidden: true, className: "ramp" });
    this.limits = make("span", { className: "limits" });
    const by = make("label", { className: "by" }, "colour by ", this.colours);
    this.element = make("section", { className: "layers" }, ...boxes, by, this.ramp, this.limits, ...legendOf(areas));
  }

  /** Offer the columns of a table; the one that was chosen stays, or the table's own is chosen. */
  offer(table) {
    const chosen = this.colours.value || table?.colour;
    const names = [...(table?.values.values() ?? [])]
      .filter((column) => column.limits !== null)
      .map((column) => column.name);
    this.colours.replaceChildren(
      ...["", ...names].map((name) => make("option", { value: name }, name || "nothing")),
    );
    this.colours.value = names.includes(chosen) ? chosen : "";
    this.colours.parentElement.hidden = !names.length;
  }

  /** The column of a table that tiles are coloured by; null where there is none. Its colours are told. */
  colour(table) {
    const column = table?.values.get(this.colours.value) ?? null;
    this.ramp.hidden = this.limits.hidden = column === null;
    if (column === null) return null;
    const pen = this.ramp.getContext("2d");
    RAMP.forEach((colour, x) => {
      pen.fillStyle = `rgb(${colour.join(" ")})`;
      pen.fillRect(x, 0, 1, 1);
    });
    this.limits.textContent = column.limits.map(told).join(" – ");
    return column;
  }
}

function legendOf(areas) {
  const classes = [...new Set(areas.map((area) => area.class || "without a class"))];
  const words = `drawn: ${classes.slice(0, MOST_CLASSES).join(", ")}`;
  return classes.length ? [make("p", { className: "limits" }, words)] : [];
}
