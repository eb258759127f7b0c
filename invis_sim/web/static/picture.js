// The outlet and its faceplate as they are now: sockets that can be pressed, lights, power.

import { hsvColor, kelvinColor, wholeRow } from "./colors.js";
import { byId, h, setAttribute, setChildren, setText, show } from "./dom.js";

const STATIC_TEMPERATURE = 2; // the mode in which LEDs are white, of some temperature
const LED_COUNT = 9;

export function createPicture({ command, patch }) {
  let states = [0, 0];
  let attached = false;

  for (const index of [0, 1]) {
    byId(`switch${index + 1}`).addEventListener("click", () => {
      const pressed = states.map((state, one) => (one === index ? 1 - state : state));
      patch({ outlets: { states: pressed } });
    });
  }
  byId("faceplate").addEventListener("click", () => command({ faceplate: attached ? "off" : "on" }));
  byId("faceplate-restart").addEventListener("click", () => command({ faceplate: "restart" }));
  byId("reboot").addEventListener("click", () => command({ reboot: true }));
  byId("join").addEventListener("click", () => command({ join_network: true }));
  byId("reset").addEventListener("click", () => command({ reset: "all" }));

  function render({ view, state }) {
    states = state.outlets.states;
    states.forEach((on, index) => {
      const number = index + 1;
      setAttribute(byId(`switch${number}`), "aria-checked", on ? "true" : "false");
      setText(byId(`shown${number}`), on ? "on" : "off");
      setText(byId(`name${number}`), state.names[`outlet${number}`]);
    });
    // A bare outlet has none that could be put on.
    const hasNone = state.faceplate.attached && state.firmware.PM === null;
    attached = state.faceplate.attached && !hasNone;
    setAttribute(byId("faceplate"), "disabled", hasNone);
    setAttribute(byId("faceplate"), "aria-checked", attached ? "true" : "false");
    setText(byId("faceplate-status"), faceplateWords(view, attached, hasNone));
    byId("picture").dataset.faceplate = !attached ? "off" : view.faceplate_online ? "on" : "silent";
    show(byId("lens"), view.faceplate_online);
    setAttribute(byId("faceplate-restart"), "disabled", !view.faceplate_online);
    show(byId("join"), !view.up);
    const lit = view.faceplate_online ? view.product : "bare";
    show(byId("glow"), lit === "pro");
    show(byId("leds"), lit === "aura");
    if (lit === "pro") renderGlow(state.nightlight);
    if (lit === "aura") renderLeds(state.color_light);
  }

  return { render };
}

function faceplateWords(view, attached, hasNone) {
  if (hasNone) return "this outlet has none";
  if (!attached) return "taken off";
  return view.faceplate_online ? "" : "does not answer";
}

function renderGlow({ mode, brightness }) {
  const glow = byId("glow");
  setAttribute(glow, "aria-label", mode ? `Nightlight: on, ${brightness} %` : "Nightlight: off");
  glow.style.setProperty("--light", mode ? 0.25 + (0.75 * brightness) / 100 : 0);
}

function renderLeds({ mode, leds }) {
  const row = byId("leds");
  if (row.children.length === 0) {
    setChildren(row, Array.from({ length: LED_COUNT }, () => h("span", { role: "img" })));
  }
  wholeRow(leds, LED_COUNT).forEach(([on, brightness, [hue, saturation], kelvin], index) => {
    const led = row.children[index];
    const white = mode === STATIC_TEMPERATURE;
    const color = white ? `${kelvin} K` : `hue ${hue}, saturation ${saturation}`;
    setAttribute(led, "aria-label", `LED ${index + 1}: ${on ? `on, ${brightness} %, ${color}` : "off"}`);
    led.title = led.getAttribute("aria-label");
    led.dataset.on = on;
    led.style.setProperty("--color", white ? kelvinColor(kelvin) : hsvColor(hue, saturation));
    led.style.setProperty("--light", 0.3 + (0.7 * brightness) / 100);
  });
}
