// A decision as a picture: shared by one request's page and the playground.

import { h, card, bar, tierClass, tierTag } from "./page.js";
import { chances as dots } from "./plots.js";
import { percent } from "./figures.js";

export function chancesCard(chances, needed, chosen, abstained) {
  const known = chances.some((one) => one.p_ok > 0);
  if (!known) return card("How likely each tier's answer will do", h("p", { class: "dim" }, "The predictor was not asked."));
  const rows = chances.map((one) => ({ name: one.baseline ? `${one.tier} *` : one.tier, kind: tierClass(one.tier), p: one.p_ok, chosen: one.tier === chosen }));
  const told = rows.map((row) => `${row.name} ${percent(row.p)}`).join(", ");
  return card("How likely each tier's answer will do",
    dots(`${told}${needed ? `; needed ${percent(needed)}` : ""}; chosen ${chosen}`, rows, needed),
    h("p", { class: "dim" }, "* the baseline tier. ",
      abstained ? `The predictor abstained (${String(abstained).replaceAll("_", " ")}): doubt goes to the baseline.`
        : needed ? "The cheapest expected cost among tiers right of the line is chosen." : "Something else than the prediction decided; it is shown for comparison."));
}

export function becauseCard(because) {
  if (!because.length) return card("What the predictor saw", h("p", { class: "dim" }, "No features were kept for this request."));
  const most = Math.max(...because.map((part) => Math.abs(part.weight)));
  return card("What the predictor saw",
    h("div", { class: "sides dim", "aria-hidden": "true" }, h("span", {}, "← cheapest tier will do"), h("span", {}, "more is needed →")),
    h("ul", { class: "because" }, because.map((part) => h("li", {},
      h("span", { class: "name" }, part.feature),
      h("span", { class: "left" }, part.weight < 0 && bar(-part.weight / most, "cheap")),
      h("span", { class: "right" }, part.weight > 0 && bar(part.weight / most, "dear")),
      h("span", { class: "number" }, `${part.weight > 0 ? "+" : "−"}${Math.abs(part.weight).toFixed(2)}`,
        h("span", { class: "hidden" }, part.weight < 0 ? " for the cheapest tier" : " for more"))))),
    h("p", { class: "dim" }, "The strongest parts of the log-odds, at most eight. Numbers of the text, never the text itself."));
}

export function rejectedCard(rejected) {
  return card("Passed over", rejected.length
    ? h("ul", { class: "plain" }, rejected.map((one) => h("li", {}, tierTag(one.tier), " ", one.target && h("code", {}, one.target), one.target && " ", one.words)))
    : h("p", { class: "dim" }, "Nobody else came into question."));
}
