// Controls of the light that the faceplate has: the nightlight of a Pro, the LEDs of an Aura.

import { hexColor, hueAndSaturation } from "./colors.js";
import { byId, h, setAttribute, setChildren, setText, show } from "./dom.js";

const MODES = [
  "static colour",
  "static temperature",
  "breathing",
  "strobing",
  "colour cycle",
  "rainbow",
  "starry night",
];

export function createLight({ patch }) {
  let now = null;
  const isAura = () => now.view.product === "aura";
  const on = byId("light-on");
  const brightness = byId("light-brightness");
  const color = byId("light-color");
  const mode = byId("light-mode");
  setChildren(mode, MODES.map((name, index) => h("option", { value: index + 1 }, name)));

  /** Change every LED of an Aura, and its mode. */
  function changeLeds(change, more = {}) {
    const leds = now.state.color_light.leds.map(change);
    patch({ color_light: { ...more, leds } });
  }

  on.addEventListener("click", () => {
    const state = on.getAttribute("aria-checked") === "true" ? 0 : 1;
    if (isAura()) changeLeds(([, ...rest]) => [state, ...rest]);
    else patch({ nightlight: { mode: state } });
  });
  brightness.addEventListener("input", () => setText(byId("light-brightness-shown"), `${brightness.value} %`));
  brightness.addEventListener("change", () => {
    const value = Number(brightness.value);
    if (isAura()) changeLeds(([state, , ...rest]) => [state, value, ...rest]);
    else patch({ nightlight: { brightness: value } });
  });
  color.addEventListener("change", () => {
    const hs = hueAndSaturation(color.value);
    const { mode: current } = now.state.color_light;
    changeLeds(([state, light, , kelvin]) => [state, light, hs, kelvin], current === 2 ? { mode: 1 } : {});
  });
  mode.addEventListener("change", () => patch({ color_light: { mode: Number(mode.value) } }));

  function render(snapshot) {
    now = snapshot;
    const { view, state } = snapshot;
    show(byId("light"), view.faceplate_online && view.product !== "bare");
    const aura = isAura();
    show(byId("light-color-label"), aura);
    show(byId("light-mode-label"), aura);
    const leds = state.color_light.leds;
    const isOn = aura ? leds.some(([one]) => one) : state.nightlight.mode === 1;
    setAttribute(on, "aria-checked", isOn ? "true" : "false");
    const value = aura ? (leds.find(([one]) => one) ?? leds[0])[1] : state.nightlight.brightness;
    if (document.activeElement !== brightness) brightness.value = value;
    setText(byId("light-brightness-shown"), `${brightness.value} %`);
    if (document.activeElement !== mode) mode.value = state.color_light.mode;
    if (document.activeElement !== color) color.value = hexColor(...leds[0][2]);
  }

  return { render };
}
