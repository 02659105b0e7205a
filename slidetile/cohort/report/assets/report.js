
"use strict";
(() => {
  const PAGE = 50;
  const byId = (id) => document.getElementById(id);
  const facts = JSON.parse(byId("facts").textContent);
  const slides = facts.slides;

  const decimals = (value, digits) =>
    value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const count = (value) => value.toLocaleString("en");
  const percent = (value) => `${decimals(100 * value, 1)} %`;
  const area = (value) => `${decimals(value, 1)} mm²`;
  const megabytes = (value) => `${decimals(value / 1e6, 1)} MB`;
  const resolution = (value) => `${decimals(value, 4)} µm`;
  const several = (value, things) => `${count(value)} ${value === 1 ? things.slice(0, -1) : things}`;

  function duration(seconds) {
    if (seconds < 59.95) return `${decimals(seconds, 1)} s`;
    const whole = Math.round(seconds);
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    const minutes = Math.round(seconds / 60);
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  // A column that says nothing of any slide is left out.
  const isTold = (column, value) => value !== null && !(column.id === "unreadable" && value === 0);
  const store = (name) => (slide) => slide.store === null ? null : slide.store[name];
  const recorded = (name) => (slide) => slide.recorded === null ? null : slide.recorded[name];

  // The classes that most slides have get a column each; all are told with their slide.
  const MOST_CLASSES = 6;
  const common = [...facts.classes].sort((a, b) => b.slides - a.slides).slice(0, MOST_CLASSES);
  const classOf = (slide, name) =>
    slide.store === null || slide.store.classes === null
      ? undefined
      : slide.store.classes.find((each) => each.name === name);
  const brief = (name) => ([...name].length > 24 ? `${[...name].slice(0, 23).join("")}…` : name);
  const classColumn = ({ name }) => ({
    id: `class ${name}`,
    head: `${brief(name)}: tiles`,
    value: (slide) => classOf(slide, name)?.tiles ?? null,
    shown: count,
    falls: true,
  });

  // What can be shown and sorted: its head, its value, and how that is written.
  const COLUMNS = [
    { id: "name", head: "Slide", value: (slide) => slide.name },
    { id: "status", head: "Status", value: (slide) => slide.status },
    { id: "warnings", head: "Warnings", value: (slide) => slide.warnings.length, falls: true, isHeadless: true },
    { id: "tiles", head: "Tiles", value: store("tiles"), shown: count, falls: true },
    { id: "unreadable", head: "Unreadable", value: store("unreadable"), shown: count, falls: true },
    { id: "share", head: "Tissue share", value: store("tissue_share"), shown: percent, falls: true },
    { id: "tissue", head: "Tissue", value: store("tissue_area_mm2"), shown: area, falls: true },
    ...common.map(classColumn),
    { id: "mpp", head: "Slide’s mpp", value: store("slide_mpp_um"), shown: (v) => `${decimals(v, 3)} µm` },
    { id: "sharpness", head: "Sharpness", value: store("sharpness"), shown: (v) => decimals(v, 0) },
    { id: "bytes", head: "Tiles’ size", value: store("tile_bytes"), shown: megabytes, falls: true },
    { id: "seconds", head: "Time", value: recorded("seconds"), shown: duration, falls: true },
    { id: "memory", head: "Memory", value: recorded("peak_memory_bytes"), shown: megabytes, falls: true },
  ].filter((column) => !column.shown || slides.some((slide) => isTold(column, column.value(slide))));

  const places = new Map(slides.map((slide, place) => [slide.key, place]));
  const texts = slides.map((slide) => searched(slide));
  const state = { query: "", status: "", warning: "", sort: "", falls: false, page: 0, all: false };
  let matching = slides.map((_, place) => place);

  function searched(slide) {
    const run = slide.recorded;
    const parts = [slide.key, slide.name, slide.status, slide.problem];
    for (const warning of slide.warnings) parts.push(warning.kind, warning.text);
    if (slide.store !== null) parts.push(slide.store.codec);
    for (const each of slide.store?.classes ?? []) parts.push(each.name);
    if (run !== null) {
      parts.push(run.slide_path, run.error_type, run.note);
      for (const column of run.columns) parts.push(column.text);
    }
    return parts.filter((part) => part !== null).join("\n").toLowerCase();
  }

  // All text is set as text: nothing in a slide's name is ever markup.
  function element(name, attributes = {}, ...inside) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...inside);
    return made;
  }
  const isolated = (text) => element("bdi", {}, text);
  const address = (slide) => `#slide=${encodeURIComponent(slide.key)}`;

  function pictureSource(place) {
    const path = slides[place].picture_path;
    if (path !== null) return path.split("/").map(encodeURIComponent).join("/");
    const inside = byId(`picture-${place}`);
    return inside === null ? null : `data:image/jpeg;base64,${inside.textContent}`;
  }

  function badge(slide) {
    const kind = { ok: "good", "unreadable tiles": "odd" }[slide.status] || "bad";
    return element("span", { class: `badge ${kind}` }, slide.status);
  }

  const kinds = (slide) => [...new Set(slide.warnings.map((warning) => warning.kind))];

  function choose() {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    matching = [];
    slides.forEach((slide, place) => {
      if (state.status && slide.status !== state.status) return;
      if (state.warning === "any" && !slide.warnings.length) return;
      if (state.warning && state.warning !== "any" && !kinds(slide).includes(state.warning)) return;
      if (words.every((word) => texts[place].includes(word))) matching.push(place);
    });
    arrange();
  }

  const collator = new Intl.Collator("en", { numeric: true });

  function arrange() {
    const column = COLUMNS.find((each) => each.id === state.sort);
    if (column === undefined) {
      if (state.falls) matching.reverse();
      return;
    }
    const values = new Map(matching.map((place) => [place, column.value(slides[place])]));
    const sign = state.falls ? -1 : 1;
    matching.sort((one, other) => {
      const [a, b] = [values.get(one), values.get(other)];
      if (a === null || b === null) return (a === null) - (b === null) || one - other;
      const order = typeof a === "string" ? collator.compare(a, b) : a - b;
      return sign * order || one - other;
    });
  }

  function refresh() {
    choose();
    state.page = 0;
    render();
  }

  function render() {
    const pages = Math.max(1, Math.ceil(matching.length / PAGE));
    state.page = Math.min(Math.max(0, state.page), pages - 1);
    const from = state.all ? 0 : state.page * PAGE;
    const shown = state.all ? matching : matching.slice(from, from + PAGE);
    const rows = shown.map(row);
    if (!rows.length) {
      const span = String(byId("heads").children.length);
      rows.push(element("tr", {}, element("td", { colspan: span, class: "none" }, "No slide matches.")));
    }
    byId("rows").replaceChildren(...rows);
    const whole = matching.length === slides.length;
    byId("count").textContent = whole
      ? several(slides.length, "slides")
      : `${count(matching.length)} of ${several(slides.length, "slides")}`;
    byId("page").textContent = matching.length
      ? `Page ${count(state.page + 1)} of ${count(pages)} (${count(from + 1)}–${count(from + shown.length)})`
      : "Page 1 of 1";
    byId("first").disabled = byId("previous").disabled = state.page === 0;
    byId("next").disabled = byId("last").disabled = state.page === pages - 1;
    byId("pager").hidden = pages === 1;
    markHeads();
  }

  function row(place) {
    const slide = slides[place];
    const made = element("tr", {}, thumb(place), nameCell(slide));
    made.append(statusCell(slide));
    for (const column of COLUMNS.filter((each) => each.shown)) {
      const value = column.value(slide);
      const cell = element("td", { class: "number", "data-head": column.head });
      if (value !== null) cell.textContent = column.shown(value);
      made.append(cell);
    }
    return made;
  }

  function thumb(place) {
    const cell = element("td", { class: "thumb" });
    const source = state.all ? null : pictureSource(place);
    if (source !== null) {
      const attributes = { loading: "lazy", decoding: "async", alt: "", width: "88", height: "62" };
      const image = element("img", attributes);
      image.src = source;
      image.addEventListener("click", () => { location.hash = address(slides[place]); });
      cell.append(image);
    }
    return cell;
  }

  function nameCell(slide) {
    const link = element("a", { href: address(slide) }, isolated(slide.name));
    const cell = element("th", { scope: "row" }, link);
    const told = slide.problem || (slide.warnings.length ? slide.warnings[0].text : null);
    if (told !== null) cell.append(element("span", { class: "told" }, isolated(told)));
    return cell;
  }

  function statusCell(slide) {
    const others = kinds(slide).filter((kind) => kind !== slide.status);
    const warnings = others.map((kind) => element("span", { class: "badge odd" }, kind));
    const badges = element("div", { class: "badges" }, badge(slide), ...warnings);
    return element("td", { class: "badge-cell" }, badges);
  }

  function markHeads() {
    for (const head of byId("heads").children) {
      const isSorted = head.dataset.column && head.dataset.column === state.sort;
      if (isSorted) head.setAttribute("aria-sort", state.falls ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
      const sign = head.querySelector(".sign");
      if (sign) sign.textContent = isSorted ? (state.falls ? " ▼" : " ▲") : "";
    }
    byId("sort").value = state.sort;
    byId("order").value = state.falls ? "down" : "up";
  }

  function sortBy(id, falls) {
    state.sort = id;
    state.falls = falls;
    refresh();
  }

  function makeHeads() {
    byId("heads").append(element("td", { class: "thumb" }));
    byId("sort").append(element("option", { value: "" }, "urgency"));
    for (const column of COLUMNS) {
      const sign = element("span", { class: "sign", "aria-hidden": "true" });
      const button = element("button", { type: "button" }, isolated(column.head), sign);
      button.addEventListener("click", () => {
        const isSorted = state.sort === column.id;
        sortBy(column.id, isSorted ? !state.falls : Boolean(column.falls));
      });
      const head = element("th", { scope: "col", "data-column": column.id }, button);
      if (column.shown) head.className = "number";
      if (!column.isHeadless) byId("heads").append(head);
      byId("sort").append(element("option", { value: column.id }, column.head.toLowerCase()));
    }
  }

  function makeFilters() {
    const option = (value, text) => element("option", { value }, text);
    byId("status").append(option("", "all"));
    for (const each of facts.totals.statuses) {
      byId("status").append(option(each.status, `${each.status} (${count(each.slides)})`));
    }
    byId("warning").append(option("", "all"), option("any", `any (${count(facts.totals.with_warnings)})`));
    for (const each of facts.warning_kinds.filter((kind) => kind.slides)) {
      byId("warning").append(option(each.kind, `${each.kind} (${count(each.slides)})`));
    }
    for (const id of ["query", "status", "warning"]) {
      byId(id).addEventListener(id === "query" ? "input" : "change", (event) => {
        state[id] = event.target.value;
        refresh();
      });
    }
    byId("sort").addEventListener("change", (event) => {
      const column = COLUMNS.find((each) => each.id === event.target.value);
      sortBy(event.target.value, Boolean(column && column.falls));
    });
    byId("order").addEventListener("change", (event) => sortBy(state.sort, event.target.value === "down"));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("filters").addEventListener("reset", () => {
      Object.assign(state, { query: "", status: "", warning: "", sort: "", falls: false });
      refresh();
    });
    for (const button of document.querySelectorAll("[data-warning]")) {
      button.hidden = false;
      button.addEventListener("click", () => showWarning(button.dataset.warning));
    }
  }

  function showWarning(kind) {
    byId("filters").reset();
    state.warning = byId("warning").value = kind;
    refresh();
    byId("slides").scrollIntoView();
    byId("slides").focus({ preventScroll: true });
  }

  function makePager() {
    const turn = (id, page) => byId(id).addEventListener("click", () => {
      state.page = page();
      render();
      byId("slides").scrollIntoView();
    });
    turn("first", () => 0);
    turn("previous", () => state.page - 1);
    turn("next", () => state.page + 1);
    turn("last", () => Infinity);
  }

  function figure(place) {
    const source = pictureSource(place);
    if (source === null) return element("p", { class: "empty" }, "There is no picture.");
    const name = slides[place].name;
    const alt = `Overview of ${name}, the tissue outlined in green, the tiles in blue`;
    const image = element("img", { alt });
    image.src = source;
    const caption = "Tissue outlined in green, tiles in blue; of very small tiles, the area they cover.";
    return element("figure", {}, image, element("figcaption", {}, caption));
  }

  function notes(slide) {
    const list = element("ul", { class: "notes" });
    const add = (kind, title, text) => list.append(
      element("li", { class: kind }, element("strong", {}, title), isolated(text)),
    );
    if (slide.problem !== null) add("bad", slide.status, slide.problem);
    for (const warning of slide.warnings) add("odd", warning.kind, warning.text);
    return list;
  }

  function classText(each) {
    const parts = [`on ${several(each.tiles, "tiles")}, the largest on ${count(each.tiles_of_it)}`];
    if (each.area_mm2) parts.push(`${decimals(each.area_mm2, 2)} mm² labelled`);
    if (each.points) parts.push(several(each.points, "points"));
    if (each.least_fraction !== null) parts.push(`at least ${percent(each.least_fraction)} asked for`);
    return `${each.name}: ${parts.join("; ")}`;
  }

  function told(slide) {
    const { store: kept, recorded: run } = slide;
    const lines = [["status", slide.status]];
    const add = (name, value, shown = String) => {
      if (value !== null && value !== undefined && value !== "") lines.push([name, shown(value)]);
    };
    if (kept !== null) {
      add("tiles", `${count(kept.tiles)} of ${kept.tile_size_px} px`);
      if (kept.unreadable) add("unreadable tiles", kept.unreadable, count);
      add("tissue", kept.tissue_share, percent);
      add("tissue’s area", kept.tissue_area_mm2, area);
      add("scanned area", kept.scanned_area_mm2, area);
      add("pieces of tissue", kept.tissue_pieces, count);
      add("level 0", `${count(kept.width_px)} × ${count(kept.height_px)} px`);
      add("mpp of the store", kept.mpp_um, resolution);
      add("mpp of the slide", kept.slide_mpp_um, resolution);
      add("codec", kept.not_native === null ? kept.codec : `${kept.codec} (${kept.not_native})`);
      add("tiles’ size", kept.tile_bytes, megabytes);
      add("sharpness", kept.sharpness, (value) => decimals(value, 0));
      add("tiles with pen", kept.tiles_with_pen, count);
      for (const each of kept.classes ?? []) add("class", classText(each));
      for (const text of kept.left_out) add("left out", text);
    }
    if (run !== null) {
      add("mpp from", run.mpp_source);
      add("note", run.note);
      add("error", run.error_type);
      add("slide", run.slide_path);
      add("time", run.seconds, duration);
      add("most memory", run.peak_memory_bytes, megabytes);
      add("attempts", run.attempts, count);
      add("log", run.log_path);
      add("run", run.run);
      add("ended", run.ended);
      for (const column of run.columns) add(column.name, column.text);
    }
    const list = element("dl", { class: "facts" });
    for (const [name, text] of lines) {
      list.append(element("dt", {}, name), element("dd", {}, isolated(text)));
    }
    return list;
  }

  const dialog = byId("slide");

  function wanted() {
    if (!location.hash.startsWith("#slide=")) return undefined;
    try {
      return places.get(decodeURIComponent(location.hash.slice("#slide=".length)));
    } catch {
      return undefined;
    }
  }

  function follow() {
    const place = wanted();
    if (place === undefined) {
      if (dialog.open) dialog.close();
      return;
    }
    byId("slide-name").replaceChildren(isolated(slides[place].name));
    const side = element("div", {}, notes(slides[place]), told(slides[place]));
    byId("slide-body").replaceChildren(figure(place), side);
    byId("slide-previous").disabled = neighbour(place, -1) === undefined;
    byId("slide-next").disabled = neighbour(place, 1) === undefined;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  // The next slide of those that are chosen, in their order.
  function neighbour(place, step) {
    const at = matching.indexOf(place);
    return at < 0 ? matching[0] : matching[at + step];
  }

  function step(by) {
    const place = wanted();
    const next = place === undefined ? undefined : neighbour(place, by);
    if (next !== undefined) history.replaceState(null, "", address(slides[next]));
    follow();
  }

  function makeDialog() {
    byId("slide-close").addEventListener("click", () => dialog.close());
    byId("slide-previous").addEventListener("click", () => step(-1));
    byId("slide-next").addEventListener("click", () => step(1));
    dialog.addEventListener("close", () => {
      if (location.hash.startsWith("#slide=")) history.replaceState(null, "", location.pathname + location.search);
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
    window.addEventListener("hashchange", follow);
  }

  function makePrinting() {
    window.addEventListener("beforeprint", () => { state.all = true; render(); });
    window.addEventListener("afterprint", () => { state.all = false; render(); });
  }

  makeHeads();
  makeFilters();
  makePager();
  makeDialog();
  makePrinting();
  byId("app").hidden = false;
  refresh();
  follow();
})();
