/** The proxies of the fleet: whether they are ready, what they serve, draining and moving. */

import { drain, rebalance } from "../commands.js";
import { facts, h, morph } from "../dom.js";
import { bytes, duration, moment, number, visible } from "../format.js";

export class ProxiesView {
  title = "Proxies";
  topics = [];
  #app;
  #cards = new Map(); // member -> its card's parts

  constructor(app) {
    this.#app = app;
    this.engine = h("p.engine.muted");
    this.list = h("ul.cards", {}, h("li.hint", {}, "Reading the list of proxies…"));
    this.element = h("div.page", {}, h("div.tools", {}, h("h1", {}, "Proxies"), this.engine), this.list);
  }

  enter() {
    this.#show();
  }

  leave() {}
  route() {}
  reload() {}

  event(name) {
    if (name === "proxies") this.#show();
  }

  #show() {
    const { fleet } = this.#app;
    if (fleet === null) return;
    this.engine.replaceChildren(...engineText(fleet.engine));
    const members = [...fleet.proxies].sort((a, b) => a.proxy.localeCompare(b.proxy) || a.member.localeCompare(b.member));
    const elements = members.map((proxy) => this.#card(proxy));
    if (elements.some((element, at) => this.list.children[at] !== element) || this.list.children.length !== elements.length) this.list.replaceChildren(...elements);
  }

  #card(proxy) {
    let card = this.#cards.get(proxy.member);
    if (card === undefined) this.#cards.set(proxy.member, (card = makeCard()));
    card.proxy = proxy;
    card.fill();
    return card.element;
  }
}

function makeCard() {
  const [title, badge, body] = [h("h2"), h("span.badge"), h("div")];
  const card = { proxy: null };
  const button = (text, command) => h("button", { type: "button", on: { click: () => command(card.proxy) } }, text);
  const buttons = h("div.buttons.start", {}, button("Move devices…", rebalance), button("Drain…", drain));
  card.element = h("li.card", {}, h("div.card-head", {}, title, badge), body, buttons);
  card.fill = () => fillCard(card.proxy, title, badge, body, buttons);
  return card;
}

function fillCard(proxy, title, badge, body, buttons) {
  title.textContent = visible(proxy.member);
  const [kind, text] = stateOf(proxy);
  badge.className = `badge ${kind}`;
  badge.textContent = text;
  const obstacles = proxy.obstacles.map((obstacle) => h("p.obstacle", {}, visible(obstacle)));
  morph(body, ...obstacles, facts(factsOf(proxy)));
  buttons.hidden = proxy.role === "supervisor";
  for (const button of buttons.children) button.disabled = proxy.draining;
}

function stateOf({ ready, draining }) {
  if (draining) return ["warn", "draining"];
  return ready ? ["good", "ready"] : ["bad", "not ready"];
}

function factsOf(proxy) {
  const age = Date.now() / 1000 - proxy.since_at;
  return [
    ["Host", visible(proxy.proxy)],
    ["Process", `${proxy.role}, pid ${proxy.pid}`],
    ["Version", visible(proxy.version)],
    ["Running for", h("span", { title: `since ${moment(proxy.since_at)}` }, duration(age))],
    ["Tunnels", number(proxy.tunnels)],
    ["Substreams", number(proxy.substreams)],
    ["Accounts", number(proxy.accounts)],
    ["CPU time", h("span", { title: "average share of one core since the start" }, `${duration(proxy.cpu_s)} (${((100 * proxy.cpu_s) / Math.max(1, age)).toFixed(1)} %)`)],
    ["Memory", bytes(proxy.memory_bytes)],
  ];
}

function engineText(engine) {
  if (!engine?.url) return ["No engine: this proxy shares nothing with other hosts."];
  const state = engine.away ? h("span.badge.bad", {}, "away") : h("span.badge.good", {}, "connected");
  return ["Engine ", h("code", {}, visible(engine.url)), " ", state];
}
