// The map: which kind of work goes to which tier.

import { ask } from "./ask.js";
import { h, card, words, periods, tierClass, tierTag } from "./page.js";
import { dollars, count } from "./figures.js";

export default async function routes(place, { query, signal }) {
  const days = Number(query.get("days")) || 7;
  const [map, targets] = await Promise.all([ask("routes", { days }, signal), ask("targets", {}, signal)]);
  place.append(h("div", { class: "head" }, h("h1", {}, "Where requests go"), periods(days, (days) => { location.hash = `#/routes?days=${days}`; })));
  if (!map.routes.length) return place.append(card(null, h("p", {}, "No request in this period.")));
  const used = map.routes.map((route) => route.tier).filter((tier) => tier && !targets.tiers.includes(tier));
  // What named a model on no tier, or was refused before it had one, is in the rows' sums, too.
  const elsewhere = map.routes.some((route) => !route.tier) ? [""] : [];
  const tiers = [...targets.tiers, ...new Set(used), ...elsewhere];
  place.append(grid("Kind of work", "task_type", map.routes, tiers), grid("Difficulty", "complexity", map.routes, tiers));
}

const ORDER = ["simple", "medium", "complex", "reasoning"];

function grid(title, by, routes, tiers) {
  const names = [...new Set(routes.map((route) => route[by]))];
  const of = (name, tier) => routes.filter((route) => route[by] === name && (tier === undefined || route.tier === tier));
  const calls = (some) => some.reduce((sum, route) => sum + route.calls, 0);
  const paid = (some) => some.reduce((sum, route) => sum + route.paid_usd, 0);
  names.sort((a, b) => by === "complexity" ? ORDER.indexOf(a) - ORDER.indexOf(b) : calls(of(b)) - calls(of(a)));
  const cell = (name, tier) => {
    const here = of(name, tier);
    const share = calls(here) / calls(of(name));
    if (!here.length) return h("td", { class: "none dim" }, "–");
    // The list of requests knows no filter for "on no tier".
    const link = tier ? `#/requests?${new URLSearchParams({ tier, [by]: name })}` : null;
    return h("td", { class: `heat ${tierClass(tier)}`, vars: { "--share": share.toFixed(3) } },
      h("a", { href: link }, h("b", {}, count(calls(here))), h("small", {}, `${Math.round(share * 100)} %`, h("span", { class: "money" }, `, ${dollars(paid(here))}`))));
  };
  return card(`${title} and tier`,
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title} and tier` },
      h("table", { class: "map" }, h("caption", { class: "hidden" }, `Requests by ${title.toLowerCase()} and tier`),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, title), tiers.map((tier) => h("th", { scope: "col" }, tier ? tierTag(tier) : "on no tier")), h("th", { scope: "col", class: "number" }, "All"))),
        h("tbody", {}, names.map((name) => h("tr", {}, h("th", { scope: "row" }, words(name)), tiers.map((tier) => cell(name, tier)),
          h("td", { class: "number" }, count(calls(of(name)))))))))); 
}
