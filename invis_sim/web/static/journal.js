// The journal: rows that stay when the simulator ends, a filter, and files to save.

import { get, Problem } from "./requests.js";
import { kindOf, KINDS, line, parts, place } from "./entry_text.js";
import { byId, download, h, setAttribute, setChildren, setText } from "./dom.js";
import { showBytes } from "./packet_bytes.js";

const MAX_ENTRIES = 5000; // kept
const MAX_CHARACTERS = 16_000_000; // of all that are kept: some have 100 KB each
const MAX_ROWS = 400; // shown; of more that match, the newest
const FLUSH_MILLISECONDS = 60; // entries that come together are shown together
const REST = 9; // how much longer the page rests than it shows rows: it must answer its user
const SPOKEN_ROWS = 10; // of more at once, a screen reader reads none

export function createJournal({ path, showAlert }) {
  // run/number → { entry, raw, run, text, row }, where `raw` is the entry's JSON; also remarks
  const records = new Map();
  const log = byId("log");
  const views = new Map(); // run → the view of its outlet
  const changed = new Set(); // records to be shown
  const orders = new WeakMap(); // row → its place among all
  let order = 0;
  let characters = 0;
  let run = null;
  let timer = null;
  let rest = FLUSH_MILLISECONDS;
  let remarks = 0;
  const filter = createFilter(() => showAll());

  function keep(key, record) {
    const before = records.get(key);
    if (before !== undefined) characters -= before.raw.length;
    characters += record.raw.length;
    records.set(key, before === undefined ? { ...record, order: ++order } : Object.assign(before, record));
    changed.add(records.get(key));
    timer ??= setTimeout(flush, rest);
  }

  /** Forget the oldest where there are too many: many at once, since the first of a Map that has
   * lost many others is found slowly. */
  function trim() {
    for (const [oldest, record] of records) {
      if (records.size <= MAX_ENTRIES && characters <= MAX_CHARACTERS) break;
      records.delete(oldest);
      changed.delete(record);
      characters -= record.raw.length;
      record.row?.element.remove();
    }
  }

  function flush() {
    timer = null;
    const began = performance.now();
    trim();
    const atEnd = byId("newest").checked;
    setAttribute(log, "aria-live", changed.size > SPOKEN_ROWS ? "off" : null);
    const fresh = [];
    for (const record of changed) {
      if (!filter.matches(record)) continue;
      if (record.row === undefined) fresh.push(record);
      else record.row.update();
    }
    changed.clear();
    if (fresh.length >= MAX_ROWS) log.replaceChildren();
    for (const record of fresh.slice(-MAX_ROWS)) {
      record.row = createRow(record);
      insert(record.row.element, record.order);
    }
    while (log.children.length > MAX_ROWS) log.firstElementChild.remove();
    count();
    if (atEnd) log.scrollTop = log.scrollHeight;
    rest = Math.max(FLUSH_MILLISECONDS, REST * (performance.now() - began));
  }

  /** Put a row in its place: nearly always the last. An exchange that comes again when it is finished
   * may get its row only then. */
  function insert(element, nth) {
    let before = log.lastElementChild;
    while (before !== null && orders.get(before) > nth) before = before.previousElementSibling;
    orders.set(element, nth);
    if (before === null) log.prepend(element);
    else before.after(element);
  }

  function showAll() {
    for (const record of records.values()) record.row = undefined;
    log.replaceChildren();
    for (const record of records.values()) changed.add(record);
    flush();
  }

  function count() {
    const rows = log.children.length;
    const all = records.size;
    setText(byId("row-count"), rows === all ? `${all} entries` : `${rows} of ${all} entries shown`);
  }

  function clear() {
    records.clear();
    changed.clear();
    characters = 0;
    showAll();
  }

  function remark(text) {
    keep(`remark/${++remarks}`, { remark: text, raw: "" });
  }

  byId("clear-rows").addEventListener("click", clear);
  byId("save-journal").addEventListener("click", async () => {
    // The lines as they came: a number may have more digits than JavaScript keeps. Run → number → line.
    const lines = new Map();
    const put = (of, number, raw) => lines.set(of, (lines.get(of) ?? new Map()).set(number, raw));
    for (const { entry, raw, run: of } of records.values()) if (entry !== undefined) put(of, entry.number, raw);
    try {
      // What was there before this page was opened.
      const kept = await get(`${path("journal")}?limit=10000`, "text");
      for (const raw of kept.slice(1, -1).split(",\n").filter((one) => one !== "")) {
        put(run, JSON.parse(raw).number, raw);
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error; // without the simulator: what the page has
    }
    // A file for each process that the page has seen: a journal is of one.
    for (const [of, numbered] of lines) {
      const { sn, seed } = views.get(of);
      const header = JSON.stringify({ entry: "journal", sn, started: of, seed: exact(seed) });
      const sorted = [...numbered].sort(([one], [other]) => one - other).map(([, raw]) => raw);
      download(`${sn}.jsonl`, "application/jsonl", [header, ...sorted, ""].join("\n"));
    }
  });
  byId("save-scenario").addEventListener("click", async () => {
    try {
      download("scenario.toml", "application/toml", await get(path("scenario")));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showAlert(error.message);
    }
  });
  const newest = byId("newest");
  const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 8;
  // A user who scrolls back, or opens a row, reads: what comes meanwhile must not move that away.
  log.addEventListener("scroll", () => (newest.checked = isAtEnd()));
  log.addEventListener("click", ({ target }) => {
    if (target.closest("summary")) newest.checked = false;
  });
  newest.addEventListener("change", () => {
    if (newest.checked) log.scrollTop = log.scrollHeight;
  });
  count();

  return {
    /** Add an entry, or show more of one that came before. raw: its JSON. of: its run. */
    add(entry, raw, of) {
      keep(`${of}/${entry.number}`, { entry, raw, run: of, text: undefined });
    },
    /** Say that entries of this run follow. view: of its outlet. */
    begin(next, view) {
      if (run !== null && next !== run) remark("The simulator has started anew");
      run = next;
      views.set(run, view);
    },
    remark,
    /** Begin with another outlet. */
    forget() {
      run = null;
      clear();
    },
  };
}

/** Return a number, or undefined where it has more digits than JavaScript keeps. */
const exact = (number) => (Number.isSafeInteger(number) ? number : undefined);

function createFilter(onChange) {
  const form = byId("filter");
  const kind = byId("filter-kind");
  const options = KINDS.map((one) => h("option", { value: one }, one.replace("_", " ")));
  setChildren(kind, h("option", { value: "" }, "any"), options);
  const value = (name) => byId(`filter-${name}`).value.trim();
  form.addEventListener("input", onChange);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(onChange)); // after the fields are empty

  function matches(record) {
    const { entry } = record;
    const [text, callback, connection, fault] = ["text", "callback", "connection", "fault"].map(value);
    if (entry === undefined) return true;
    return (
      (kind.value === "" || kindOf(entry) === kind.value) &&
      (value("transport") === "" || entry.transport === value("transport")) &&
      (callback === "" || entry.callback === Number(callback)) &&
      (connection === "" || entry.connection === Number(connection)) &&
      (fault === "" || hasFault(entry, fault)) &&
      (text === "" || searchText(record).includes(text.toLowerCase()))
    );
  }

  return { matches };
}

function hasFault(entry, name) {
  if (kindOf(entry) === "exchange") return entry.faults.some(({ fault }) => fault === name);
  return entry.fault === name || (entry.source === "fault" && entry.name === name);
}

function searchText(record) {
  const { entry } = record;
  record.text ??= [line(entry), entry.received, ...(entry.sent ?? [])]
    .filter((one) => typeof one === "string")
    .join("\n")
    .toLowerCase();
  return record.text;
}

function createRow(record) {
  if (record.entry === undefined) {
    const element = h("p", { class: "remark" }, record.remark);
    return { element, update: () => {} };
  }
  const summary = h("summary", {});
  const body = h("div", { class: "body" });
  const element = h("details", { class: "entry" }, summary, body);
  let shown = "";
  function update() {
    const found = parts(record.entry);
    const key = JSON.stringify([found, record.entry.done]);
    // Only where it changes: an element that is replaced while it is pressed gets no click.
    if (key !== shown) setChildren(summary, summaryOf(record, found));
    shown = key;
    element.dataset.kind = found.kind;
    if (element.open) setChildren(body, details(record.entry));
  }
  element.addEventListener("toggle", () => element.open && setChildren(body, details(record.entry)));
  update();
  return { element, update };
}

function summaryOf(record, { what, args, outcome, faults }) {
  return [
    h("span", { class: "at" }, clockTime(record)),
    h("span", { class: "place" }, place(record.entry)),
    h("span", { class: "what" }, what, args ? h("code", {}, args) : null),
    outcome ? h("span", { class: "outcome" }, outcome) : null,
    faults.map((fault) => h("span", { class: "fault" }, fault)),
    record.entry.done === false ? h("span", { class: "quiet" }, "…") : null,
  ];
}

/** Return what an opened row shows. */
function details(entry) {
  const facts = [["Entry", entry.number]];
  if (kindOf(entry) !== "exchange") {
    const known = ["entry", "kind", "sn", "number", "seconds", "transport", "connection"];
    const own = Object.entries(entry).filter(([key, value]) => !known.includes(key) && value !== null);
    facts.push(["Kind", entry.kind.replace("_", " ")], ...own);
    return factList(facts);
  }
  const { packetID } = entry;
  // Of a longer one JavaScript does not keep the digits; the bytes have them.
  if (packetID !== null) facts.push(["packetID", exact(packetID) ?? "see the bytes"]);
  if (entry.recipients) facts.push(["Sent to", `${entry.recipients} connections`]);
  for (const { fault, detail } of entry.faults) facts.push(["Fault", detail ? `${fault}: ${detail}` : fault]);
  for (const { reason, offset } of entry.notes) {
    facts.push(["Note", offset === null ? reason : `${reason} (byte ${offset})`]);
  }
  const sent = entry.sent.map((data, index) => {
    return showBytes(entry.sent.length > 1 ? `Sent, write ${index + 1}` : "Sent", data);
  });
  const nothing = entry.done === false ? "Nothing sent yet." : "Nothing sent.";
  return [
    factList(facts),
    entry.received === null ? null : showBytes("Received", entry.received),
    sent.length > 0 ? sent : h("p", { class: "quiet" }, nothing),
  ];
}

function factList(facts) {
  return h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** Return when it happened, by the clock on the wall. */
function clockTime({ entry, run }) {
  const date = new Date((run + entry.seconds) * 1000);
  return `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
