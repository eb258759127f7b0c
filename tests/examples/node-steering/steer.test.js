import { ok } from "node:assert";
import { connect } from "node:net";
import { test } from "node:test";
import { startOutlet } from "./outlet.js";

test("a client that gets no reply asks again", async (t) => {
  const outlet = await startOutlet("--control", "0");
  t.after(() => outlet.stop());
  const headers = { "content-type": "application/json" };
  const steer = async (path, body) => {
    const more = body && { method: "POST", headers, body: JSON.stringify(body) };
    const answer = await fetch(`${outlet.control.url}api/outlets/${outlet.sn}/${path}`, more);
    ok(answer.ok, await answer.text()); // the problem, in words
  };
  await steer("commands", { inject: { kind: "drop", when: { callback: 20, nth: 1 } } });
  startClient(t, outlet.tcp);
  await steer("wait?for=request&callback=20&count=2");
  await steer("verify", { callback: 20, times: 2 });
  await steer("commands", { reset: "all" }); // as at the start, for the next test
});

// In its place: the client that you write.
function startClient(t, { host, port }) {
  const client = connect(port, host);
  const ask = () => client.write('{"packetID": 414883, "payload": {"callbackName": 20}}');
  const timer = setTimeout(ask, 50); // no reply so far
  client.once("data", () => clearTimeout(timer));
  client.once("connect", ask);
  t.after(() => client.destroy());
}
