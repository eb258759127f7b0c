// A simulated outlet for the tests: a process that ends when its standard input does, so at the
// latest with the test runner, however that ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export async function startOutlet(...options) {
  const ports = ["--tcp-port", "0", "--ws-port", "0"];
  const child = spawn(
    "invis-sim",
    ["run", ...ports, "--log", "json", "--exit-with-stdin", ...options],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  // The first line says where it listens. The others are its journal, as it happens.
  const started = await Promise.race([once(lines, "line"), exit]);
  if (typeof started[0] !== "string") {
    throw new Error(`invis-sim ended with status ${started[0]}`);
  }
  return {
    ...JSON.parse(started[0]), // sn, tcp: { host, port }, ws: { url }, pid, seed
    async stop() {
      child.stdin.end();
      await exit;
    },
  };
}
