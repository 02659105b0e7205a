/** The page of the local server: one thing, or a list of them to choose from. */

import { showCards } from "./cards.js";
import { make } from "./dom.js";
import { folderCards, httpSource, things } from "./http.js";
import { show } from "./page.js";

const list = document.getElementById("things");
const main = document.getElementById("page");
let shown = { close() {} };

function openCards(cards) {
  document.title = "slidetile";
  list.hidden = true;
  showCards(main, cards, ({ view }) => ({
    href: view === null ? null : `#${view}`,
    picture: view === null ? null : `cards/${view}`,
  }));
}

async function open(all, cards) {
  const { hash } = location;
  shown.close();
  shown = { close() {} };
  delete main.dataset.state;
  if (cards !== null && hash.length < 2) {
    openCards(cards);
    return;
  }
  const number = Number(hash.slice(1)) || 0;
  const thing = all[number] ?? all[0];
  document.title = `${thing.name} – slidetile`;
  list.hidden = all.length < 2;
  for (const link of list.querySelectorAll("a")) {
    if (link.hash === `#${number}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const page = await show(main, httpSource(all.indexOf(thing)));
  if (location.hash !== hash) {
    page.close(); // another one was asked for meanwhile
    return;
  }
  shown = page;
  globalThis.slidetile = shown; // for the console, and for tests
}

function linksOf(all, cards) {
  if (cards !== null) return [make("a", { href: "#" }, "all slides")];
  return all.map(({ name, kind }, i) =>
    make("a", { href: `#${i}` }, make("bdi", {}, name), make("small", {}, ` ${kind}`)),
  );
}

try {
  main.replaceChildren(make("p", { className: "waiting", role: "status" }, "Reading …"));
  const [all, found] = await Promise.all([things(), folderCards()]);
  const cards = found?.length > 1 || all.length !== 1 ? found : null; // one alone needs no choice
  list.append(...linksOf(all, cards));
  addEventListener("hashchange", () => open(all, cards));
  await open(all, cards);
} catch (error) {
  main.replaceChildren(make("p", { className: "failure", role: "alert" }, error.message));
}
