/** The page of a session: its stream, its views, and what is above all views. */

import { say } from "./announce.js";
import { get } from "./api.js";
import { byId, h, setAttribute, setText } from "./dom.js";
import { duration, number, perSecond, plural, rate } from "./format.js";
import { CONNECTING, LIVE, LOST, PAUSED, Stream } from "./stream.js";
import { AccountsView } from "./views/accounts.js";
import { OverviewView } from "./views/overview.js";
import { ProxiesView } from "./views/proxies.js";
import { RefusedView } from "./views/refused.js";
import { TunnelsView } from "./views/tunnels.js";

const VIEWS = { overview: OverviewView, tunnels: TunnelsView, accounts: AccountsView, refused: RefusedView, proxies: ProxiesView };
const ALWAYS = ["totals", "refusals", "proxies"];
const RECENT_REFUSALS = 100; // kept for the overview while the page is open

export class App {
  stream = new Stream();
  /** Counts of this second, as the last event had them. */
  totals = null;
  /** The answer of /proxies. */
  fleet = null;
  /** The latest refusals, newest first. */
  refusals = [];
  #view = null;
  #name = null;
  #ends = new AbortController(); // removes this session's listeners

  start() {
    const { signal } = this.#ends;
    window.addEventListener("hashchange", () => this.#route(), { signal });
    byId("try-now").addEventListener("click", () => this.stream.tryNow(), { signal });
    document.querySelector(".skip").addEventListener("click", (event) => this.#skip(event), { signal });
    document.addEventListener("keydown", (event) => this.#key(event), { signal });
    byId("totals").replaceChildren(...this.#figures());
    this.#listen();
    this.stream.start(ALWAYS);
    this.#route();
  }

  stop() {
    this.#ends.abort();
    this.stream.stop();
    this.#view?.leave();
    byId("content").replaceChildren();
    byId("banners").replaceChildren();
  }

  /** The time at the proxy is taken as this machine's: both keep time, or certificates would fail. */
  get now() {
    return Date.now() / 1000;
  }

  #listen() {
    const on = (name, call) => this.stream.addEventListener(name, (event) => call(event.detail));
    on("event:totals", (totals) => this.#showTotals(totals));
    on("event:proxies", (fleet) => this.#showFleet(fleet));
    on("event:refusals", (refusal) => this.#keepRefusals([refusal].flat()));
    on("state", () => this.#stateChanged());
    on("second", () => this.#second());
    on("opened", ({ afterGap }) => afterGap && this.#refetch());
    for (const name of ["tunnels", "substreams"]) on(`event:${name}`, (value) => this.#view?.event(name, value));
  }

  async #refetch() {
    this.#view?.reload();
    const before = this.fleet;
    try {
      const fleet = await get("/proxies");
      if (this.fleet === before) this.#showFleet(fleet); // an event is newer
    } catch (error) {
      this.complain("fleet", `The list of proxies could not be read. ${error.message}`);
    }
  }

  #route() {
    const [, name = "", id = ""] = location.hash.split("/");
    const known = name in VIEWS ? name : "overview";
    if (known !== this.#name) this.#change(known);
    this.#view.route(decodeURIComponent(id));
    this.stream.follow([...ALWAYS, ...this.#view.topics]);
  }

  #change(name) {
    this.#view?.leave();
    this.#name = name;
    this.#view = new VIEWS[name](this);
    for (const link of document.querySelectorAll("nav a")) {
      setAttribute(link, "aria-current", link.hash === `#/${name}` ? "page" : null);
    }
    document.title = `${this.#view.title} · Tessel proxy`;
    byId("app").dataset.view = name;
    byId("content").replaceChildren(this.#view.element);
    this.complain("view", null);
    this.#view.enter();
  }

  /** Move the focus to the content, without a change of the address, which names the view. */
  #skip(event) {
    event.preventDefault();
    byId("content").focus();
  }

  #key(event) {
    if (event.key === "Escape" && document.querySelector("dialog[open]") === null) this.#view?.escape?.();
    if (event.key === "/" && !event.target.closest("input, textarea, select, dialog")) {
      if (this.#view?.search?.()) event.preventDefault();
    }
  }

  #figures() {
    this.figures = Object.fromEntries(["Tunnels", "Substreams", "From devices", "From targets", "Opens/s", "Proxies ready"].map((name) => [name, h("dd", {}, "–")]));
    return [h("dl", {}, ...Object.entries(this.figures).map(([name, dd]) => h("div", {}, h("dt", {}, name), dd)))];
  }

  #showTotals(totals) {
    this.totals = totals;
    setText(this.figures.Tunnels, number(totals.tunnels));
    setText(this.figures.Substreams, number(totals.substreams));
    setText(this.figures["From devices"], rate(totals.bytes_from_device_per_s));
    setText(this.figures["From targets"], rate(totals.bytes_from_target_per_s));
    setText(this.figures["Opens/s"], perSecond(totals.opens_per_s));
    this.#view?.event("totals", totals);
  }

  #showFleet(fleet) {
    this.fleet = fleet;
    const serving = fleet.proxies.filter((proxy) => proxy.role !== "supervisor");
    const ready = serving.filter((proxy) => proxy.ready);
    setText(this.figures["Proxies ready"], `${ready.length} of ${serving.length}`);
    this.figures["Proxies ready"].classList.toggle("bad", ready.length < serving.length);
    if (this.totals === null) this.#showOpen(fleet.proxies);
    this.complain("fleet", fleetTrouble(fleet));
    this.#view?.event("proxies", fleet);
  }

  /** Show what is open until the first totals come, which may take a second. */
  #showOpen(proxies) {
    const sum = (name) => number(proxies.reduce((total, proxy) => total + proxy[name], 0));
    setText(this.figures.Tunnels, sum("tunnels"));
    setText(this.figures.Substreams, sum("substreams"));
  }

  #keepRefusals(refusals) {
    this.refusals = [...refusals.reverse(), ...this.refusals].slice(0, RECENT_REFUSALS);
    this.#view?.event("refusals", refusals);
  }

  #stateChanged() {
    const { state } = this.stream;
    byId("connection").dataset.state = state;
    byId("try-now").hidden = state !== LOST && state !== PAUSED;
    this.#second();
    if (state === LIVE && this.wasLost) say("Connected again.");
    if (state === LOST && !this.wasLost) say("The connection to the proxy is lost. The data is old.");
    this.wasLost = state === LOST || (state === CONNECTING && this.wasLost);
    byId("app").classList.toggle("stale", state === LOST || state === PAUSED);
  }

  #second() {
    setText(byId("connection-text"), connectionText(this.stream));
    setAttribute(byId("connection"), "title", this.stream.why);
    this.#view?.second?.();
  }

  /** Show a problem above the view, under a name, until it is null. */
  complain(name, text) {
    const old = [...byId("banners").children].find((banner) => banner.dataset.name === name);
    if (text === null) old?.remove();
    else if (old) setText(old, text);
    else byId("banners").append(h("p.notice", { "data-name": name }, text));
  }
}

function fleetTrouble(fleet) {
  const troubles = [];
  if (fleet.engine?.away) troubles.push("The engine is away: limits, refusals and usage are not shared until it returns.");
  if (fleet.missing?.length) troubles.push(`${plural(fleet.missing.length, "proxy").replace("proxys", "proxies")} did not answer: ${fleet.missing.join(", ")}. What they serve is not shown.`);
  return troubles.length ? troubles.join(" ") : null;
}

function connectionText(stream) {
  if (stream.state === LIVE) return "Live";
  if (stream.state === PAUSED) return "Paused";
  if (stream.lastEventAt === null) return stream.state === LOST ? `Not connected${tryText(stream)}` : "Connecting";
  const since = duration((performance.now() - stream.lastEventAt) / 1000);
  return `Connection lost ${since} ago${tryText(stream)}`;
}

function tryText(stream) {
  if (stream.state !== LOST) return "";
  const seconds = Math.ceil((stream.retryAt - performance.now()) / 1000);
  return seconds > 0 ? `, next try in ${seconds} s` : "";
}
