/** One tunnel beside the list: its facts, commands and substreams. */

import { say } from "../announce.js";
import { ApiError, get } from "../api.js";
import { endTunnel, refuse } from "../commands.js";
import { facts, h, setText } from "../dom.js";
import { errorLink } from "../errors.js";
import { bytes, duration, moment, plural, rate, visible } from "../format.js";
import { Substreams } from "./substreams.js";

const enc = encodeURIComponent;
const CLOSING = "This tunnel is closing. It ends when the device has closed its end, or after 10 s."; // streamplex CLOSE_TIMEOUT_S

export class TunnelPanel {
  id = null;
  #app;
  #tunnel = null;
  #end = null; // how it ended, if it has
  #pending = null; // events that came while the tunnel was being read

  constructor(app, close) {
    this.#app = app;
    this.substreams = new Substreams();
    this.heading = h("h2", { tabindex: -1 }, "");
    this.notice = h("p.notice", { hidden: true });
    this.facts = h("div");
    this.end = h("button", { type: "button", on: { click: () => endTunnel(this.#tunnel) } }, "End…");
    this.refuse = h("button", { type: "button", on: { click: () => refuse(this.#tunnel) } }, "Refuse…");
    const back = h("button.quiet.close", { type: "button", "aria-label": "Close the details", on: { click: close } }, "×");
    this.element = h("section.panel", { "aria-label": "Details of the tunnel", hidden: true },
      h("div.panel-head", {}, this.heading, back), this.notice, h("div.buttons.start", {}, this.end, this.refuse), this.facts, this.substreams.element);
  }

  open(id, known) {
    if (id === this.id) return;
    [this.id, this.#tunnel, this.#end] = [id, null, null];
    this.element.hidden = false;
    this.substreams.clear();
    setText(this.heading, "Tunnel");
    this.facts.replaceChildren();
    this.know(known);
    this.#showState();
    this.reload();
    this.heading.focus();
  }

  close() {
    [this.id, this.#tunnel] = [null, null];
    this.element.hidden = true;
  }

  async reload() {
    const { id } = this;
    if (id === null) return;
    this.#pending = [];
    try {
      const tunnel = await get(`/tunnels/${enc(id)}`);
      if (id === this.id) this.#take(tunnel);
    } catch (error) {
      if (id === this.id) this.#failed(error);
    }
  }

  #take({ open, ...tunnel }) {
    this.know(tunnel);
    this.substreams.reset(open);
    for (const event of this.#pending ?? []) this.substreams.take(event);
    this.#pending = null;
  }

  #failed(error) {
    this.#pending = null;
    const gone = error instanceof ApiError && error.status === 404;
    if (gone) this.ended(this.id, { outcome: "ended", error: null, why: null });
    else this.#notify(`The tunnel could not be read. ${error.message}`);
  }

  /** Show newer values of this tunnel. */
  know(tunnel) {
    if (tunnel === undefined || tunnel.id !== this.id) return;
    const before = this.#tunnel?.state;
    this.#tunnel = { ...this.#tunnel, ...tunnel };
    if (tunnel.state !== before) this.#showState();
    this.#show();
  }

  event(value) {
    if (value.tunnel !== this.id) return;
    if (this.#pending !== null) this.#pending.push(value);
    this.substreams.take(value);
    if (value.ended) this.ended(this.id, value.ended);
  }

  ended(id, end) {
    if (id !== this.id || this.#end !== null) return;
    this.#end = { ...end, at: Date.now() / 1000 };
    this.substreams.closeAll();
    this.#showState();
    say("This tunnel has ended.");
  }

  second() {
    if (this.id === null) return;
    this.substreams.refresh();
    if (this.#tunnel !== null) this.#show();
  }

  #notify(...content) {
    this.notice.hidden = content.length === 0;
    this.notice.replaceChildren(...content);
  }

  #showState() {
    const closing = this.#tunnel?.state === "closing";
    this.end.disabled = closing || this.#end !== null;
    if (this.#end === null) return closing ? this.#notify(CLOSING) : this.#notify();
    const { error, why, outcome, at } = this.#end;
    const reason = why || outcome;
    this.#notify("This tunnel has ended", ...(reason && reason !== "ended" ? [`: ${visible(reason)}`] : []), ". ", h("span.muted", { title: moment(at) }, moment(at)), ...(error ? [" ", errorLink(error)] : []));
  }

  #show() {
    const t = this.#tunnel;
    setText(this.heading, t.device === null ? "Unnamed device" : visible(t.device));
    const until = this.#end?.at ?? Date.now() / 1000;
    const pairs = [
      ["Account", t.account === null ? "not known yet" : visible(t.account)],
      ["Address", t.address],
      ["Proxy", `${visible(t.proxy)} · ${visible(t.member)}`],
      ["Listener", t.listener],
      ["Connected", `${duration(until - t.since_at)}, since ${moment(t.since_at)}`],
      ["State", this.#end ? "ended" : t.state],
      ["TLS", t.tls_version ? `${t.tls_version}, ${t.tls_cipher}${t.resumed ? ", resumed" : ""}` : "none: a load balancer does it"],
      ["Features", t.features.length ? t.features.join(", ") : "none"],
      ["From device", `${bytes(t.bytes_from_device)} · ${rate(t.bytes_from_device_per_s)}`],
      ["From targets", `${bytes(t.bytes_from_target)} · ${rate(t.bytes_from_target_per_s)}`],
      ["Substreams", `${plural(t.substreams, "substream")} so far`],
      ["Id", t.id],
    ];
    this.#write(pairs);
  }

  #write(pairs) {
    const values = this.facts.querySelectorAll("dd");
    if (values.length !== pairs.length) this.facts.replaceChildren(facts(pairs));
    else pairs.forEach(([, value], at) => setText(values[at], value ?? ""));
  }
}
