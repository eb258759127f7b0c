// All outlets of the process at a glance, where there are several: found, chosen, and steered
// together. The simulator selects and counts; the page shows some rows at a time.

import { get, Problem } from "./requests.js";
import { byId, h, keyedList, setAttribute, setText, show } from "./dom.js";
import { createCommandForm } from "./command_form.js";

const ROWS = 25; // at a time: a thousand rows would make every refresh slow
const EVERY = 10_000; // how many outlets can be chosen at once
const REFRESH_MILLISECONDS = 2000;
const REST_MILLISECONDS = 10_000; // where there is one outlet, or the page is out of sight
const TYPING_MILLISECONDS = 200;

/** followed: () → the serial number of the outlet that the rest of the page shows. */
export function createCrowd({ refresh: refreshPage, showAlert }, followed) {
  const chosen = new Set();
  let offset = 0;
  let now = null; // the overview that is shown
  let timer = null;
  let latest = 0; // so that an answer that comes late is not shown

  const list = keyedList(
    byId("crowd-rows"),
    ({ sn }) => sn,
    (outlet) => createRow(outlet, chosen, showChosen),
  );
  createCommandForm(byId("crowd-form"), {
    path: () => pathOfCommands(chosen, now),
    done: () => Promise.all([refresh(), refreshPage()]),
  });

  /** Return the conditions of the filter, as a query. */
  function conditions() {
    const query = new URLSearchParams();
    const search = byId("crowd-search").value.trim();
    if (search !== "") query.set("search", search);
    for (const id of ["crowd-state", "crowd-product"]) {
      const [key, value] = byId(id).value.split("=");
      if (value !== undefined) query.set(key, value);
    }
    return query;
  }

  async function refresh() {
    clearTimeout(timer);
    const attempt = ++latest;
    try {
      const query = conditions();
      query.set("limit", ROWS);
      query.set("offset", offset);
      const overview = await get(`/api/overview?${query}`);
      if (attempt === latest) render(overview);
    } catch (error) {
      if (!(error instanceof Problem)) throw error; // the stream says when there is no answer
    }
    if (attempt !== latest) return;
    const isWatched = now !== null && now.all > 1 && !document.hidden;
    timer = setTimeout(refresh, isWatched ? REFRESH_MILLISECONDS : REST_MILLISECONDS);
  }

  function render(overview) {
    now = overview;
    if (offset >= now.found && offset > 0) {
      offset = Math.max(0, Math.ceil(now.found / ROWS) - 1) * ROWS;
      refresh();
      return;
    }
    const several = now.all > 1;
    show(byId("crowd"), several);
    byId("crowd").parentElement.classList.toggle("several", several);
    if (!several) return;
    setText(byId("crowd-count"), now.all);
    const parts = [
      now.found === now.all ? null : `${now.found} found`,
      `${now.up} online`,
      `${now.connections} ${now.connections === 1 ? "client" : "clients"}`,
      `${now.requests} requests`,
    ];
    setText(byId("crowd-words"), parts.filter((part) => part !== null).join(", "));
    list(now.outlets.map((outlet) => ({ ...outlet, current: outlet.sn === followed() })));
    const last = Math.min(offset + ROWS, now.found);
    setText(byId("crowd-part"), now.found === 0 ? "No outlet is found." : `${offset + 1} to ${last} of ${now.found}`);
    setAttribute(byId("crowd-before"), "disabled", offset === 0);
    setAttribute(byId("crowd-after"), "disabled", last >= now.found);
    setText(byId("crowd-every"), `Choose all ${now.found}`);
    setAttribute(byId("crowd-every"), "disabled", now.found === 0);
    showChosen();
  }

  function showChosen() {
    const rows = now.outlets.map(({ sn }) => sn);
    const number = rows.filter((sn) => chosen.has(sn)).length;
    byId("crowd-page").checked = number > 0 && number === rows.length;
    byId("crowd-page").indeterminate = number > 0 && number < rows.length;
    setText(byId("crowd-chosen"), chosen.size === 0 ? "None is chosen." : `${chosen.size} chosen`);
    setAttribute(byId("crowd-none"), "disabled", chosen.size === 0);
    show(byId("crowd-commands"), chosen.size > 0);
    list(now.outlets.map((outlet) => ({ ...outlet, current: outlet.sn === followed() })));
  }

  async function chooseEvery() {
    const query = conditions();
    query.set("limit", EVERY);
    try {
      for (const { sn } of (await get(`/api/overview?${query}`)).outlets) chosen.add(sn);
      showChosen();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showAlert(error.message);
    }
  }

  function find() {
    offset = 0;
    clearTimeout(timer);
    timer = setTimeout(refresh, TYPING_MILLISECONDS);
  }

  function turn(rows) {
    offset = Math.max(0, offset + rows);
    refresh();
  }

  const filter = byId("crowd-filter");
  filter.addEventListener("input", find);
  filter.addEventListener("reset", () => setTimeout(find)); // when its fields are empty
  filter.addEventListener("submit", (event) => event.preventDefault());
  byId("crowd-before").addEventListener("click", () => turn(-ROWS));
  byId("crowd-after").addEventListener("click", () => turn(ROWS));
  byId("crowd-every").addEventListener("click", chooseEvery);
  byId("crowd-none").addEventListener("click", () => {
    chosen.clear();
    showChosen();
  });
  byId("crowd-page").addEventListener("change", ({ target }) => {
    for (const { sn } of now.outlets) target.checked ? chosen.add(sn) : chosen.delete(sn);
    showChosen();
  });

  return { refresh };
}

/** Return where commands go: with every outlet chosen, to all, also those that have come since. */
function pathOfCommands(chosen, now) {
  if (chosen.size === now.all) return "/api/commands";
  return `/api/commands?${new URLSearchParams({ sn: [...chosen].join(",") })}`;
}

function createRow({ sn, product }, chosen, onChoice) {
  const box = h("input", {
    type: "checkbox",
    "aria-label": `Choose ${sn}`,
    onchange: () => {
      if (box.checked) chosen.add(sn);
      else chosen.delete(sn);
      onChoice();
    },
  });
  const link = h("a", { href: `#${encodeURIComponent(sn)}` }, sn);
  const state = h("span", { class: "badge" });
  const cells = { product: h("td", {}, product), connections: h("td"), requests: h("td"), faults: h("td") };
  const element = h(
    "tr",
    {},
    h("td", {}, box),
    h("th", { scope: "row" }, link),
    h("td", {}, state),
    Object.values(cells),
  );
  function update(outlet) {
    box.checked = chosen.has(sn);
    setAttribute(link, "aria-current", outlet.current ? "true" : null);
    setText(state, outlet.updating ? "Updating" : outlet.up ? "Online" : "Offline");
    state.dataset.state = outlet.up ? "up" : "down";
    setText(cells.product, outlet.product);
    setText(cells.connections, outlet.connections);
    setText(cells.requests, outlet.requests);
    setText(cells.faults, outlet.faults_applied > 0 ? `${outlet.faults}, applied ${outlet.faults_applied}` : outlet.faults);
  }
  return { element, update };
}
