/** Parts of files, as any server of files hands them out that knows HTTP ranges. */

import { DAMAGED, FAILED, GONE, SourceError } from "./source.js";

const NO_RANGES =
  "This server hands out whole files only, and this page needs parts of them (HTTP ranges), which " +
  "`python -m http.server` cannot: use another server, such as nginx, Caddy, `npx http-server` or a bucket.";
const CHANGED =
  "The store has changed since this page was made: run `slidetile view --static` again, then open the page anew.";
const ENCODED =
  "This server compresses parts of files on their way (Content-Encoding, such as gzip), so that they are not those of the store: " +
  "switch that off for the stores, such as by `gzip off;` in nginx or without `encode` in Caddy, and open the page anew.";
const NO_SERVER =
  "The server does not answer. A page that was opened as a file (file://) cannot read stores: open it through a server.";

const PAST_CACHE = "no-store";

export const changed = () => new SourceError(CHANGED, GONE);

/** Return a path below the page, of names as they are on the disk. */
export const pathOf = (...names) =>
  names.flatMap((name) => name.split("/")).map(encodeURIComponent).join("/");

async function answered(path, options) {
  try {
    return await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new SourceError(NO_SERVER, GONE);
  }
}

const encoded = () => new SourceError(ENCODED, GONE);

/** Whether a server has compressed what it sends, as browsers ask it not to where they want a part. */
const isEncoded = (answer) => !["", "identity"].includes(answer.headers.get("Content-Encoding") ?? "");

/** Ask for a part: some browsers, Chromium among them, give nothing at all of one that was compressed. */
async function part(path, options) {
  try {
    return await answered(path, options);
  } catch (error) {
    if (error.state !== GONE) throw error;
    await answered(path, { method: "HEAD", cache: PAST_CACHE }); // fails where nobody is there
    return answered(path, options).catch((again) => {
      throw again.state === GONE ? encoded() : again;
    });
  }
}

/** What another length of a file means: another store, or a server that counts in what it has compressed. */
async function otherLength(path, answer) {
  if (isEncoded(answer)) return encoded();
  if (answer.status !== 416) return changed(); // which has no file in it, and does not say how one is encoded
  const first = await part(path, { headers: { Range: "bytes=0-0" }, cache: PAST_CACHE }).catch((error) => error);
  await first.body?.cancel();
  if (first instanceof SourceError) return first;
  return isEncoded(first) ? encoded() : changed();
}

/** The bytes of an answer; null where they are not what the server says they are. */
async function bytesOf(answer) {
  try {
    return new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null; // a part of compressed bytes does not unpack, or the connection was lost
  }
}

/**
 * Return bytes of a file, from one place until another; its length is null where it is not known.
 *
 * A file that is missing or cut short is damage; one of another length is another file.
 */
export async function range(path, size, from, until, options = {}) {
  const headers = { Range: `bytes=${from}-${until - 1}` };
  const answer = await part(path, { ...options, headers });
  if (answer.status === 200) {
    await answer.body?.cancel();
    throw isEncoded(answer) ? encoded() : new SourceError(NO_RANGES, GONE);
  }
  const total = answer.headers.get("Content-Range")?.match(/\/(\d+)$/)?.[1];
  if (answer.status === 416 || (size !== null && total !== undefined && Number(total) !== size)) {
    await answer.body?.cancel();
    throw await otherLength(path, answer);
  }
  if (answer.status === 404) throw new SourceError(`${decodeURIComponent(path)} is not on the server.`, DAMAGED);
  if (answer.status !== 206) {
    throw new SourceError(`The server refuses ${decodeURIComponent(path)}: ${answer.status}.`, FAILED);
  }
  const bytes = await bytesOf(answer);
  if (bytes?.length !== until - from) {
    if (isEncoded(answer)) throw encoded();
    // Chromium's cache at times gives a part alone, where several parts of a file are asked for at once.
    if (options.cache !== PAST_CACHE) return range(path, size, from, until, { ...options, cache: PAST_CACHE });
    throw new SourceError(`${decodeURIComponent(path)} was cut short on its way.`, FAILED);
  }
  return bytes;
}

/** Return the whole of a file. */
export async function whole(path, options = {}) {
  const answer = await answered(path, options);
  if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
  throw new SourceError(`${decodeURIComponent(path)} is not on the server: ${answer.status}.`, FAILED);
}
