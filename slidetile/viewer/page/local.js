/** The page of the local server: one thing, or a list of them to choose from. */

import { make } from "./dom.js";
import { httpSource, things } from "./http.js";
import { show } from "./page.js";

const list = document.getElementById("things");
const main = document.getElementById("page");
let shown = { close() {} };

async function open(all) {
  const number = Number(location.hash.slice(1)) || 0;
  const thing = all[number] ?? all[0];
  shown.close();
  delete main.dataset.state;
  document.title = `${thing.name} – slidetile`;
  for (const link of list.querySelectorAll("a")) {
    if (link.hash === `#${number}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  shown = await show(main, httpSource(all.indexOf(thing)));
  globalThis.slidetile = shown; // for the console, and for tests
}

try {
  const all = await things();
  list.hidden = all.length < 2;
  list.append(
    ...all.map(({ name, kind }, i) =>
      make("a", { href: `#${i}` }, make("bdi", {}, name), make("small", {}, ` ${kind}`)),
    ),
  );
  addEventListener("hashchange", () => open(all));
  await open(all);
} catch (error) {
  main.replaceChildren(make("p", { className: "failure", role: "alert" }, error.message));
}
