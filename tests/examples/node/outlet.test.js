import assert from "node:assert/strict";
import { test } from "node:test";
import WebSocket from "ws";
import { startOutlet } from "./outlet.js";

// The client under test.
function availableUpdates(url, packetID = 221040) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.on("open", () => {
      socket.send(JSON.stringify({ packetID, payload: { callbackName: 20 } }));
    });
    socket.on("message", (data) => {
      const reply = JSON.parse(data);
      if (reply.packetID === packetID) {
        resolve(reply.payload.callbackArgs);
        socket.close();
      }
    });
    socket.on("error", reject);
    socket.on("close", (code) => reject(new Error(`the outlet hung up with code ${code}`)));
  });
}

test("the client finds the update", async (t) => {
  const outlet = await startOutlet("update-available");
  t.after(() => outlet.stop());
  const { IM } = await availableUpdates(outlet.ws.url);
  assert.notEqual(IM.available_fw_rev, IM.fw_rev);
});

test("the client passes over what is not its answer", async (t) => {
  const outlet = await startOutlet("--fault", "push_first:callback=9");
  t.after(() => outlet.stop());
  assert.ok((await availableUpdates(outlet.ws.url)).IM);
});

test("the client reports that the outlet hung up", async (t) => {
  const outlet = await startOutlet("--fault", "close:moment=before");
  t.after(() => outlet.stop());
  await assert.rejects(availableUpdates(outlet.ws.url), /hung up with code 1011/);
});
