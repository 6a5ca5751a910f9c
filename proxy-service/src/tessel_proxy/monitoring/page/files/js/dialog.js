/** A question in a `<dialog>`: fields, a button that does it, and one that does not. */

import { h, setText } from "./dom.js";

let questions = 0; // for ids

/**
 * Ask, and do what is asked for until it succeeds or is cancelled. Escape cancels; the browser
 * keeps the focus inside, and returns it afterwards.
 *
 * @param {{title: string, text: (string|Node)[], fields?: HTMLElement[], confirm: string,
 *   act: function(FormData): Promise}} question  `act` may raise an Error, whose message is shown
 */
export function ask(question) {
  const id = `question-${(questions += 1)}`;
  const error = h("p.error", { role: "alert" });
  const confirm = h("button.danger", { type: "submit" }, question.confirm);
  const cancel = h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel");
  const form = h("form", { method: "dialog" }, h("h2", { id }, question.title), ...question.text.map((t) => h("p", {}, t)),
    ...(question.fields ?? []), error, h("div.buttons", {}, cancel, confirm));
  const dialog = h("dialog", { "aria-labelledby": id }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await attempt(question.act, form, confirm, error) && dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  (form.querySelector("[autofocus]") ?? cancel).focus();
}

async function attempt(act, form, confirm, error) {
  confirm.disabled = true; // one press is one command
  try {
    await act(new FormData(form));
    return true;
  } catch (problem) {
    setText(error, problem.message);
    return false;
  } finally {
    confirm.disabled = false;
  }
}

/** Return a field with its label above and a hint below. */
export function field(label, input, hint = null) {
  const id = `field-${(questions += 1)}`;
  input.id = id;
  if (hint !== null) input.setAttribute("aria-describedby", `${id}-hint`);
  return h("div.field", {}, h("label", { for: id }, label), input, hint === null ? null : h("p.hint", { id: `${id}-hint` }, hint));
}

/** Return the field for a command's reason, which the device's program and the audit log get. */
export function reasonField(hint = "The device's program gets this reason. It is also written to the audit log.") {
  const input = h("input", { name: "reason", required: true, maxlength: 200, autofocus: true, autocomplete: "off", pattern: "[\\s\\S]*\\S[\\s\\S]*" });
  return field("Reason", input, hint);
}
