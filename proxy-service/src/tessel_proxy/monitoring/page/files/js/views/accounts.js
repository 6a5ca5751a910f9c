/** The accounts that are connected, with their usage and limits, and one of them beside the list. */

import { getAll } from "../api.js";
import { say } from "../announce.js";
import { checkTokens, endAll, refuse } from "../commands.js";
import { facts, h, morph, setText } from "../dom.js";
import { errorLink, errorTitle } from "../errors.js";
import { ago, bytes, moment, number, perSecond, plural, rate, visible } from "../format.js";
import { Grid } from "../grid.js";
import { Rows } from "../rows.js";

const MAX_ROWS = 10_000;
const EVERY_S = 5; // seconds between readings: accounts have no events
const enc = encodeURIComponent;

const COLUMNS = [
  { key: "account", label: "Account", class: "name", text: (a) => visible(a.account), title: (a) => visible(a.account) },
  { key: "tunnels", label: "Tunnels", class: "number.open", text: (a) => number(a.tunnels) },
  { key: "substreams", label: "Substreams", class: "number.substreams", text: (a) => number(a.substreams) },
  { key: "bytes_from_device_per_s", label: "From devices", class: "number.from-device", text: (a) => rate(a.bytes_from_device_per_s) },
  { key: "bytes_from_target_per_s", label: "From targets", class: "number.from-target", text: (a) => rate(a.bytes_from_target_per_s) },
  { key: "opens_per_s", label: "Opens/s", class: "number.opens", text: (a) => perSecond(a.opens_per_s) },
  { key: "bytes_today", label: "Today", class: "number.today", text: todayText, title: todayTitle },
  { key: "refusals", label: "Refusals", class: "number.refusals", text: (a) => (a.refusals ? number(a.refusals) : "–") },
];

function todayText({ bytes_today: used, limits }) {
  if (used === null) return "–";
  return limits.bytes_per_day ? `${bytes(used)} · ${Math.floor((100 * used) / limits.bytes_per_day)} %` : bytes(used);
}

function todayTitle({ limits }) {
  return limits.bytes_per_day ? `of ${bytes(limits.bytes_per_day)} a day` : "without a limit per day";
}

const withSums = (account) => ({ ...account, refusals: Object.values(account.refused).reduce((sum, count) => sum + count, 0) });

export class AccountsView {
  title = "Accounts";
  topics = [];
  #app;
  #id = null;
  #timer = null;
  #left = false;
  #rows = new Rows((a) => a.account, ["account"], { key: "account", descending: false });

  constructor(app) {
    this.#app = app;
    this.grid = new Grid({
      label: "Accounts", columns: COLUMNS, rowId: (a) => a.account, wideRow: 34, narrowRow: 56,
      open: (a) => (location.hash = `#/accounts/${enc(a.account)}`), sort: (key) => this.#sort(key),
    });
    this.filter = h("input", { type: "search", placeholder: "Account", "aria-label": "Filter by account", autocomplete: "off", spellcheck: "false", on: { input: () => this.#filtered() } });
    this.count = h("span.count", {}, "");
    this.order = h("select.order", { "aria-label": "Sort by", on: { change: () => this.#sort(this.order.value) } }, ...COLUMNS.map((c) => h("option", { value: c.key }, c.label)));
    const all = h("button", { type: "button", on: { click: () => checkTokens(null) } }, "Check all tokens…");
    const tools = h("div.tools", {}, this.filter, this.count, this.order, all);
    this.panel = h("section.panel", { "aria-label": "Details of the account", hidden: true });
    this.element = h("div.split", {}, h("h1.unseen", {}, "Accounts"), h("section.list", { "aria-label": "List of accounts" }, tools, this.grid.frame), this.panel);
  }

  enter() {
    this.reload();
  }

  leave() {
    this.#left = true;
    clearTimeout(this.#timer);
  }

  async reload() {
    clearTimeout(this.#timer);
    try {
      const { rows, missing } = await getAll("/accounts", "accounts", MAX_ROWS);
      if (this.#left) return;
      this.#rows.reset(rows.map(withSums));
      this.#app.complain("view", missing.length ? `No answer from ${missing.join(", ")}: their part is not counted.` : null);
      this.#show();
    } catch (error) {
      if (!this.#left) this.#app.complain("view", `The list of accounts could not be read. ${error.message}`);
    }
    if (!this.#left) this.#timer = setTimeout(() => this.#again(), EVERY_S * 1000);
  }

  #again() {
    if (document.hidden) this.#timer = setTimeout(() => this.#again(), EVERY_S * 1000);
    else this.reload();
  }

  event() {}

  route(id) {
    const opened = id !== "" && id !== this.#id;
    this.#id = id === "" ? null : id;
    this.panel.hidden = this.#id === null;
    this.element.classList.toggle("opened", this.#id !== null);
    this.grid.select(this.#id);
    this.#showPanel();
    if (opened) this.panel.querySelector("h2")?.focus();
  }

  escape() {
    if (this.#id === null) return;
    location.hash = "#/accounts";
    this.grid.focus();
  }

  search() {
    this.filter.focus();
    return true;
  }

  #show() {
    const held = this.grid.frame.matches(":hover") || document.activeElement === this.grid.element;
    const view = this.#rows.view(performance.now(), held);
    this.grid.show(view, this.#rows.sorting);
    setText(this.count, plural(view.length, "account"));
    this.grid.empty.hidden = view.length > 0;
    const why = this.filter.value.trim() === "" ? "No account is connected. Accounts appear here with their first tunnel." : "No account matches this filter.";
    if (view.length === 0) this.grid.empty.replaceChildren(h("p", {}, why));
    this.#showPanel();
  }

  #filtered() {
    this.#rows.filterBy(this.filter.value);
    this.#show();
    say(`${plural(this.#rows.view(performance.now(), true).length, "account")} shown.`);
  }

  #sort(key) {
    this.#rows.sortBy(key);
    this.order.value = key;
    this.#show();
  }

  #showPanel() {
    if (this.#id === null) return;
    if (this.built !== this.#id) this.#build(this.#id);
    const account = this.#rows.get(this.#id);
    morph(this.body, ...(account ? detailsOf(account) : [h("p.hint", {}, "This account has no tunnel now.")]));
  }

  #build(name) {
    this.built = name;
    this.body = h("div");
    const button = (text, click) => h("button", { type: "button", on: { click } }, text);
    const close = h("button.quiet.close", { type: "button", "aria-label": "Close the details", on: { click: () => this.escape() } }, "×");
    this.panel.replaceChildren(
      h("div.panel-head", {}, h("h2", { tabindex: -1 }, h("bdi", {}, visible(name))), close),
      h("div.buttons.start", {}, button("End all…", () => endAll(name)), button("Refuse…", () => refuse({ account: name })), button("Check tokens…", () => checkTokens(name))),
      this.body,
    );
  }
}

function detailsOf(account) {
  const { limits } = account;
  const of = (value, limit, text) => (limit ? `${text(value)} of ${text(limit)}` : `${text(value)}, no limit`);
  return [
    facts([
      ["Tunnels", of(account.tunnels, limits.tunnels, number)],
      ["Substreams", of(account.substreams, limits.substreams, number)],
      ["Opens per second", of(account.opens_per_s, limits.opens_per_s, perSecond)],
      ["From devices", rate(account.bytes_from_device_per_s)],
      ["From targets", rate(account.bytes_from_target_per_s)],
      ["Limit of both", limits.bytes_per_s ? `${bytes(limits.bytes_per_s)}/s` : "none"],
      ["Today", account.bytes_today === null ? "not known" : of(account.bytes_today, limits.bytes_per_day, bytes)],
    ]),
    limits.bytes_per_day && account.bytes_today !== null ? h("meter", { min: 0, max: limits.bytes_per_day, high: 0.9 * limits.bytes_per_day, value: account.bytes_today, "aria-label": "Share of the day's bytes" }) : h("span"),
    h("h3", {}, "Refusals"),
    ...refusalsOf(account),
  ];
}

function refusalsOf({ refused, last_refusal: last }) {
  const counts = Object.entries(refused).sort((a, b) => b[1] - a[1]);
  if (counts.length === 0) return [h("p.hint", {}, "None.")];
  const rows = counts.map(([code, count]) => h("li", {}, errorLink(code), " ", errorTitle(code), h("span.count", {}, number(count))));
  const now = Date.now() / 1000;
  const latest = last ? h("p.hint", { title: moment(last.at) }, `The latest was ${ago(last.at, now)}: `, errorLink(last.error ?? last.code)) : h("span");
  return [h("ul.counts", {}, ...rows), latest];
}
