// Time: how fast it passes, and jumps.

import { byId, h, setAttribute, setChildren, setText } from "./dom.js";

const SPEEDS = [0.1, 0.5, 1, 2, 10, 60, 600, 3600, "inf"];
const TICK_MILLISECONDS = 100;

export function createClock({ send }) {
  let clock = null;
  let at = 0; // when `clock` was right, by this page's clock
  const speed = byId("speed");
  const seconds = byId("advance-seconds");

  byId("pause").addEventListener("click", () => send("PATCH", "/api/clock", { paused: !clock?.paused }));
  speed.addEventListener("change", () => {
    send("PATCH", "/api/clock", { speed: speed.value === "inf" ? "inf" : Number(speed.value) });
  });
  byId("advance").addEventListener("submit", (event) => {
    event.preventDefault();
    if (seconds.reportValidity()) {
      send("POST", "/api/clock/advance", { seconds: Number(seconds.value) });
    }
  });
  byId("settle").addEventListener("click", () => send("POST", "/api/clock/settle", {}));

  function tick() {
    if (clock === null) return;
    const runs = !clock.paused && clock.speed !== "inf" && !document.body.classList.contains("offline");
    const passed = runs ? ((performance.now() - at) / 1000) * clock.speed : 0;
    setText(byId("clock"), words(clock.seconds + passed));
  }

  function render(now) {
    clock = now.clock;
    at = performance.now();
    setText(byId("pause"), clock.paused ? "Go on" : "Pause");
    setAttribute(byId("pause"), "aria-pressed", clock.paused ? "true" : "false");
    const known = SPEEDS.includes(clock.speed) ? SPEEDS : [...SPEEDS, clock.speed];
    if (speed.children.length !== known.length || document.activeElement !== speed) {
      setChildren(speed, known.map((one) => h("option", { value: one }, one === "inf" ? "∞" : `${one}×`)));
      speed.value = clock.speed;
    }
    tick();
  }

  setInterval(tick, TICK_MILLISECONDS);
  return { render };
}

/** Return seconds as "1:02:03.4". */
function words(seconds) {
  const tenths = Math.floor(seconds * 10);
  const [hours, minutes] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60];
  const rest = ((tenths % 600) / 10).toFixed(1);
  return `${hours}:${String(minutes).padStart(2, "0")}:${rest.padStart(4, "0")}`;
}
