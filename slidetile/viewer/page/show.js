/** The page alone: what a door needs that brings its own source. */
export { show } from "./page.js";
export { DAMAGED, FAILED, GONE, SourceError } from "./source.js";
