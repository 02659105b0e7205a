/** A bar that says how long something is; none where mpp is unknown. */

import { make } from "./dom.js";

const LONGEST_PX = 160;

/** Return the longest of 1, 2 and 5 times a power of ten that is not longer. */
function rounded(um) {
  const power = 10 ** Math.floor(Math.log10(um));
  return [5, 2, 1].find((factor) => factor * power <= um) * power;
}

/** Keep a bar of a picture right; `overlay` says where the picture is. */
export function scaleBar(element, overlay, mpp) {
  const label = make("span");
  const bar = make("div", { className: "scale", hidden: mpp === null }, label);
  element.append(bar);
  return () => {
    if (mpp === null || !overlay.at) return;
    const umPerPx = mpp[0] / (overlay.at.scale / overlay.at.ratio);
    if (!(umPerPx > 0)) return;
    const um = rounded(LONGEST_PX * umPerPx);
    bar.style.width = `${um / umPerPx}px`;
    label.textContent = um >= 1000 ? `${um / 1000} mm` : `${Number(um.toPrecision(3))} µm`;
  };
}
