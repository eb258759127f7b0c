// The bytes of an entry, as text and as a hex dump.

import { h, printable } from "./dom.js";

const PER_LINE = 16;
const MAX_DUMPED = 4096; // of more bytes, the first

/** Return the bytes of what a journal has: text, or { base64 }. */
export function toBytes(data) {
  if (typeof data === "string") return new TextEncoder().encode(data);
  return Uint8Array.from(atob(data.base64), (one) => one.charCodeAt(0));
}

/** Return the elements that show bytes, under a title. */
export function showBytes(title, data) {
  const bytes = toBytes(data);
  const count = `${bytes.length} ${bytes.length === 1 ? "byte" : "bytes"}`;
  const isText = typeof data === "string";
  const dump = h("pre", {}, hexDump(bytes));
  return h(
    "div",
    { class: "bytes" },
    h("p", { class: "bytes-title" }, h("b", {}, title), ` ${count}${isText ? "" : ", not text"}`),
    isText ? h("pre", {}, oneLine(data)) : dump,
    isText ? h("details", {}, h("summary", {}, "Hex"), dump) : null,
  );
}

const oneLine = (text) => printable(text.replaceAll("\r", "\\r").replaceAll("\n", "\\n").replaceAll("\t", "\\t"));

function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, MAX_DUMPED); at += PER_LINE) {
    const row = [...bytes.subarray(at, at + PER_LINE)];
    const hex = row.map((one) => one.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((one) => (one >= 0x20 && one < 0x7f ? String.fromCharCode(one) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(3 * PER_LINE)} ${text}`);
  }
  if (bytes.length > MAX_DUMPED) lines.push(`… ${bytes.length - MAX_DUMPED} more`);
  return lines.join("\n");
}
