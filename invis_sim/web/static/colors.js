// The colours of the outlet's lights, as a screen shows them.

/** Return the CSS colour of a hue (0-360) and a saturation (0-100) at full brightness. */
export function hsvColor(hue, saturation) {
  // HSV with value 100 as HSL.
  const lightness = 100 - saturation / 2;
  return `hsl(${hue} ${saturation === 0 ? 0 : 100}% ${lightness}%)`;
}

/** Return the CSS colour of a black body of this temperature, in Kelvin.
 * An approximation by Tanner Helland, good to a few percent from 1000 to 40000 K. */
export function kelvinColor(kelvin) {
  const t = kelvin / 100;
  const red = t <= 66 ? 255 : 329.7 * (t - 60) ** -0.1332;
  const green = t <= 66 ? 99.47 * Math.log(t) - 161.12 : 288.12 * (t - 60) ** -0.0755;
  const blue = t >= 66 ? 255 : t <= 19 ? 0 : 138.52 * Math.log(t - 10) - 305.04;
  const [r, g, b] = [red, green, blue].map((one) => Math.round(Math.min(255, Math.max(0, one))));
  return `rgb(${r} ${g} ${b})`;
}

const OFF_LED = [0, 100, [0, 0], 4000];

/** Return the LEDs of a whole row: one in the state means all; those after a few are off. */
export function wholeRow(leds, count) {
  if (leds.length === 1) return Array(count).fill(leds[0]);
  return [...leds, ...Array(count).fill(OFF_LED)].slice(0, count);
}

/** Return hue and saturation of a colour as `<input type="color">` has it: "#ff8800". */
export function hueAndSaturation(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
  const max = Math.max(r, g, b);
  const range = max - Math.min(r, g, b);
  if (range === 0) return [0, 0];
  const sector =
    max === r ? (g - b) / range : max === g ? 2 + (b - r) / range : 4 + (r - g) / range;
  return [Math.round((sector * 60 + 360) % 360), Math.round((range / max) * 100)];
}

/** Return "#ff8800" of a hue and a saturation, as `<input type="color">` wants it. */
export function hexColor(hue, saturation) {
  const channel = (offset) => {
    const k = (offset + hue / 60) % 6;
    const value = 1 - (saturation / 100) * Math.max(0, Math.min(k, 4 - k, 1));
    return Math.round(value * 255)
      .toString(16)
      .padStart(2, "0");
  };
  return `#${channel(5)}${channel(3)}${channel(1)}`;
}
