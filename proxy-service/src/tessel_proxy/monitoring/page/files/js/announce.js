/** Says things to screen readers, and shows results of commands for a while. */

import { byId, h } from "./dom.js";

const PAUSE_MS = 3_000; // between announcements: more would interrupt each other
const TOAST_MS = 10_000;

let waiting = null;
let saidAt = -PAUSE_MS;
let timer = null;

/** Announce politely. If much happens at once, only the newest text is said. */
export function say(text) {
  waiting = text;
  if (timer !== null) return;
  timer = setTimeout(speak, Math.max(0, saidAt + PAUSE_MS - performance.now()));
}

function speak() {
  [timer, saidAt] = [null, performance.now()];
  byId("live").textContent = waiting;
}

/** Show the result of a command, and announce it. */
export function toast(text) {
  const close = { click: () => element.remove() };
  const element = h("div.toast", {}, h("span", {}, text), h("button.quiet", { type: "button", "aria-label": "Dismiss", on: close }, "×"));
  byId("toasts").replaceChildren(element); // one at a time
  setTimeout(() => element.remove(), TOAST_MS);
  say(text);
}

/** Return what a command's answer says about the fleet: who did it, and who did not answer. */
export function outcomeOf(answer) {
  const missing = answer.missing ?? [];
  if (missing.length === 0) return "";
  return ` Not confirmed within 1 s by ${missing.join(", ")}.`;
}
