// Keys of the ledger: who may ask, within which bounds. Made and revoked on the command line or by the API.

import { ask } from "./ask.js";
import { h, card, table, prose, words } from "./page.js";

export default async function keys(place, { signal }) {
  const { keys, of_config: config } = await ask("keys", {}, signal);
  const bounds = (policy) => Object.entries(policy).filter(([name, value]) => name !== "scope" && value !== null && value !== "" && !(Array.isArray(value) && !value.length))
    .map(([name, value]) => h("li", {}, `${words(name)}: ${typeof value === "object" ? JSON.stringify(value) : value}`));
  const day = (time) => time ? time.slice(0, 10) : "–";
  const rows = keys.map((key) => [
    key.name, h("span", { class: `state ${key.state === "active" ? "well" : key.state === "revoked" ? "ill" : "cooling"}` }, words(key.state)), key.policy.scope ?? "client",
    h("ul", { class: "plain tight" }, bounds(key.policy)), day(key.created), day(key.expires),
    h("a", { href: `#/requests?key=${encodeURIComponent(key.name)}` }, "Requests")]);
  place.append(h("h1", {}, "Keys and budgets"), h("p", { class: "lead" }, "Only digests are kept: a key is shown once, when it is made."),
    card("Keys of the ledger", rows.length ? table("Keys, their scope and bounds", ["Name", "State", "Scope", "Bounds", "Made", "Expires", "Used"], rows)
      : h("p", {}, prose("None. `tierway keys add --name NAME` makes one."))),
    card("Keys of the config", config.length ? h("ul", { class: "plain" }, config.map((name) => h("li", {}, h("a", { href: `#/requests?key=${encodeURIComponent(name)}` }, name)))) : h("p", { class: "dim" }, prose("None in `[[keys]]`."))));
}
