/** Sliders: a range between two numbers, and a single number; each by mouse, keys and typing. */

import { make, told } from "./dom.js";

const POSITIONS = 1000;

/** The decimals that a position of a slider between limits needs. */
function decimalsOf(least, most) {
  return Math.min(9, Math.max(0, Math.ceil(Math.log10(POSITIONS / (most - least || 1)))));
}

/**
 * A least and a most value of a column; an end that is not moved is no filter.
 *
 * @param {object} column Of a TileTable.
 * @param {(least: number|null, most: number|null) => void} onChange
 */
export function rangeSlider(column, onChange) {
  const [from, until] = column.limits;
  const decimals = column.isWhole ? 0 : decimalsOf(from, until);
  const limits = { least: null, most: null };
  const valueAt = (position) =>
    Number((from + ((until - from) * position) / POSITIONS).toFixed(decimals));
  const positionOf = (value) =>
    until > from ? Math.round(((value - from) / (until - from)) * POSITIONS) : 0;

  const end = (which, name, idle) => {
    const slider = make("input", {
      type: "range", min: 0, max: POSITIONS, value: idle, className: which,
      "aria-label": `${name} ${column.name}`,
    });
    const typed = make("input", {
      type: "number", step: "any", placeholder: told(which === "least" ? from : until),
      "aria-label": `${name} ${column.name}, typed`,
    });
    const set = (value) => {
      limits[which] = value;
      onChange(limits.least, limits.most);
    };
    slider.addEventListener("input", () => {
      const position = Number(slider.value);
      const value = position === idle ? null : valueAt(position);
      typed.value = value === null ? "" : String(value);
      set(value);
    });
    typed.addEventListener("input", () => {
      const value = typed.value === "" ? null : typed.valueAsNumber;
      slider.value = value === null ? idle : positionOf(value);
      set(Number.isNaN(value) ? null : value);
    });
    const clear = () => {
      [limits[which], slider.value, typed.value] = [null, idle, ""];
    };
    return { slider, typed, clear };
  };

  const ends = [end("least", "least", 0), end("most", "most", POSITIONS)];
  const drops = make("output", { className: "drops" });
  const element = make(
    "fieldset",
    { className: "filter" },
    make("legend", {}, column.name),
    ...ends.map(({ slider }) => slider),
    make("div", { className: "typed" }, ends[0].typed, "–", ends[1].typed, drops),
  );
  element.dataset.column = column.name;
  return {
    element,
    clear: () => ends.forEach((each) => each.clear()),
    tell: (text) => (drops.textContent = text),
  };
}

/**
 * A setting of a plan.
 *
 * @param {object} setting As in the scene's JSON.
 * @param {(value: number) => void} onChange
 */
export function settingSlider(setting, onChange) {
  const { name, label, least, most, step, unit } = setting;
  const { value } = setting; // set after the step, to which a slider rounds it
  const limits = { min: least, max: most };
  const slider = make("input", { type: "range", ...limits, step, value, "aria-label": label });
  const typed = make("input", { type: "number", ...limits, step: "any", value, "aria-label": `${label}, typed` });
  const element = make(
    "fieldset",
    { className: "setting" },
    make("legend", {}, label),
    slider,
    make("div", { className: "typed" }, typed, unit),
  );
  element.dataset.setting = name;
  slider.addEventListener("input", () => {
    typed.value = slider.value;
    onChange(Number(slider.value));
  });
  typed.addEventListener("input", () => {
    if (typed.value === "" || !typed.validity.valid) return;
    slider.value = typed.value;
    onChange(typed.valueAsNumber);
  });
  return element;
}
