/** The substreams of one tunnel, as they come and go. */

import { errorLink } from "../errors.js";
import { h, setText } from "../dom.js";
import { bytes, moment, number, plural, roughly, visible } from "../format.js";

const MAX_SHOWN = 200; // more are not read by people
const MAX_CLOSED = 50; // closed ones stay for a while, so that short ones can be read

export class Substreams {
  #byNumber = new Map(); // number -> substream; closed ones have `closed`
  #elements = new Map(); // number -> its row

  constructor() {
    this.body = h("tbody");
    this.empty = h("p.hint", {}, "");
    this.heading = h("h3", {}, "Substreams");
    const titles = [["Target", "target"], ["Sent", "number"], ["Received", "number"], ["For", "number.age"], ["State", "text"]];
    const head = h("tr", {}, ...titles.map(([title, kind]) => h(`th.${kind}`, { scope: "col" }, title)));
    this.table = h("table.substreams", { "aria-label": "Substreams of this tunnel" }, h("thead", {}, head), this.body);
    this.element = h("div.substream-list", {}, this.heading, this.table, this.empty);
    this.clear();
  }

  clear() {
    this.#byNumber.clear();
    this.#elements.clear();
    this.#show();
  }

  /** Take what is open now, and keep those that were seen to close. */
  reset(open) {
    for (const [key, substream] of this.#byNumber) if (!substream.closed) this.#byNumber.delete(key);
    for (const substream of open) this.#byNumber.set(substream.number, substream);
    this.#show();
  }

  take({ opened = [], changed = [], closed = [] }) {
    for (const substream of opened) this.#byNumber.set(substream.number, substream);
    for (const [key, fromDevice, fromTarget, state] of changed) {
      const substream = this.#byNumber.get(key);
      if (substream) Object.assign(substream, { bytes_from_device: fromDevice, bytes_from_target: fromTarget, state });
    }
    for (const end of closed) this.#close(end);
    this.#dropOld();
    this.#show();
  }

  /** Mark one as closed. One that came and went within a second is known by its end alone. */
  #close({ number: key, outcome, error, ...row }) {
    const substream = this.#byNumber.get(key) ?? (row.target ? { number: key, ...row } : undefined);
    if (substream === undefined || substream.closed) return;
    Object.assign(substream, { closed: { outcome, error, at: Date.now() / 1000 } });
    this.#byNumber.set(key, substream);
  }

  /** Mark all as closed: their tunnel has ended. */
  closeAll() {
    const end = { outcome: "tunnel ended", error: null, at: Date.now() / 1000 };
    for (const substream of this.#byNumber.values()) substream.closed ??= end;
    this.#show();
  }

  #dropOld() {
    const closed = [...this.#byNumber.values()].filter((s) => s.closed).sort((a, b) => b.closed.at - a.closed.at);
    for (const old of closed.slice(MAX_CLOSED)) this.#byNumber.delete(old.number);
  }

  /** Write rows again, whose times have changed. */
  refresh() {
    this.#show();
  }

  #show() {
    const all = [...this.#byNumber.values()];
    const open = all.filter((s) => !s.closed).length;
    const shown = all.sort((a, b) => Boolean(a.closed) - Boolean(b.closed) || b.since_at - a.since_at || b.number - a.number).slice(0, MAX_SHOWN);
    setText(this.heading, `Substreams (${number(open)} open)`);
    const rows = shown.map((substream) => this.#row(substream));
    if (rows.some((row, at) => this.body.children[at] !== row) || rows.length !== this.body.children.length) this.body.replaceChildren(...rows);
    for (const key of this.#elements.keys()) if (!this.#byNumber.has(key)) this.#elements.delete(key);
    this.table.hidden = shown.length === 0;
    const more = all.length - shown.length;
    setText(this.empty, shown.length === 0 ? "No substream is open. Each connection of the device to a target appears here." : more ? `${plural(more, "older one")} not shown.` : "");
  }

  #row(substream) {
    let row = this.#elements.get(substream.number);
    if (row === undefined) {
      row = h("tr", {}, h("td.target", {}, h("bdi")), h("td.number"), h("td.number"), h("td.number.age"), h("td.state"));
      this.#elements.set(substream.number, row);
    }
    this.#fill(row, substream);
    return row;
  }

  #fill(row, { target, address, kind, since_at: since, closed, state, ...substream }) {
    const [where, fromDevice, fromTarget, age, end] = row.children;
    const until = closed ? closed.at : Date.now() / 1000;
    setText(where.firstChild, `${kind === "tls" ? "tls " : ""}${visible(target ?? "no target yet")}`);
    where.title = [visible(target ?? ""), address].filter(Boolean).join(" at ");
    setText(fromDevice, bytes(substream.bytes_from_device));
    setText(fromTarget, bytes(substream.bytes_from_target));
    setText(age, roughly(until - since));
    age.title = moment(since);
    if (!closed) setText(end, state);
    else if (!row.classList.contains("closed")) end.replaceChildren(...outcome(closed));
    row.classList.toggle("closed", Boolean(closed));
  }
}

function outcome({ outcome: name, error }) {
  return error ? [errorLink(error), ` ${visible(name)}`] : [visible(name)];
}
