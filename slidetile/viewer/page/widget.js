/** The page in a notebook's output, in a shadow tree: neither's styles reach the other. */

import { make } from "./dom.js";
import { KernelSource } from "./kernel.js";
import { show } from "./page.js";
import { GONE } from "./source.js";
import style from "./page.css";

const OWN = `
:host { display: block; }
.root { height: 100%; display: flex; flex-direction: column; font: 14px/1.45 system-ui, sans-serif;
  color: var(--jp-ui-font-color1, inherit); background: var(--jp-layout-color0, inherit); }
.main { flex: 1; min-height: 0; }
.gone button { display: none; }
.silence { margin: 0; padding: .3em .6em; background: #fff4d0; color: #553c00; }
.still { display: block; max-width: 100%; max-height: 100%; margin: auto; }
`;
const SILENCE = "The kernel does not answer: it is busy, perhaps with another cell. This goes on when it answers; if the kernel was restarted meanwhile, run the cell again.";

async function render({ model, el }) {
  const host = make("div", { className: "slidetile" });
  host.style.height = `${model.get("height")}px`;
  const tree = host.attachShadow({ mode: "open" });
  const silence = make("p", { className: "silence", role: "status", hidden: true }, SILENCE);
  const main = make("div", { className: "main" });
  const root = make("div", { className: "root" }, silence, main);
  tree.append(make("style", {}, style + OWN), root);
  el.append(host);

  const picture = () =>
    make("img", { className: "still", alt: model.get("name"), src: `data:image/jpeg;base64,${model.get("still")}` });
  let page = null;
  let isShown = false;
  const source = new KernelSource(model, (isSilent) => {
    silence.hidden = !isSilent;
    if (isSilent && !isShown) main.replaceChildren(picture());
  });
  source.onClosed = (words) => {
    silence.hidden = true;
    if (page?.trouble) page.trouble(GONE, words);
  };
  let isEnded = false;
  const opened = show(main, source).then((found) => {
    page = found;
    isShown = true;
    if (source.ended && !found.viewer) main.append(picture());
    host.slidetile = found; // for the console, and for tests
    if (isEnded) found.close();
  });
  opened.catch(() => {});
  return () => {
    isEnded = true;
    source.close();
    page?.close();
  };
}

export default { render };
