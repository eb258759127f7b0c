// What the sensors measure, each with a slider that makes it a constant.

import { byId, h, keyedList, setText, show } from "./dom.js";

const SLIDERS = {
  // name: [label, unit, min, max, step]. The first are in view, the others behind "More readings".
  temp_celsius: ["Temperature", "°C", -10, 50, 0.1],
  humidity: ["Humidity", "%", 0, 100, 0.1],
  lux: ["Light", "lux", 0, 1000, 1],
  AQI: ["Air quality index", "", 0, 500, 1],
  co2_equiv: ["CO₂ equivalent", "ppm", 400, 5000, 1],
  occupancy_state: ["Occupancy state", "", 0, 6, 1],
  distance: ["Distance of a person", "cm", 0, 600, 1],
  pressure: ["Air pressure", "Pa", 80000, 110000, 10],
  bvoc_equiv: ["Breath VOC", "ppm", 0, 20, 0.01],
  co2_peak_lvl: ["CO₂ peak", "ppm", 400, 5000, 1],
  gas: ["Gas resistance", "Ω", 0, 500000, 100],
  movement_energy: ["Movement energy", "", 0, 100, 1],
  stationary_energy: ["Stationary energy", "", 0, 100, 1],
  BME680_temp_celsius: ["Temperature at the air sensor", "°C", -10, 50, 0.1],
  BME680_humidity: ["Humidity at the air sensor", "%", 0, 100, 0.1],
  temp_valid: ["Temperature valid", "", 0, 1, 1],
  aqi_valid: ["AQI valid", "", 0, 1, 1],
  lux_valid: ["Light valid", "", 0, 1, 1],
  occupancy_valid: ["Occupancy valid", "", 0, 1, 1],
  AQI_accuracy: ["AQI accuracy", "", 0, 3, 1],
  co2_accuracy: ["CO₂ accuracy", "", 0, 3, 1],
  bvoc_accuracy: ["Breath VOC accuracy", "", 0, 3, 1],
  temphumidity_accuracy: ["Temperature and humidity accuracy", "", 0, 3, 1],
};
const IN_VIEW = 6;

export function createSensors({ patch, command }) {
  const names = Object.keys(SLIDERS);
  const first = new Set(names.slice(0, IN_VIEW));
  const create = (reading) => createSlider(reading, patch);
  const showFirst = keyedList(byId("readings"), ({ name }) => name, create);
  const showOthers = keyedList(byId("other-readings"), ({ name }) => name, create);
  byId("sample").addEventListener("click", () => command({ sample: true }));

  function render({ view, state }) {
    const known = names.filter((name) => name in view.readings);
    const all = [...known, ...Object.keys(view.readings).filter((name) => !(name in SLIDERS))];
    const readings = all.map((name) => ({
      name,
      value: view.readings[name],
      varies: typeof state.sensors[name] === "object" && state.sensors[name] !== null,
    }));
    show(byId("sensors"), readings.length > 0);
    showFirst(readings.filter(({ name }) => first.has(name)));
    const others = readings.filter(({ name }) => !first.has(name));
    showOthers(others);
    show(byId("more-readings"), others.length > 0);
  }

  return { render };
}

function createSlider({ name }, patch) {
  const [label, unit, min, max, step] = SLIDERS[name] ?? [name, "", 0, 100, 1];
  const id = `reading-${name}`;
  const input = h("input", { id, type: "range", min, max, step });
  const output = h("output", { for: id });
  const show = (value) => setText(output, unit === "" ? value : `${value} ${unit}`);
  input.addEventListener("input", () => show(input.value));
  input.addEventListener("change", () => patch({ sensors: { [name]: Number(input.value) } }));
  let dragged = false;
  input.addEventListener("pointerdown", () => (dragged = true));
  addEventListener("pointerup", () => (dragged = false));
  const drifts = h("span", { class: "quiet", hidden: true }, " varies");
  const element = h("div", { class: "slider" }, h("label", { for: id }, label, drifts), input, output);
  function update({ value, varies }) {
    drifts.hidden = !varies;
    if (dragged) return;
    input.value = value;
    show(value);
  }
  return { element, update };
}
