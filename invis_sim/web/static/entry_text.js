// Journal entries in words, in the parts of a row; events are worded as in the log of `invis-sim run`.

import { callbackWords } from "./callbacks.js";

const MAX_CHARACTERS = 80;

const OUTCOMES = { success: "PUBACK 1", failure: "PUBACK 0" };

const EVENTS = {
  connected: ({ peer }) => `connected from ${peer}`,
  closed: ({ reason }) => `closed${reason.startsWith("by ") ? "" : ":"} ${reason}`,
  fault: ({ fault, detail }) => `fault ${withDetail(fault, detail)}`,
  fault_note: ({ fault, text }) => `fault ${fault}: ${text}`,
  outage_started: ({ name, source, duration }) =>
    source === "fault"
      ? `fault ${name}: in effect ${lasting(duration, "switched off")}`
      : `${name}: offline ${lasting(duration, "it joins the network")}`,
  outage_ended: ({ name, source }) => (source === "fault" ? `fault ${name}: ended` : `${name}: back online`),
  address_changed: ({ tcp, ws }) => `now at ${[tcp, ws].filter((one) => one !== null).join(" and ")}`,
  command: ({ by, command, error }) => `${by}: ${command}${error === null ? "" : ` failed: ${error}`}`,
  log: ({ text }) => `outlet: ${text}`,
  error: ({ text }) => `error: ${text}`,
};

export const KINDS = ["exchange", ...Object.keys(EVENTS)];

export const kindOf = (entry) => entry.kind ?? "exchange";

const lasting = (duration, end) => (duration === null ? `until ${end}` : `for ${duration} s`);
const withDetail = (fault, detail) => (detail ? `${fault} (${detail})` : fault);
const shorten = (text) => (text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text);

/** Return transport and connection, in short; "" where there is no connection. */
export function place({ transport, connection }) {
  return connection === null ? "" : `${transport} #${connection}`;
}

/** Return the parts of a row: what, its arguments, the outcome with a class for it, faults. */
export function parts(entry) {
  const kind = kindOf(entry);
  if (kind !== "exchange") {
    const text = EVENTS[kind]?.(entry) ?? `${kind}: ${JSON.stringify(entry)}`;
    return { what: text, args: "", outcome: "", faults: [], kind };
  }
  const { callback, outcome } = entry;
  const pushed = outcome === "push";
  const malformed = outcome === "malformed";
  const what = callback === null ? (malformed ? "malformed input" : "no callback") : callbackWords(callback);
  return {
    what: pushed ? `push ${what}` : what,
    args: shorten(malformed ? textOf(entry.received) : argsOf(pushed ? entry.sent[0] : entry.received)),
    outcome: pushed ? "" : (OUTCOMES[outcome] ?? outcome),
    faults: entry.faults.map(({ fault, detail }) => withDetail(fault, detail)),
    kind: outcome,
  };
}

/** Return the whole entry in one line, to be searched. */
export function line(entry) {
  const { what, args, outcome, faults } = parts(entry);
  return [place(entry), what, args, outcome, ...faults, entry.packetID ?? ""].join("  ");
}

const textOf = (data) => (typeof data === "string" ? data : "bytes that are not text");

/** Return the `callbackArgs` of a packet as JSON; "" where there are none. */
function argsOf(packet) {
  if (typeof packet !== "string") return "";
  try {
    const args = JSON.parse(packet).payload?.callbackArgs;
    return args === undefined ? "" : JSON.stringify(args);
  } catch {
    return "";
  }
}
