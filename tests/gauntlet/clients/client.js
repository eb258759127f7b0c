// A client in Node: node client.js FLAW HOST TCP_PORT
//
// It asks which updates are available. FLAW is "none"; "any-reply": it takes any packet for its
// reply; or "dies": it has no handler for broken JSON.
"use strict";
const net = require("node:net");

const [flaw, host, port] = process.argv.slice(2);
const packetID = 100001;

function fail(why) {
  console.error(`no updates: ${why}`);
  process.exit(1);
}

function take(packet) {
  if (flaw !== "any-reply" && packet?.packetID !== packetID) return;
  if (packet.PUBACK !== 1) fail("the outlet refused");
  process.exit(0);
}

const socket = net.connect(Number(port), host);
let received = "";
socket.on("connect", () => {
  socket.write(JSON.stringify({ packetID, payload: { callbackName: 20 } }));
});
socket.on("data", (data) => {
  received += data;
  // A packet ends where as many braces are closed as were opened: good enough without strings.
  for (let depth = 0, n = 0; n < received.length; n++) {
    depth += { "{": 1, "}": -1 }[received[n]] ?? 0;
    if (depth === 0 && received[n] === "}") {
      const text = received.slice(0, n + 1);
      received = received.slice(n + 1);
      n = -1;
      try {
        take(JSON.parse(text));
      } catch (error) {
        if (flaw === "dies") throw error;
        fail(error.message);
      }
    }
  }
});
socket.on("error", (error) => fail(error.message));
socket.on("close", () => fail("the outlet hung up"));
setTimeout(() => fail("timed out"), 800);
