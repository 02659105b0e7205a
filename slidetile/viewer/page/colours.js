/** Colours for numbers: viridis, by nine of its colours. */

const ANCHORS = [
  [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141],
  [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37],
];

export const STEPS = 256;

/** Each step as [red, green, blue]. */
export const RAMP = Array.from({ length: STEPS }, (_, step) => {
  const place = (step / (STEPS - 1)) * (ANCHORS.length - 1);
  const below = Math.min(Math.floor(place), ANCHORS.length - 2);
  return ANCHORS[below].map((part, i) =>
    Math.round(part + (ANCHORS[below + 1][i] - part) * (place - below)),
  );
});

/** Return the step of each value between limits; a missing one has -1. */
export function stepsOf({ data, limits }) {
  const steps = new Int16Array(data.length).fill(-1);
  if (limits === null) return steps;
  const [least, most] = limits;
  const scale = most > least ? (STEPS - 1) / (most - least) : 0;
  for (let i = 0; i < data.length; i += 1) {
    const value = data[i];
    if (!Number.isNaN(value)) steps[i] = Math.round((value - least) * scale);
  }
  return steps;
}
