/** The picture, drawn by OpenSeadragon from the tiles of a source. */

import OpenSeadragon from "openseadragon";

import { DAMAGED, GONE } from "./source.js";

// A tile that is not stored is no failure: the coarser level is seen there.
const NOT_STORED = "not stored";
OpenSeadragon.console = {
  ...Object.fromEntries(
    ["log", "debug", "info", "assert"].map((name) => [name, (...a) => console[name](...a)]),
  ),
  error: (...a) => (a.includes(NOT_STORED) ? undefined : console.error(...a)),
  // One that arrives when its picture has been closed is none, either.
  warn: (...a) => (String(a[0]).startsWith("Ignoring tile") ? undefined : console.warn(...a)),
};

/** Return the deep-zoom source of a scene: powers of two, each drawn from the level nearest to it. */
function tileSource(scene, source, onTrouble) {
  const [width, height] = scene.size;
  const scales = scene.levels.map(({ downsample: [x, y] }) => (x + y) / 2);
  const maxLevel = Math.max(0, Math.ceil(Math.log2(scales.at(-1)) - 0.5));
  // Of each power of two the coarsest level that is not much coarser.
  const rungs = Array.from({ length: maxLevel + 1 }, (_, z) => {
    const wanted = 2 ** (maxLevel - z) * Math.SQRT2;
    return Math.max(0, scales.findLastIndex((scale) => scale <= wanted));
  });
  const level = (z) => scene.levels[rungs[z]];
  const zoom = new OpenSeadragon.TileSource({
    width, height, tileSize: 512, minLevel: 0, maxLevel,
  });
  zoom.getLevelScale = (z) => 1 / scales[rungs[z]];
  zoom.getTileWidth = (z) => level(z).tile[0];
  zoom.getTileHeight = (z) => level(z).tile[1];
  zoom.getNumTiles = (z) => {
    const { width: w, height: h, tile } = level(z);
    return new OpenSeadragon.Point(Math.ceil(w / tile[0]), Math.ceil(h / tile[1]));
  };
  // Powers of two, whatever the levels are: by it the level that is drawn is chosen.
  zoom.getPixelRatio = (z) => {
    const scale = 2 ** (maxLevel - z);
    return new OpenSeadragon.Point(scale / width, scale / height);
  };
  zoom.getTileAtPoint = (z, point) => {
    const { downsample, tile } = level(z);
    const { x: columns, y: rows } = zoom.getNumTiles(z);
    const column = Math.floor((point.x * width) / (downsample[0] * tile[0]));
    const row = Math.floor((point.y * width) / (downsample[1] * tile[1]));
    return new OpenSeadragon.Point(
      Math.min(columns - 1, Math.max(0, column)),
      Math.min(rows - 1, Math.max(0, row)),
    );
  };
  zoom.getTileBounds = (z, column, row, isSource) => {
    const { width: w, height: h, tile, downsample } = level(z);
    const [x, y] = [column * tile[0], row * tile[1]];
    const [across, down] = [Math.min(tile[0], w - x), Math.min(tile[1], h - y)];
    if (isSource) return new OpenSeadragon.Rect(0, 0, across, down);
    const [sx, sy] = [downsample[0] / width, downsample[1] / width];
    return new OpenSeadragon.Rect(x * sx, y * sy, across * sx, down * sy);
  };
  zoom.getTileUrl = (z, column, row) => `${rungs[z]}/${column}/${row}`;
  zoom.getTileCacheDataAsContext2D = undefined;
  zoom.downloadTileStart = (job) => {
    const abort = new AbortController();
    job.userData.abort = abort;
    const [rung, column, row] = job.src.split("/").map(Number);
    bitmapOf(scene, source, rung, column, row, onTrouble, abort.signal).then(
      (bitmap) => {
        if (bitmap === null) job.fail(NOT_STORED, null);
        else job.finish(bitmap, null, "imageBitmap");
      },
      () => job.fail(NOT_STORED, null),
    );
  };
  zoom.downloadTileAbort = (job) => job.userData.abort?.abort();
  return zoom;
}

/**
 * Return a tile as a bitmap; null where nothing is stored. In the place of damaged pixels there is
 * one that marks them, so that they are never taken for glass.
 */
export async function bitmapOf(scene, source, rung, column, row, onTrouble, signal) {
  try {
    const blob = await source.tile(rung, column, row, signal);
    if (blob === null) return null;
    return await createImageBitmap(blob, { colorSpaceConversion: "none" }).catch(() => {
      onTrouble(DAMAGED, `The tile at level ${rung}, column ${column}, row ${row} is no picture.`);
      return marked(scene.levels[rung]);
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    onTrouble(error.state, error.message);
    if (error.state !== DAMAGED) throw error;
    return marked(scene.levels[rung]);
  }
}

/** Red stripes of a tile's size. */
function marked({ tile: [width, height] }) {
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#ffe1e1";
  pen.fillRect(0, 0, width, height);
  pen.strokeStyle = "#c80000";
  pen.lineWidth = 8;
  for (let x = -height; x < width; x += 32) {
    pen.beginPath();
    pen.moveTo(x, height);
    pen.lineTo(x + height, 0);
    pen.stroke();
  }
  return canvas.transferToImageBitmap();
}

/** Show a scene's picture in an element; return OpenSeadragon's viewer. */
export function openPicture(element, scene, source, onTrouble) {
  // OpenSeadragon would add a style of its own, which the page's policy forbids, unless it is there:
  // so there is an element of that name that is no style of HTML's.
  const mark = "data-openseadragon-mobile-css";
  if (!document.querySelector(`style[${mark}]`)) {
    const stand = document.createElementNS("urn:slidetile", "style");
    stand.setAttribute(mark, "");
    document.head.append(stand);
  }
  const trouble = (state, words) => onTrouble(state === GONE ? GONE : (state ?? "failed"), words);
  return new OpenSeadragon.Viewer({
    element,
    tileSources: [tileSource(scene, source, trouble)],
    drawer: "canvas",
    crossOriginPolicy: false,
    showNavigationControl: false,
    showNavigator: false,
    imageLoaderLimit: 6,
    timeout: 120000,
    maxImageCacheCount: 300,
    maxZoomPixelRatio: 8,
    minZoomImageRatio: 0.8,
    visibilityRatio: 0.2,
    animationTime: 0.4,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    gestureSettingsTouch: { dblTapToZoom: true },
  });
}
