/** What lies over the picture: outlines, drawn areas and tiles. Only what is visible is drawn. */

import OpenSeadragon from "openseadragon";

import { RAMP, stepsOf } from "./colours.js";

const { Point } = OpenSeadragon;

const LEAST_CELL_PX = 6; // smaller tiles are filled pixel by pixel, in one pass over those in view
export const COLOURS = {
  outline: "rgb(0 160 70)", area: "rgb(200 60 200)", grid: "rgb(30 90 255)",
  dropped: "rgb(120 120 120 / 55%)", unreadable: [220, 0, 0], chosen: "rgb(255 200 0)",
};

/** The bounds of a ring of x, y, x, y, … */
function boundsOf(ring) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < ring.length; i += 2) {
    left = Math.min(left, ring[i]);
    right = Math.max(right, ring[i]);
    top = Math.min(top, ring[i + 1]);
    bottom = Math.max(bottom, ring[i + 1]);
  }
  return { left, top, right, bottom };
}

function bounded(rings) {
  return rings.map((ring) => ({ ring, ...boundsOf(ring) }));
}

export class Overlay {
  /** @param {OpenSeadragon.Viewer} viewer @param {[number, number]} size of level 0 */
  constructor(viewer, size) {
    this.viewer = viewer;
    this.size = size;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "overlay";
    viewer.canvas.append(this.canvas);
    this.pen = this.canvas.getContext("2d");
    this.shows = { outlines: true, tiles: true, areas: true };
    this.outlines = [];
    this.areas = [];
    this.table = this.choice = this.steps = null;
    this.chosen = -1;
    this.drawnTiles = 0;
    for (const event of ["update-viewport", "animation", "resize", "open"]) {
      viewer.addHandler(event, () => this.redraw());
    }
  }

  setOutlines(rings) {
    this.outlines = bounded(rings);
    this.redraw();
  }

  setAreas(areas) {
    this.areas = bounded(areas.flatMap((area) => area.rings));
    this.redraw();
  }

  setTiles(table, choice) {
    [this.table, this.choice, this.chosen] = [table, choice, -1];
    this.redraw();
  }

  /** Colour tiles by a column; null is by none. */
  colourBy(column) {
    this.steps = column === null ? null : stepsOf(column);
    this.redraw();
  }

  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  /** Where level 0 is on the screen: pixels of the canvas per pixel, and its corner. */
  place() {
    const { viewport } = this.viewer;
    const ratio = globalThis.devicePixelRatio || 1;
    const corner = viewport.pixelFromPointNoRotate(new Point(0, 0), true);
    const right = viewport.pixelFromPointNoRotate(new Point(1, 0), true);
    const scale = ((right.x - corner.x) / this.size[0]) * ratio;
    return { scale, x: corner.x * ratio, y: corner.y * ratio, ratio };
  }

  draw() {
    const { canvas, pen } = this;
    const { scale, x, y, ratio } = (this.at = this.place());
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (!(scale > 0) || !width || !height) return;
    const view = {
      left: -x / scale, top: -y / scale,
      right: (width - x) / scale, bottom: (height - y) / scale,
    };
    this.drawnTiles = 0;
    if (this.table && this.shows.tiles) {
      if (this.table.size * scale < LEAST_CELL_PX * ratio) this.#fillTiles(view);
      else this.#drawTiles(view, ratio);
    }
    if (this.shows.areas) this.#drawRings(this.areas, view, COLOURS.area, 2.5 * ratio);
    if (this.shows.outlines) this.#drawRings(this.outlines, view, COLOURS.outline, 2 * ratio);
    this.#drawChosen(ratio);
    this.onDrawn?.();
  }

  #drawRings(rings, view, colour, width) {
    const { pen, at } = this;
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    for (const { ring, left, top, right, bottom } of rings) {
      if (right < view.left || left > view.right || bottom < view.top || top > view.bottom) continue;
      pen.moveTo(at.x + ring[0] * at.scale, at.y + ring[1] * at.scale);
      for (let i = 2; i < ring.length; i += 2) {
        pen.lineTo(at.x + ring[i] * at.scale, at.y + ring[i + 1] * at.scale);
      }
      pen.closePath();
    }
    pen.stroke();
  }

  /** Draw tiles as rectangles. */
  #drawTiles(view, ratio) {
    const { pen, table, at, steps } = this;
    const { kept } = this.choice;
    const { unreadable } = table;
    pen.lineWidth = ratio;
    for (const [from, until] of table.runsIn(view.left, view.top, view.right, view.bottom)) {
      for (let i = from; i < until; i += 1) {
        const tile = table.region(i);
        const left = Math.round(at.x + tile.x * at.scale) + 0.5;
        const top = Math.round(at.y + tile.y * at.scale) + 0.5;
        const across = Math.max(1, tile.width * at.scale - 1);
        const down = Math.max(1, tile.height * at.scale - 1);
        this.drawnTiles += 1;
        const fill = this.#fillOf(i, kept, unreadable, steps);
        if (fill !== null) {
          pen.fillStyle = fill;
          pen.fillRect(left, top, across, down);
        }
        pen.strokeStyle = kept[i] ? COLOURS.grid : COLOURS.dropped;
        pen.strokeRect(left, top, across, down);
      }
    }
  }

  #fillOf(i, kept, unreadable, steps) {
    if (unreadable?.[i]) return `rgb(${COLOURS.unreadable.join(" ")} / 60%)`;
    if (!kept[i]) return "rgb(255 255 255 / 55%)";
    if (steps === null) return null;
    return steps[i] < 0 ? "rgb(128 128 128 / 35%)" : `rgb(${RAMP[steps[i]].join(" ")} / 45%)`;
  }

  /** Fill the pixels of tiles that are too small to have edges. */
  #fillTiles(view) {
    const { pen, table, at, steps, canvas } = this;
    const { kept } = this.choice;
    const image = pen.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    const shade = ([red, green, blue], alpha) =>
      ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0; // little-endian, as browsers are
    const ramp = RAMP.map((colour) => shade(colour, 120));
    const [plain, missing] = [shade([30, 90, 255], 70), shade([128, 128, 128], 90)];
    const [dropped, red] = [shade([255, 255, 255], 150), shade(COLOURS.unreadable, 200)];
    const { size } = table;
    const side = size * at.scale;
    for (const [from, until] of table.runsIn(view.left, view.top, view.right, view.bottom)) {
      if (from === until) continue;
      const y = at.y + table.top(table.rows[from]) * at.scale;
      const first = Math.max(0, Math.floor(y));
      const last = Math.min(canvas.height, Math.max(Math.floor(y) + 1, Math.floor(y + side)));
      for (let i = from; i < until; i += 1) {
        const x = at.x + table.left(table.columns[i]) * at.scale;
        const left = Math.max(0, Math.floor(x));
        const right = Math.min(canvas.width, Math.max(Math.floor(x) + 1, Math.floor(x + side)));
        let value = plain;
        if (table.unreadable?.[i]) value = red;
        else if (!kept[i]) value = dropped;
        else if (steps !== null) value = steps[i] < 0 ? missing : ramp[steps[i]];
        for (let row = first; row < last; row += 1) {
          pixels.fill(value, row * canvas.width + left, row * canvas.width + Math.max(left, right));
        }
      }
      this.drawnTiles += until - from;
    }
    pen.putImageData(image, 0, 0);
  }

  #drawChosen(ratio) {
    if (this.chosen < 0 || !this.table) return;
    const { pen, at } = this;
    const tile = this.table.region(this.chosen);
    pen.strokeStyle = COLOURS.chosen;
    pen.lineWidth = 3 * ratio;
    pen.strokeRect(
      at.x + tile.x * at.scale, at.y + tile.y * at.scale,
      tile.width * at.scale, tile.height * at.scale,
    );
  }
}
