/** The last hour: throughput and opens, in all or of one account, and what was refused. */

import { get } from "../api.js";
import { BYTES, Chart, OPENS } from "../charts.js";
import { refuse } from "../commands.js";
import { h, morph, setText } from "../dom.js";
import { errorLink, errorTitle } from "../errors.js";
import { ago, moment, number, plural, visible } from "../format.js";

const EVERY_S = 10; // the history's step
const ALL = ""; // no account has this name
const SHOWN_REFUSALS = 50;
const now = () => Date.now() / 1000;

export class OverviewView {
  title = "Overview";
  topics = [];
  #app;
  #history = null;
  #timer = null;
  #left = false;
  #rows = new Map(); // refusal -> its row

  constructor(app) {
    this.#app = app;
    this.account = h("select", { id: "chart-account", on: { change: () => this.#show() } }, h("option", { value: ALL }, "All accounts"));
    this.throughput = new Chart({ title: "Throughput", unit: BYTES, series: [{ label: "From devices", color: "series-1" }, { label: "From targets", color: "series-2" }] });
    this.opens = new Chart({ title: "Opens and refusals", unit: OPENS, series: [{ label: "Opens", color: "series-1" }, { label: "Refusals", color: "series-3" }] });
    this.reasons = h("div");
    this.latest = h("tbody");
    this.latestTable = h("table.latest", { "aria-label": "Latest refusals" }, h("thead", {}, h("tr", {}, ...["When", "Error", "Device", "Address", "What happened", ""].map((title) => h("th", { scope: "col" }, title || h("span.unseen", {}, "Action"))))), this.latest);
    this.none = h("p.hint", {}, "Nothing was refused since this page was opened.");
    this.element = h("div.page", {},
      h("div.tools", {}, h("h1", {}, "Last hour"), h("label", { for: "chart-account" }, "of"), this.account),
      h("div.charts", {}, this.throughput.element, this.opens.element),
      h("div.halves", {},
        h("section", { "aria-labelledby": "reasons-title" }, h("h2", { id: "reasons-title" }, "Refusals by reason"), this.reasons),
        h("section", { "aria-labelledby": "latest-title" }, h("h2", { id: "latest-title" }, "Latest refusals"), h("div.scroll-x", {}, this.latestTable), this.none)));
  }

  enter() {
    this.#showLatest();
    this.reload();
  }

  leave() {
    this.#left = true;
    clearTimeout(this.#timer);
    this.throughput.stop();
    this.opens.stop();
  }

  route() {}

  event(name) {
    if (name === "refusals") this.#showLatest();
  }

  second() {
    for (const [refusal, row] of this.#rows) setText(row.firstChild, ago(refusal.at, now()));
  }

  async reload() {
    clearTimeout(this.#timer);
    try {
      if (!document.hidden || this.#history === null) this.#history = await get("/history");
      if (this.#left) return;
      this.#app.complain("view", null);
      this.#showAccounts();
      this.#show();
    } catch (error) {
      if (!this.#left) this.#app.complain("view", `The last hour could not be read. ${error.message}`);
    }
    if (!this.#left) this.#timer = setTimeout(() => this.reload(), EVERY_S * 1000);
  }

  #showAccounts() {
    const chosen = this.account.value;
    const names = Object.keys(this.#history.accounts).sort();
    if (chosen !== ALL && !names.includes(chosen)) names.unshift(chosen); // it became quiet
    morph(this.account, h("option", { value: ALL }, "All accounts"), ...names.map((name) => h("option", { value: name }, visible(name))));
    this.account.value = chosen;
  }

  #show() {
    const { step_s: step, from_at: from, all, accounts } = this.#history;
    const chosen = this.account.value === ALL ? all : accounts[this.account.value];
    const series = chosen ?? { bytes_from_device: [], bytes_from_target: [], opens: [], refusals: {} };
    const times = series.opens.map((_, at) => from + at * step);
    const each = (list) => list.map((value) => value / step);
    this.throughput.show(times, [each(series.bytes_from_device), each(series.bytes_from_target)]);
    this.opens.show(times, [each(series.opens), each(summed(Object.values(series.refusals), times.length))]);
    morph(this.reasons, ...reasonsOf(series.refusals));
  }

  #showLatest() {
    const shown = this.#app.refusals.slice(0, SHOWN_REFUSALS);
    const rows = shown.map((refusal) => this.#rows.get(refusal) ?? this.#row(refusal));
    this.#rows = new Map(shown.map((refusal, at) => [refusal, rows[at]]));
    rows.forEach((row, at) => {
      if (this.latest.children[at] !== row) this.latest.insertBefore(row, this.latest.children[at] ?? null);
    });
    while (this.latest.children.length > rows.length) this.latest.lastChild.remove();
    this.latestTable.hidden = rows.length === 0;
    this.none.hidden = rows.length > 0;
  }

  #row({ at, error, code, account, device, address, count, text }) {
    const who = device ? `${visible(device)} · ${visible(account ?? "")}` : visible(account ?? "unknown");
    const times = count > 1 ? ` (${number(count)} times)` : "";
    const act = { click: () => refuse({ account, device, address }) };
    return h("tr", {},
      h("td.when", { title: moment(at) }, ago(at, now())),
      h("td", {}, errorLink(error ?? code)),
      h("td.who", { title: who }, h("bdi", {}, who)),
      h("td.address", {}, address ?? "–"),
      h("td.what", { title: visible(text ?? "") }, h("bdi", {}, `${visible(text ?? "")}${times}`)),
      h("td.do", {}, account || address ? h("button.small", { type: "button", on: act }, "Refuse…") : null));
  }
}

function summed(lists, length) {
  return Array.from({ length }, (_, at) => lists.reduce((sum, list) => sum + (list[at] ?? 0), 0));
}

function reasonsOf(refusals) {
  const counts = Object.entries(refusals).map(([code, list]) => [code, list.reduce((sum, count) => sum + count, 0)]);
  const some = counts.filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  if (some.length === 0) return [h("p.hint", {}, "Nothing was refused in the last hour.")];
  const most = some[0][1];
  return [h("ul.counts", {}, ...some.map(([code, count]) => h("li", {},
    errorLink(code), " ", errorTitle(code), h("span.count", {}, number(count)),
    h("meter", { min: 0, max: most, value: count, "aria-label": `${plural(count, "refusal")} by ${code}` }))))];
}
