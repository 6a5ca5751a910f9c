/** Numbers, times and names as people read them. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const whole = new Intl.NumberFormat("en");
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** Return bytes with a binary unit and three digits, such as "1.25 MiB". */
export function bytes(count) {
  let [value, unit] = [count, 0];
  while (value >= 999.5 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Return a rate; nothing at all is a dash, so that busy rows stand out. */
export const rate = (perSecond) => (perSecond < 0.5 ? "–" : `${bytes(perSecond)}/s`);

export const number = (value) => whole.format(value);

/** Return operations per second: two digits below 10, else none. */
export function perSecond(value) {
  return value < 10 && !Number.isInteger(value) ? value.toFixed(1) : whole.format(Math.round(value));
}

const STEPS = [[86_400, "d", 3_600, "h"], [3_600, "h", 60, "min"], [60, "min", 1, "s"]];

/** Return a duration by its two largest units, such as "3 h 12 min". */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  for (const [large, largeUnit, small, smallUnit] of STEPS) {
    if (s < large) continue;
    const rest = Math.floor((s % large) / small);
    return `${Math.floor(s / large)} ${largeUnit}${rest ? ` ${rest} ${smallUnit}` : ""}`;
  }
  return `${s} s`;
}

/** Return a duration by its largest unit, such as "3 h". */
export function roughly(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const step = STEPS.find(([large]) => s >= large);
  return step ? `${Math.floor(s / step[0])} ${step[1]}` : `${s} s`;
}

export const ago = (at, now) => `${roughly(now - at)} ago`;

/** Return date and time in the reader's time zone. */
export const moment = (at) => exact.format(at * 1000);

// Control characters, line separators, and characters that change the direction or cannot be seen.
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

/**
 * Return text of a device in a form that cannot deceive: each invisible character as its number,
 * such as "⟨U+202E⟩".
 */
export function visible(text) {
  return text.replace(INVISIBLE, (character) => {
    const code = character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    return `⟨U+${code}⟩`;
  });
}

/** Return the text in its short form if it is longer than `most` characters. */
export function shortened(text, most) {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}

/** Return "1 tunnel" or "3 tunnels". */
export const plural = (count, noun) => `${whole.format(count)} ${noun}${count === 1 ? "" : "s"}`;
