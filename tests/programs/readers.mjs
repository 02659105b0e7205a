// Readers of OME-Zarr in JavaScript. node readers.mjs PROGRAM ADDRESS… prints a line of JSON for
// each address, as readers.py does. zarrita reads from disk, too; Viv, as in a browser, by HTTP.

import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { readFileSync } from "node:fs";
import * as zarr from "zarrita";

const sum = pixels =>
  createHash("sha256").update(new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength)).digest("hex");

class Folder {
  constructor(root) { this.root = root; }
  async get(key) { return this.#part(key, () => [0, undefined]); }
  async getRange(key, { offset, length, suffixLength }) {
    return this.#part(key, size => (suffixLength ? [size - suffixLength, suffixLength] : [offset, length]));
  }
  async #part(key, span) {
    let file;
    try { file = await open(this.root + key); } catch { return undefined; }
    try {
      const { size } = await file.stat();
      const [offset, length = size] = span(size);
      const part = new Uint8Array(length);
      await file.read(part, 0, length, offset);
      return part;
    } finally { await file.close(); }
  }
}

async function zarrita(address) {
  const store = address.startsWith("http") ? new zarr.FetchStore(address) : new Folder(address);
  const whole = async name => (await zarr.get(await zarr.open(zarr.root(store).resolve(name), { kind: "array" }))).data;
  return { image: sum(await whole("0")), tissue: sum(await whole("labels/tissue/0")) };
}

async function viv(address) {
  const { loadOmeZarr } = await import("@vivjs/loaders");
  const { data: [finest] } = await loadOmeZarr(address, { type: "multiscales" });
  const planes = [];
  for (const c of [0, 1, 2]) planes.push((await finest.getRaster({ selection: { c } })).data);
  return { image: sum(Buffer.concat(planes)), tissue: null };
}

const packages = { zarrita: "zarrita", viv: "@vivjs/loaders" };
const readers = { zarrita, viv };
const [name, ...places] = process.argv.slice(2);
const found = new URL(`node_modules/${packages[name]}/package.json`, import.meta.url);
const { version } = JSON.parse(readFileSync(found, "utf8"));
for (const place of places) {
  let facts;
  try { facts = await readers[name](place); }
  catch (error) { facts = { error: `${error.name}: ${error.message}`.slice(0, 300) }; }
  console.log(JSON.stringify({ version, ...facts }));
}
