/** The door of the local server: things by number, below the address of the page. */

import { DAMAGED, FAILED, GONE, SourceError } from "./source.js";

const STATES = { 422: DAMAGED, 410: GONE };

/** Ask the server, and return its answer; what it says of errors becomes a SourceError. */
async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "omit", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new SourceError("The viewer does not answer: it was ended. Start it again.", GONE);
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let words = text;
  try {
    words = JSON.parse(text).error;
  } catch {
    // not of a view: the words are the answer
  }
  throw new SourceError(words, STATES[answer.status] ?? FAILED);
}

/** The slides and stores that the server shows, as [{name, kind}, …]. */
export async function things() {
  return (await ask("things")).json();
}

/** The cards of the folder that they are of; null where they are of none. */
export async function folderCards() {
  return (await ask("cards")).json();
}

/** The source of the thing of a number; each is a page of its own to the server. */
export function httpSource(thing) {
  const below = `things/${thing}`;
  const tab = `?tab=${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  return {
    scene: async () => (await ask(`${below}/scene${tab}`)).json(),
    async tile(level, column, row, signal) {
      const answer = await ask(`${below}/tiles/${level}/${column}/${row}${tab}`, { signal });
      return answer.status === 204 ? null : answer.blob();
    },
    row: async (index) => (await ask(`${below}/rows/${index}${tab}`)).json(),
    replan: async (settings) =>
      (await ask(`${below}/replan${tab}`, { method: "POST", body: JSON.stringify(settings) })).json(),
  };
}
