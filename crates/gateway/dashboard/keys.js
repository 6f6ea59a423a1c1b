// Keys of the ledger: who may ask, within which bounds, and how budgets stand. Made and revoked on the command line or by the API.

import { ask } from "./ask.js";
import { h, bar, card, live, table, prose, words } from "./page.js";
import { dollars, percent, when } from "./figures.js";

export default async function keys(place, { signal }) {
  const { keys, of_config: config, budgets } = await ask("keys", {}, signal);
  const bounds = (policy) => Object.entries(policy).filter(([name, value]) => name !== "scope" && value !== null && value !== "" && !(Array.isArray(value) && !value.length))
    .map(([name, value]) => h("li", {}, `${words(name)}: ${typeof value === "object" ? JSON.stringify(value) : value}`));
  const day = (time) => time ? time.slice(0, 10) : "–";
  const rows = keys.map((key) => [
    key.name, h("span", { class: `state ${key.state === "active" ? "well" : key.state === "revoked" ? "ill" : "cooling"}` }, words(key.state)), key.policy.scope ?? "client",
    h("ul", { class: "plain tight" }, bounds(key.policy)), day(key.created), day(key.expires),
    h("a", { href: `#/requests?key=${encodeURIComponent(key.name)}` }, "Requests")]);
  const standing = h("div", {});
  standing.replaceChildren(money(budgets));
  live(signal, 5_000, async () => standing.replaceChildren(money((await ask("keys", {}, signal)).budgets)));
  place.append(h("h1", {}, "Keys and budgets"), h("p", { class: "lead" }, "Only digests are kept: a key is shown once, when it is made."),
    standing,
    card("Keys of the ledger", rows.length ? table("Keys, their scope and bounds", ["Name", "State", "Scope", "Bounds", "Made", "Expires", "Used"], rows)
      : h("p", {}, prose("None. `tierway keys add NAME` makes one."))),
    card("Keys of the config", config.length ? h("ul", { class: "plain" }, config.map((name) => h("li", {}, h("a", { href: `#/requests?key=${encodeURIComponent(name)}` }, name)))) : h("p", { class: "dim" }, prose("None in `[[keys]]`."))));
}

// The fullest first.
function money(budgets) {
  if (!budgets.length) return card("Budgets", h("p", { class: "dim" }, prose("No key, team or user has one. `budget = \"50/month\"` in the config or `tierway keys add NAME --budget 50/month` sets one.")));
  const share = (one) => one.limit_usd > 0 ? one.spent_usd / one.limit_usd : 1;
  const rows = [...budgets].sort((a, b) => share(b) - share(a)).map((one) => [
    `${one.kind} ${one.name}`,
    h("span", { class: "cell" }, bar(share(one), { open: "paid", stepped_down: "cheapest", exhausted: "over" }[one.state], percent(share(one))),
      `${dollars(one.spent_usd)} of ${dollars(one.limit_usd)}`),
    one.reserved_usd > 0 ? dollars(one.reserved_usd) : "–", one.period === "total" ? "in all" : one.period,
    one.window.to_ms ? when(one.window.to_ms) : "never", standing(one)]);
  return card("Budgets", table("What is spent of each budget", ["Whose", "Spent", { name: "Reserved", number: true }, "For each", "Filled again", "State"], rows));
}

function standing({ state, step_down_at: at, step_down_to: to }) {
  const told = {
    open: to ? `open; goes to ${to} from ${percent(at)} on` : "open",
    stepped_down: `goes to ${to}: over ${percent(at)}`,
    exhausted: "spent: requests are refused",
  };
  return h("span", { class: `state ${{ open: "well", stepped_down: "cooling", exhausted: "ill" }[state]}` }, told[state]);
}
