// Firmware: what runs, what is available, and the update in progress.

import { get } from "./requests.js";
import { byId, h, setAttribute, setChildren, setText, show } from "./dom.js";

const PARTS = { IM: "Outlet", PM: "Faceplate" };
const PART_WORDS = { outlet: "the outlet", faceplate: "the faceplate", www: "the web pages" };

export function createUpdates({ command, patch }) {
  const rows = Object.keys(PARTS).map((part) => createRow(part, command, patch));
  setChildren(byId("updates"), rows.map(({ element }) => element));
  get("/api/schema").then(({ definitions }) => {
    const outcomes = definitions.FaceplateUpdate.properties.outcome.enum;
    rows.forEach((row) => row.setOutcomes(outcomes));
  });

  function render({ view, state }) {
    rows.forEach((row) => row.render(state, view));
    const { update } = view;
    show(byId("update-progress"), update !== null);
    if (update === null) return;
    setText(byId("update-words"), progressWords(update));
    const bar = byId("update-bar");
    if (update.stage === "downloading") bar.value = update.percent;
    else bar.removeAttribute("value");
  }

  return { render };
}

function progressWords({ part, stage, percent, hangs }) {
  const what = PART_WORDS[part];
  if (stage === "restarting") return "The outlet restarts before its update.";
  if (stage === "waiting") return "The update waits for a client.";
  return hangs ? `The update of ${what} hangs at ${percent} %.` : `Updating ${what}: ${percent} %`;
}

function createRow(part, command, patch) {
  const versions = h("span", { class: "quiet" });
  const start = h("button", { class: "small", onclick: () => command({ update: part }) }, `Update ${PARTS[part].toLowerCase()}`);
  const outcome = h("select", {
    "aria-label": `Outcome of updates of the ${PARTS[part].toLowerCase()}`,
    onchange: () => patch({ updates: { [part]: { outcome: outcome.value } } }),
  });
  const element = h(
    "div",
    { class: "update" },
    h("div", { class: "row spread" }, h("b", {}, PARTS[part]), versions),
    h("div", { class: "row" }, start, h("label", {}, "Outcome ", outcome)),
  );
  function render(state, view) {
    const firmware = state.firmware[part];
    show(element, firmware !== null && (part === "IM" || view.faceplate_online));
    if (firmware === null) return;
    setText(versions, versionWords(firmware));
    setAttribute(start, "disabled", view.update !== null);
    if (document.activeElement !== outcome) outcome.value = state.updates[part].outcome;
  }
  function setOutcomes(outcomes) {
    const { value } = outcome;
    setChildren(outcome, outcomes.map((one) => h("option", { value: one }, one.replaceAll("_", " "))));
    if (value) outcome.value = value;
  }
  return { element, render, setOutcomes };
}

/** Return what runs, with an arrow to what is available where that is another. */
function versionWords(firmware) {
  const pair = (runs, available) => (available && available !== runs ? `${runs} → ${available}` : runs);
  const words = pair(firmware.fw_rev, firmware.available_fw_rev);
  if (firmware.www_fw_rev === undefined) return words;
  return `${words}, web pages ${pair(firmware.www_fw_rev, firmware.available_www_fw_rev)}`;
}
