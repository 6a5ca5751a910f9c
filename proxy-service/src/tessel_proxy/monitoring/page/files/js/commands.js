/** The commands of the page: each asks first, and reports what came of it. */

import { outcomeOf, toast } from "./announce.js";
import { post, remove } from "./api.js";
import { ask, field, reasonField } from "./dialog.js";
import { h } from "./dom.js";
import { plural, visible } from "./format.js";

const PERIODS = [["1 hour", 3_600], ["1 day", 86_400], ["7 days", 604_800], ["30 days", 2_592_000], ["until I remove it", 0]];
const MAX_SHARE = 100; // percent
const enc = encodeURIComponent;
const strong = (text) => h("strong", {}, h("bdi", {}, visible(text)));
const sentence = (...parts) => h("span", {}, ...parts);

const nameOf = (tunnel) => tunnel.device ?? `the unnamed device at ${tunnel.address}`;

export function endTunnel(tunnel) {
  ask({
    title: "End this tunnel?",
    text: [sentence("All connections of ", strong(nameOf(tunnel)), " are closed. The device may connect again at once. To keep it out, refuse it.")],
    fields: [reasonField()],
    confirm: "End the tunnel",
    act: async (form) => {
      const answer = await remove(`/tunnels/${enc(tunnel.id)}?reason=${enc(form.get("reason"))}`);
      toast(`The tunnel is ended.${outcomeOf(answer)}`);
    },
  });
}

export function endAll(account) {
  ask({
    title: "End all tunnels of this account?",
    text: [sentence("All connections of all devices of ", strong(account), " are closed. The devices may connect again at once.")],
    fields: [reasonField()],
    confirm: "End its tunnels",
    act: async (form) => {
      const answer = await post("/end", { account, device: null, reason: form.get("reason") });
      toast(`${plural(answer.ended, "tunnel")} ended.${outcomeOf(answer)}`);
    },
  });
}

/** Refuse one of these {account?, device?, address?}; if there is none: what the operator enters. */
export function refuse(known, done = () => {}) {
  ask({
    title: "Refuse devices",
    text: ["Open tunnels that the refusal covers are ended, and new ones are refused."],
    fields: [...subjectFields(known), periodField(), reasonField()],
    confirm: "Refuse",
    act: async (form) => {
      const answer = await post("/refused", ruleOf(form));
      const kept = answer.kept === false ? " It ends with this process: set REFUSALS_FILE to keep it." : "";
      toast(`Refused. ${plural(answer.ended, "tunnel")} ended.${outcomeOf(answer)}${kept}`);
      done();
    },
  });
}

function subjectFields(known) {
  const { account = null, device = null, address = null } = known;
  if (account === null && address === null) return openFields();
  const choices = [
    device === null ? null : choice("the device", { account, device }, device, account),
    account === null ? null : choice("the account", { account }, account),
    address === null ? null : choice("the address", { address }, address),
  ].filter((each) => each !== null);
  choices[0].querySelector("input").checked = true;
  const unnamed = device === null && address !== null && account !== null;
  const hint = unnamed ? h("p.hint", {}, "This device sent no name, so it cannot be refused alone.") : null;
  return [h("fieldset", {}, h("legend", {}, "Refuse"), ...choices, hint)];
}

function choice(what, rule, name, owner = null) {
  const input = h("input", { type: "radio", name: "rule", value: JSON.stringify(rule), required: true });
  const of = owner === null ? [] : [" of ", strong(owner)];
  return h("label.choice", {}, input, sentence(`${what} `, strong(name), ...of));
}

const SUBJECTS = { device: ["account", "device"], account: ["account"], address: ["address"] };

function openFields() {
  const input = (name, more = {}) => h("input", { name, required: true, autocomplete: "off", spellcheck: "false", ...more });
  const fields = {
    account: field("Account", input("account", { autofocus: true })),
    device: field("Device", input("device"), "Its name within the account."),
    address: field("Address or network", input("address"), "For example 192.0.2.7 or 2001:db8::/48."),
  };
  const show = () => {
    for (const [name, element] of Object.entries(fields)) {
      element.hidden = !SUBJECTS[what.value].includes(name);
      element.querySelector("input").disabled = element.hidden; // a disabled field is not sent
    }
  };
  const options = [["device", "one device of an account"], ["account", "all devices of an account"], ["address", "an address or network"]];
  const what = h("select", { on: { change: show } }, ...options.map(([value, text]) => h("option", { value }, text)));
  show();
  return [field("Refuse", what), ...Object.values(fields)];
}

function periodField() {
  return field("For", h("select", { name: "for_s" }, ...PERIODS.map(([text, s]) => h("option", { value: s }, text))));
}

function ruleOf(form) {
  const chosen = form.has("rule") ? JSON.parse(form.get("rule")) : typedRule(form);
  const seconds = Number(form.get("for_s"));
  return { ...chosen, ...(seconds ? { for_s: seconds } : {}), reason: form.get("reason") };
}

function typedRule(form) {
  const typed = ["account", "device", "address"].filter((name) => form.has(name));
  return Object.fromEntries(typed.map((name) => [name, form.get(name).trim()]));
}

/** Remove an operator's refusal, after which its devices may return. */
export function allow(rule, done) {
  ask({
    title: "Remove this refusal?",
    text: [sentence(strong(subjectOf(rule)), " may connect again."), sentence("It was refused because: ", strong(rule.reason))],
    confirm: "Remove the refusal",
    act: async () => {
      const answer = await remove(`/refused/${enc(rule.id)}`);
      toast(`The refusal is removed.${outcomeOf(answer ?? {})}`);
      done();
    },
  });
}

/** Return whom a rule is about, such as "device kitchen of account anna". */
export function subjectOf({ account, device, address }) {
  const parts = [device && `device ${device}`, account && `account ${account}`].filter(Boolean).join(" of ");
  return [parts, address && `address ${address}`].filter(Boolean).join(" at ");
}

/** Check the tokens of an account's tunnels now, or of all tunnels. */
export function checkTokens(account) {
  const whose = account === null ? "all tunnels" : sentence("the tunnels of ", strong(account));
  ask({
    title: "Check tokens now?",
    text: [sentence("The proxy asks the token service about ", whose, ". A tunnel whose token is no longer valid is ended.")],
    confirm: "Check the tokens",
    act: async () => toast(`The tokens are being checked.${outcomeOf(await post("/check-tokens", { account }))}`),
  });
}

/** Drain a process, after which it ends: as SIGTERM does. */
export function drain(proxy) {
  ask({
    title: "Drain this proxy?",
    text: [sentence(strong(proxy.member), " takes no more tunnels, asks its devices to reconnect elsewhere, and then ends. It cannot be undone here.")],
    confirm: "Drain it",
    act: async () => {
      await post("/drain", { member: proxy.member });
      toast(`${proxy.member} is draining.`);
    },
  });
}

/** Ask a part of a process's devices to reconnect elsewhere. */
export function rebalance(proxy) {
  const share = h("input", { name: "share", type: "number", min: 1, max: MAX_SHARE, value: 10, required: true, autofocus: true });
  ask({
    title: "Move devices elsewhere?",
    text: [sentence("A part of the devices of ", strong(proxy.member), " is asked to reconnect, at random moments. The load balancer decides where to.")],
    fields: [field("Share of its devices, in percent", share, "Devices that do not know this request stay.")],
    confirm: "Ask them",
    act: async (form) => {
      const answer = await post("/rebalance", { share: Number(form.get("share")) / 100, member: proxy.member });
      toast(`${plural(answer.asked, "device")} asked to reconnect.${outcomeOf(answer)}`);
    },
  });
}
