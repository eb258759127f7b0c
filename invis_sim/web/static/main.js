// Starts the page: its parts show what the simulator says, and what they ask for is sent to it.

import { get, outletPath, Problem, request } from "./requests.js";
import { CALLBACKS } from "./callbacks.js";
import { byId, h, setAttribute, setChildren, setText, show } from "./dom.js";
import { createClock } from "./clock.js";
import { createConnections } from "./connections.js";
import { createCrowd } from "./crowd.js";
import { createFaults } from "./faults.js";
import { createJournal } from "./journal.js";
import { createLight } from "./light.js";
import { createPicture } from "./picture.js";
import { createSensors } from "./sensors.js";
import { Stream } from "./stream.js";
import { createUpdates } from "./updates.js";

const REFRESH_MILLISECONDS = 150; // after an entry; several at once are one refresh
const BUSY_MILLISECONDS = 1000; // while very many come: the outlet's clients go first
const BUSY_ENTRIES = 100; // in one refresh
const UPDATING_MILLISECONDS = 400;
const MAX_CHOICES = 100; // of outlets in the menu; the list of all has the others
const IDLE_MILLISECONDS = 2500; // for what happens without an entry, such as a reading that drifts

let sn = null;
let timer = null;
let entries = 0; // since the last refresh
let isBusy = false;
let refreshing = false;

/** Ask the simulator for something, show what is wrong, and show what comes of it. */
async function act(method, path, body) {
  try {
    const answer = await request(method, path, body);
    showAlert(null); // what was wrong before is not any more
    await refresh();
    return answer;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showAlert(error.message);
    schedule(REFRESH_MILLISECONDS); // what the user has moved goes back
    return null;
  }
}

const actions = {
  /** Carry out commands on the outlet. */
  command: (...commands) => act("POST", outletPath(sn, "commands"), commands),
  /** Change the state of the outlet: tables, as in a scenario. */
  patch: (tables) => act("PATCH", outletPath(sn, "state"), tables),
  /** Send another request. */
  send: act,
  /** Return the path of the outlet, with what follows. */
  path: (...parts) => outletPath(sn, ...parts),
  refresh: () => refresh(),
  showAlert,
};

const crowd = createCrowd(actions, () => sn);
const journal = createJournal(actions);
const panels = [
  createPicture(actions),
  createLight(actions),
  createSensors(actions),
  createFaults(actions),
  createConnections(actions),
  createClock(actions),
  createUpdates(actions),
  { render: renderHeader },
];

const stream = new Stream({
  entry(entry, raw, run) {
    journal.add(entry, raw, run);
    entries += 1;
    // Before that many have come again it is as busy as it was.
    isBusy ||= entries > BUSY_ENTRIES;
    schedule(isBusy ? BUSY_MILLISECONDS : REFRESH_MILLISECONDS);
  },
  lost: (count) => journal.remark(`${count} entries came too fast for this page`),
  online(view, run) {
    journal.begin(run, view);
    showAlert(null);
    document.body.classList.remove("offline");
    chooseFrom();
    refresh();
  },
  offline(problem) {
    showAlert(`${problem.message} The rows stay, and the page goes on when it is back.`);
    document.body.classList.add("offline");
    setText(byId("online"), "No simulator");
    byId("online").dataset.state = "away";
  },
  gone: () => chooseFrom(true),
});

function showAlert(text) {
  const alert = byId("alert");
  if (text !== null) setText(alert, text);
  show(alert, text !== null);
}

function schedule(milliseconds) {
  if (timer !== null && milliseconds >= timer.milliseconds) return;
  clearTimeout(timer?.id);
  timer = { milliseconds, id: setTimeout(refresh, milliseconds) };
}

/** Show the outlet as it is now. */
async function refresh() {
  clearTimeout(timer?.id);
  timer = null;
  if (refreshing || sn === null) return schedule(REFRESH_MILLISECONDS);
  refreshing = true;
  isBusy = entries > BUSY_ENTRIES;
  entries = 0;
  let next = IDLE_MILLISECONDS;
  try {
    const parts = ["state", "faults", "connections"].map((part) => get(outletPath(sn, part)));
    const all = await Promise.all([get(outletPath(sn)), ...parts, get("/api/clock")]);
    const [view, state, faults, connections, clock] = all;
    const now = { view, state, faults, connections, clock };
    for (const panel of panels) panel.render(now);
    if (view.update !== null) next = UPDATING_MILLISECONDS;
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // the stream says when there is no answer
  } finally {
    refreshing = false;
    schedule(document.hidden ? 4 * next : next);
  }
}

function renderHeader({ view }) {
  const products = { bare: "without faceplate", pro: "InvisDeco Pro", aura: "InvisDeco Aura" };
  setText(byId("product"), `${view.hw_rev}, ${products[view.product] ?? view.product}`);
  const online = byId("online");
  setText(online, view.up ? "Online" : "Offline");
  online.dataset.state = view.up ? "up" : "down";
  const { tcp, ws } = view.transports;
  const addresses = [];
  if (tcp) addresses.push(["TCP", tcp.host.includes(":") ? `[${tcp.host}]:${tcp.port}` : `${tcp.host}:${tcp.port}`]);
  if (ws) addresses.push(["WebSocket", ws.url]);
  // Of a longer one JavaScript does not keep the digits.
  if (Number.isSafeInteger(view.seed)) addresses.push(["Seed", view.seed]);
  const key = JSON.stringify(addresses);
  const list = byId("addresses");
  if (list.dataset.shown !== key) {
    list.dataset.shown = key;
    setChildren(list, addresses.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }
}

/** List the outlets of the process, and follow the one that is in the address, or else the first.
 *
 * again: also where this page follows one that is not there any more. */
async function chooseFrom(again = false) {
  const wanted = decodeURIComponent(location.hash.slice(1)) || sn;
  let outlets, found;
  try {
    ({ outlets } = await get(`/api/overview?limit=${MAX_CHOICES}`));
    found = outlets.find((one) => one.sn === wanted);
    if (found === undefined && wanted !== null && outlets.length === MAX_CHOICES) {
      [found] = (await get(`/api/overview?${new URLSearchParams({ search: wanted })}`)).outlets.filter((one) => one.sn === wanted);
      if (found !== undefined) outlets.push(found);
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showAlert(error.message);
    setTimeout(chooseFrom, IDLE_MILLISECONDS, again);
    return;
  }
  const choice = byId("outlet-choice");
  setChildren(choice, outlets.map((one) => h("option", { value: one.sn }, one.sn)));
  setAttribute(choice, "disabled", outlets.length < 2);
  found ??= outlets[0];
  if (found === undefined) {
    showAlert("No outlet runs in this process.");
    setTimeout(chooseFrom, IDLE_MILLISECONDS, again);
    return;
  }
  choice.value = found.sn;
  if (found.sn !== sn || again) follow(found.sn);
}

function follow(wanted) {
  if (sn !== null && wanted !== sn) journal.forget();
  sn = wanted;
  crowd.refresh();
  document.title = `${wanted} · invis-sim`;
  stream.follow(wanted);
}

byId("outlet-choice").addEventListener("change", (event) => {
  location.hash = encodeURIComponent(event.target.value);
});
addEventListener("hashchange", () => chooseFrom());
document.addEventListener("visibilitychange", () => schedule(REFRESH_MILLISECONDS));
setChildren(
  byId("callbacks"),
  Object.entries(CALLBACKS).map(([number, name]) => h("option", { value: number }, name)),
);
chooseFrom();
