// The list of requests, the newest first.

import { ask } from "./ask.js";
import { h, card, table, tierTag, words, say } from "./page.js";
import { dollars, time, shortly, count } from "./figures.js";

const FILTERS = [
  ["tier", "Tier"], ["status", "End"], ["task_type", "Kind of work"], ["complexity", "Difficulty"], ["reason", "Decided by"], ["model", "Model"],
];
const ENDS = ["answered", "failed", "cancelled", "refused"];

export default async function requests(place, { query, signal }) {
  const [report, targets] = await Promise.all([ask("report", { days: 30 }, signal), ask("targets", {}, signal)]);
  const group = (by) => (report.groups.find((group) => group.by === by)?.lines ?? []).map((line) => line.name).filter(Boolean);
  const options = {
    tier: targets.tiers, status: ENDS, task_type: group("task_type"), complexity: group("complexity"), reason: group("reason"),
    model: [...new Set(group("model").map((name) => name.slice(name.indexOf("/") + 1)))],
  };
  const chosen = Object.fromEntries([...FILTERS.map(([name]) => name), "retried"].map((name) => [name, query.get(name) ?? ""]));
  const go = (changed) => { location.hash = `#/requests?${new URLSearchParams(Object.entries({ ...chosen, ...changed }).filter(([, value]) => value))}`; };
  const list = h("div", {});
  place.append(h("h1", {}, "Requests"), filters(options, chosen, go), list);
  await more(list, chosen, null, signal);
}

function filters(options, chosen, go) {
  const choice = ([name, label]) => {
    const known = options[name].includes(chosen[name]) || !chosen[name] ? options[name] : [chosen[name], ...options[name]];
    const entries = ["", ...known].map((value) => h("option", { value, selected: value === chosen[name] }, value ? words(value) : "any"));
    return h("label", {}, h("span", {}, label), h("select", { name, onchange: (event) => go({ [name]: event.target.value }) }, entries));
  };
  const retried = h("label", { class: "check" }, h("input", { type: "checkbox", name: "retried", checked: chosen.retried === "true", onchange: (event) => go({ retried: event.target.checked ? "true" : "" }) }), "More than one attempt");
  const find = h("input", { id: "find", type: "search", placeholder: "x-tierway-request-id", spellcheck: "false", autocomplete: "off" });
  const open = (event) => { event.preventDefault(); if (find.value.trim()) location.hash = `#/requests/${encodeURIComponent(find.value.trim())}`; };
  return h("div", { class: "card filters" },
    h("div", { class: "row-of", role: "group", "aria-label": "Filters" }, FILTERS.map(choice), retried,
      Object.values(chosen).some(Boolean) && h("button", { type: "button", class: "quiet", onclick: () => { location.hash = "#/requests"; } }, "Clear")),
    h("form", { class: "find", onsubmit: open }, h("label", { for: "find" }, "Request id"), find, h("button", { type: "submit", class: "quiet" }, "Explain")));
}

const HEADS = ["Request", "Tier", "Model", "Kind of work", "Decided by", "End", { name: "Tokens", number: true }, { name: "Paid", number: true }, { name: "Saved", number: true }, { name: "Time", number: true }];

async function more(list, chosen, before, signal) {
  let page = await ask("requests", { ...chosen, before, limit: 50 }, signal);
  // A page may be empty and still have a next one: rare matches are looked for piece by piece.
  for (let tries = 0; !page.requests.length && page.next && tries < 20; tries++) page = await ask("requests", { ...chosen, before: page.next, limit: 50 }, signal);
  const rows = page.requests.map((one) => [
    h("a", { class: "request", href: `#/requests/${one.request_id}` }, shortly(one.time_ms), h("code", {}, one.request_id)),
    h("span", {}, tierTag(one.served_tier || one.tier), one.served_tier && one.tier && one.served_tier !== one.tier && h("small", { class: "dim" }, ` from ${one.tier}`)),
    one.model || one.requested_model, words(one.task_type), words(one.reason), h("span", { class: `end ${one.status}` }, one.status, one.attempts > 1 && ` (${one.attempts} calls)`),
    `${count(one.input_tokens)} → ${count(one.output_tokens)}`, dollars(one.paid_usd), one.saved_usd === null ? "–" : dollars(one.saved_usd), time(one.total_ms)]);
  const body = list.querySelector("tbody");
  if (body) body.append(...table("", HEADS, rows).querySelector("tbody").children);
  else list.append(card(null, rows.length ? table("Requests, the newest first", HEADS, rows, "list") : h("p", {}, Object.values(chosen).some(Boolean) ? "No request matches." : "Nothing was recorded yet.")));
  list.querySelector(".more")?.remove();
  if (page.next) {
    const button = h("button", { type: "button", class: "more", onclick: () => { button.disabled = true; more(list, chosen, page.next, signal).then(() => say(`${rows.length} more requests`)); } }, "Older requests");
    list.append(button);
  }
}
