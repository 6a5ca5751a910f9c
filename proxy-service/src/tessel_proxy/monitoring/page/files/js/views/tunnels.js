/** The live list of tunnels, with one of them beside it. */

import { getAll } from "../api.js";
import { say } from "../announce.js";
import { h, setText } from "../dom.js";
import { bytes, moment, number, plural, rate, roughly, visible } from "../format.js";
import { Grid } from "../grid.js";
import { Rows } from "../rows.js";
import { TunnelPanel } from "./tunnel.js";

export const MAX_ROWS = 10_000; // tunnels that a browser holds at once; a filter finds the others
const ASK_MS = 400; // after the last key, so that a word is asked for once
const enc = encodeURIComponent;

const STATES = { handshake: "in the TLS handshake", unauthenticated: "no token yet", checking: "token being checked", closing: "closing" };

const isClosing = (tunnel) => tunnel.state === "closing";

function named(tunnel) {
  if (tunnel.device === null) return STATES[tunnel.state] ?? "no name";
  return isClosing(tunnel) ? `${visible(tunnel.device)} · ${STATES.closing}` : visible(tunnel.device);
}

const COLUMNS = [
  { key: "device", label: "Device", class: "name", text: named, title: named },
  { key: "account", label: "Account", class: "account", text: (t) => visible(t.account ?? "–"), title: (t) => visible(t.account ?? "") },
  { key: "address", label: "Address", class: "address", text: (t) => t.address, title: (t) => t.address },
  { key: "proxy", label: "Proxy", class: "proxy", text: (t) => visible(t.proxy), title: (t) => visible(t.member) },
  { key: "open_substreams", label: "Open", class: "number.open", text: (t) => number(t.open_substreams) },
  { key: "bytes_from_device_per_s", label: "From device", class: "number.from-device", text: (t) => rate(t.bytes_from_device_per_s) },
  { key: "bytes_from_target_per_s", label: "From targets", class: "number.from-target", text: (t) => rate(t.bytes_from_target_per_s) },
  { key: "bytes", label: "In all", class: "number.total", text: (t) => bytes(t.bytes), title: (t) => `${bytes(t.bytes_from_device)} from the device, ${bytes(t.bytes_from_target)} from targets` },
  { key: "since_at", label: "Since", class: "number.since", text: (t) => roughly(Date.now() / 1000 - t.since_at), title: (t) => moment(t.since_at) },
];

const CHANGED = ["bytes_from_device", "bytes_from_target", "bytes_from_device_per_s", "bytes_from_target_per_s", "open_substreams"];

const summed = (tunnel) => Object.assign(tunnel, { bytes: tunnel.bytes_from_device + tunnel.bytes_from_target });

export class TunnelsView {
  title = "Tunnels";
  #app;
  #rows = new Rows((tunnel) => tunnel.id, ["account", "device", "address", "proxy"], { key: "device", descending: false });
  #pending = null; // events that came while the list was being read
  #reading = 0; // counts readings: an older answer is ignored
  #total = 0;
  #missing = [];
  #asking = null;

  constructor(app) {
    this.#app = app;
    this.grid = new Grid({
      label: "Tunnels", columns: COLUMNS, rowId: (t) => t.id, wideRow: 34, narrowRow: 56,
      open: (t) => (location.hash = `#/tunnels/${enc(t.id)}`), sort: (key) => this.#sort(key),
      rowClass: (t) => (isClosing(t) ? "muted" : ""),
    });
    this.panel = new TunnelPanel(app, () => this.escape());
    this.element = h("div.split", {}, h("h1.unseen", {}, "Tunnels"), h("section.list", { "aria-label": "List of tunnels" }, this.#tools(), this.grid.frame), this.panel.element);
  }

  get topics() {
    return this.panel.id === null ? ["tunnels"] : ["tunnels", `substreams:${this.panel.id}`];
  }

  #tools() {
    this.filter = h("input", { type: "search", placeholder: "Name or address", "aria-label": "Filter by account, device or address", autocomplete: "off", spellcheck: "false", on: { input: () => this.#filtered() } });
    this.count = h("span.count", {}, "");
    this.order = h("select.order", { "aria-label": "Sort by", on: { change: () => this.#sort(this.order.value) } }, ...COLUMNS.map((c) => h("option", { value: c.key }, c.label)));
    return h("div.tools", {}, this.filter, this.count, this.order);
  }

  enter() {
    this.reload();
  }

  leave() {
    this.#reading += 1;
    clearTimeout(this.#asking);
    this.panel.close();
  }

  route(id) {
    if (id === "") this.panel.close();
    else this.panel.open(id, this.#rows.get(id));
    this.grid.select(this.panel.id);
    this.element.classList.toggle("opened", this.panel.id !== null);
  }

  /** Close the details and go back to the row. */
  escape() {
    if (this.panel.id === null) return;
    location.hash = "#/tunnels";
    this.grid.focus();
  }

  search() {
    this.filter.focus();
    return true;
  }

  async reload() {
    const reading = (this.#reading += 1);
    this.#pending = [];
    try {
      const found = await this.#read();
      if (reading !== this.#reading) return;
      this.#take(found);
    } catch (error) {
      if (reading === this.#reading) this.#app.complain("view", `The list of tunnels could not be read. ${error.message}`);
    }
    this.panel.reload();
  }

  /** Read the list; if it is larger than a browser should hold: what the filter's text names, too. */
  async #read() {
    const all = await getAll("/tunnels", "tunnels", MAX_ROWS);
    const text = this.filter.value.trim();
    if (all.total <= MAX_ROWS || text === "") return all;
    const named = await Promise.all(["account", "device", "address"].map((key) => getAll(`/tunnels?${key}=${enc(text)}`, "tunnels", MAX_ROWS)));
    return { ...all, rows: [...all.rows, ...named.flatMap((found) => found.rows)] };
  }

  #take({ rows, total, missing }) {
    this.#rows.reset(rows.map(summed));
    [this.#total, this.#missing] = [total, missing];
    for (const event of this.#pending) this.#apply(event);
    this.#pending = null;
    const some = total > MAX_ROWS ? `Only ${number(MAX_ROWS)} of ${number(total)} tunnels are listed. Filter by a whole account, device or address to find others.` : null;
    this.#app.complain("view", some ?? (missing.length ? `No answer from ${missing.join(", ")}: their tunnels are not listed.` : null));
    this.#show();
    if (this.panel.id !== null) this.panel.know(this.#rows.get(this.panel.id));
  }

  event(name, value) {
    if (name === "substreams") this.panel.event(value);
    if (name !== "tunnels") return;
    if (this.#pending !== null) this.#pending.push(value);
    else {
      this.#apply(value);
      this.#show();
    }
  }

  #apply({ opened = [], changed = [], closed = [] }) {
    for (const tunnel of opened) this.#rows.put(summed(tunnel));
    for (const [id, ...values] of changed) this.#change(this.#rows.get(id), values);
    for (const { id, ...end } of closed) {
      this.panel.ended(id, end);
      this.#rows.delete(id);
    }
    this.#total = Math.max(this.#rows.size, this.#total + opened.length - closed.length);
  }

  #change(tunnel, values) {
    if (tunnel === undefined) return; // beyond MAX_ROWS
    CHANGED.forEach((key, at) => (tunnel[key] = values[at]));
    summed(tunnel);
  }

  #show() {
    const held = this.grid.frame.matches(":hover") || document.activeElement === this.grid.element;
    const view = this.#rows.view(performance.now(), held);
    this.grid.show(view, this.#rows.sorting);
    const [shown, all] = [view.length, this.#app.totals?.tunnels ?? this.#total];
    setText(this.count, this.filter.value.trim() === "" ? plural(shown, "tunnel") : `${number(shown)} of ${number(all)}`);
    this.#showEmpty(shown);
    this.panel.know(this.#rows.get(this.panel.id));
  }

  #showEmpty(shown) {
    this.grid.empty.hidden = shown > 0;
    if (shown > 0) return;
    if (this.filter.value.trim() !== "") {
      const clear = { click: () => ((this.filter.value = ""), this.#filtered(), this.filter.focus()) };
      this.grid.empty.replaceChildren(h("p", {}, "No tunnel matches this filter."), h("button", { type: "button", on: clear }, "Clear the filter"));
    } else this.grid.empty.replaceChildren(...noTunnels());
  }

  #filtered() {
    this.#rows.filterBy(this.filter.value);
    this.#show();
    say(`${plural(this.#rows.view(performance.now(), true).length, "tunnel")} shown.`);
    clearTimeout(this.#asking);
    if (this.#total > MAX_ROWS) this.#asking = setTimeout(() => this.reload(), ASK_MS);
  }

  #sort(key) {
    this.#rows.sortBy(key);
    this.order.value = key;
    this.#show();
  }

  second() {
    this.grid.refresh();
    this.panel.second();
  }
}

function noTunnels() {
  return [
    h("p", {}, h("strong", {}, "No device is connected.")),
    h("p", {}, "On a device, set ", h("code", {}, "PROXY_HOST"), " to this proxy's name and ", h("code", {}, "PROXY_TOKEN"), " to a token that it accepts. If devices try and fail, the reason is under ", h("a", { href: "#/overview" }, "Overview"), "."),
  ];
}
