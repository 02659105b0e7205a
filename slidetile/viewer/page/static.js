/** The page beside stores, behind any server of files: cards, and the page of each store. */

import { showCards } from "./cards.js";
import { make } from "./dom.js";
import { show } from "./page.js";
import { pathOf, whole } from "./ranges.js";
import { staticSource } from "./static_source.js";
import { tileList } from "./tile_list.js";

const FILES = "slidetile-pages";
const list = document.getElementById("things");
const main = document.getElementById("page");
let shown = { close() {} };

function fail(error) {
  main.className = "";
  main.dataset.state = "failed";
  main.replaceChildren(make("p", { className: "failure", role: "alert" }, error.message));
}

async function open(cards) {
  shown.close();
  shown = { close() {} };
  delete main.dataset.state;
  const several = cards.length > 1;
  const card = cards[location.hash ? Number(location.hash.slice(1)) : several ? -1 : 0];
  list.hidden = card === undefined || !several;
  if (card === undefined) {
    document.title = "slidetile";
    showCards(main, cards, (slide) => ({
      href: slide.scene === null ? null : `#${cards.indexOf(slide)}`,
      picture: slide.picture === null ? null : pathOf(FILES, slide.picture),
    }));
    return;
  }
  document.title = `${card.name} – slidetile`;
  if (card.scene === null) throw new Error(`${card.name}: ${card.problem ?? "there is no store to look at"}`);
  const { hash } = location;
  const page = await show(main, await staticSource(FILES, card));
  if (location.hash !== hash) {
    page.close(); // another one was asked for meanwhile
    return;
  }
  shown = page;
  if (shown.panel) tileList(shown);
  globalThis.slidetile = shown;
}

(async () => {
  const cards = JSON.parse(new TextDecoder().decode(await whole(pathOf(FILES, "cards.json"), { cache: "no-cache" })));
  list.append(make("a", { href: "#" }, "all slides"));
  addEventListener("hashchange", () => open(cards).catch(fail));
  await open(cards);
})().catch(fail);
