/**
 * What a page asks for, whatever the way to it: each door brings one object of these four calls.
 *
 *   scene()                   → Promise of the scene's JSON (see slidetile/viewer/scene/scene.py)
 *   tile(level, column, row)  → Promise of a Blob; of null where nothing is stored
 *   row(index)                → Promise of [[name, value], …]: what is known of a tile
 *   replan(settings)          → Promise of the overlay's JSON, of a plan with other settings
 *
 * Each fails with a SourceError, whose words are shown as text. A tile takes a second argument that
 * may be heeded: an AbortSignal, for a tile that is no longer looked at.
 */

/** The pixels do not decode: a marked tile is shown in their place. */
export const DAMAGED = "damaged";
/** What is looked at was replaced, or nobody answers any more: the page says so, and asks no more. */
export const GONE = "gone";
/** Anything else, such as a setting out of range. */
export const FAILED = "failed";

export class SourceError extends Error {
  /**
   * @param {string} message What went wrong, for people.
   * @param {string} state DAMAGED, GONE or FAILED.
   */
  constructor(message, state = FAILED) {
    super(message);
    this.name = "SourceError";
    this.state = state;
  }
}
