// The callbacks of the protocol by their numbers.

export const CALLBACKS = {
  1: "request configuration",
  2: "configure",
  3: "request accessory names",
  4: "configure accessory names",
  5: "restart",
  6: "reset network",
  7: "factory reset",
  9: "outlet status",
  10: "control outlet",
  11: "sensor readings",
  12: "device information",
  14: "control nightlight",
  15: "nightlight status",
  17: "control color light",
  18: "color light status",
  20: "available updates",
  21: "perform update",
  22: "update progress",
  23: "update result",
  24: "restart faceplate",
  25: "reset faceplate",
  26: "calibrate occupancy",
  27: "mqtt",
  28: "calibrate climate",
};

/** Return the number of a callback, and its name where it has one. */
export function callbackWords(number) {
  const name = CALLBACKS[number];
  return name === undefined ? String(number) : `${number} ${name}`;
}
