/** What operators refuse: the list, adding to it and removing from it. */

import { get } from "../api.js";
import { allow, refuse, subjectOf } from "../commands.js";
import { h, setText } from "../dom.js";
import { ago, moment, number, plural, roughly, visible } from "../format.js";
import { Grid } from "../grid.js";
import { Rows } from "../rows.js";

const EVERY_S = 5; // seconds between readings: another operator may change the list

const now = () => Date.now() / 1000;

const COLUMNS = [
  { key: "subject", label: "Refused", class: "name", text: (r) => visible(r.subject), title: (r) => visible(r.subject) },
  { key: "reason", label: "Reason", class: "reason", text: (r) => visible(r.reason), title: (r) => visible(r.reason) },
  { key: "until", label: "Until", class: "until", text: (r) => (r.until_at === null ? "no end" : `in ${roughly(r.until_at - now())}`), title: (r) => (r.until_at === null ? "until somebody removes it" : moment(r.until_at)) },
  { key: "since_at", label: "Since", class: "since", text: (r) => ago(r.since_at, now()), title: (r) => moment(r.since_at) },
  { key: "by", label: "By", class: "by", text: (r) => visible(r.by), title: (r) => visible(r.by) },
  { key: "id", label: "Remove", class: "action", sortable: false, text: () => "Remove…" },
];

// A refusal without an end sorts after all others.
const asRow = (rule) => ({ ...rule, subject: subjectOf(rule), until: rule.until_at ?? Number.MAX_SAFE_INTEGER });

export class RefusedView {
  title = "Refused";
  topics = [];
  #app;
  #timer = null;
  #left = false;
  #rows = new Rows((rule) => rule.id, ["subject", "reason", "by"], { key: "since_at", descending: true });

  constructor(app) {
    this.#app = app;
    this.grid = new Grid({
      label: "Refused by operators", columns: COLUMNS, rowId: (r) => r.id, wideRow: 34, narrowRow: 56,
      open: (rule) => allow(rule, () => this.reload()), sort: (key) => this.#sort(key),
    });
    this.filter = h("input", { type: "search", placeholder: "Name, address or reason", "aria-label": "Filter by name, address or reason", autocomplete: "off", spellcheck: "false", on: { input: () => this.#filtered() } });
    this.count = h("span.count", {}, "");
    const add = h("button", { type: "button", on: { click: () => this.#add() } }, "Refuse…");
    this.element = h("div.split", {}, h("h1.unseen", {}, "Refused"), h("section.list", { "aria-label": "Refused by operators" },
      h("div.tools", {}, this.filter, this.count, add), this.grid.frame));
  }

  enter() {
    this.reload();
  }

  leave() {
    this.#left = true;
    clearTimeout(this.#timer);
  }

  route() {}
  event() {}

  search() {
    this.filter.focus();
    return true;
  }

  second() {
    this.grid.refresh();
  }

  #add() {
    refuse({}, () => this.reload());
  }

  async reload() {
    clearTimeout(this.#timer);
    try {
      const { refused, missing = [] } = await get("/refused");
      if (this.#left) return;
      this.#rows.reset(refused.map(asRow));
      this.#app.complain("view", missing.length ? `No answer from ${missing.join(", ")}.` : null);
      this.#show();
    } catch (error) {
      if (!this.#left) this.#app.complain("view", `The list could not be read. ${error.message}`);
    }
    if (!this.#left) this.#timer = setTimeout(() => this.reload(), EVERY_S * 1000);
  }

  #show() {
    const view = this.#rows.view(performance.now(), false);
    this.grid.show(view, this.#rows.sorting);
    setText(this.count, this.filter.value.trim() === "" ? plural(view.length, "refusal") : `${number(view.length)} of ${number(this.#rows.size)}`);
    this.grid.empty.hidden = view.length > 0;
    if (view.length > 0) return;
    const text = this.#rows.size > 0 ? "No refusal matches this filter." : "Nobody is refused. “Refuse…” keeps a device, an account or an address out, for a time or until you remove it.";
    this.grid.empty.replaceChildren(h("p", {}, text));
  }

  #filtered() {
    this.#rows.filterBy(this.filter.value);
    this.#show();
  }

  #sort(key) {
    this.#rows.sortBy(key);
    this.#show();
  }
}
