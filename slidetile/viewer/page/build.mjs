// Builds the page into ../built: the same sources and the same lock file give the same bytes.
import { build } from "esbuild";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = new URL("./", import.meta.url);
const built = new URL("../built/", import.meta.url);
process.chdir(fileURLToPath(here));

const shared = {
  bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none",
  charset: "utf8", logLevel: "warning",
};
await rm(built, { recursive: true, force: true });
await mkdir(built, { recursive: true });
// The page of the local server, and the page alone, for doors that bring their own source.
for (const [entry, name] of [["local.js", "page.js"], ["show.js", "show.js"]]) {
  await build({ ...shared, entryPoints: [entry], outfile: fileURLToPath(new URL(name, built)) });
}
// Of one file, and behind servers that are not ours: scripts that are no modules, for file:// too.
for (const name of ["saved.js", "static.js"]) {
  await build({ ...shared, format: "iife", entryPoints: [name], outfile: fileURLToPath(new URL(name, built)) });
}
// Of notebooks: one module, with its styles in it.
await build({
  ...shared, entryPoints: ["widget.js"], loader: { ".css": "text" },
  outfile: fileURLToPath(new URL("widget.js", built)),
});
for (const name of ["index.html", "page.css"]) await cp(name, new URL(name, built));
const licence = await readFile("node_modules/openseadragon/LICENSE.txt", "utf8");
await writeFile(new URL("LICENSES.txt", built), `OpenSeadragon\n\n${licence}`);
