/** Links to the paragraphs about TP numbers, which the proxy serves itself. */

import { get } from "./api.js";
import { h, setText } from "./dom.js";
import { visible } from "./format.js";

const NUMBER = /^TP\d{4}$/;
const titles = new Map(); // what each number is called
const asked = new Map(); // promises of the same

/** Return a link to an error's paragraph; text that is no TP number stays text. */
export function errorLink(error) {
  if (!NUMBER.test(error)) return h("span", {}, h("bdi", {}, visible(error)));
  return h("a.code", { href: `/errors/${error}`, target: "_blank", rel: "noopener", title: "What it means, and what to do" }, error);
}

/** Return an element with what an error is called; it is empty until that is known. */
export function errorTitle(error) {
  const element = h("span.error-title", {}, titles.get(error) ?? "");
  if (NUMBER.test(error) && !titles.has(error)) titleOf(error).then((title) => setText(element, title));
  return element;
}

function titleOf(error) {
  if (!asked.has(error)) asked.set(error, ask(error));
  return asked.get(error);
}

async function ask(error) {
  try {
    titles.set(error, (await get(`/errors/${error}`)).title);
    return titles.get(error);
  } catch {
    asked.delete(error); // the number and its link say enough; the next view asks again
    return "";
  }
}
