// What the cheap answers were worth: by kind of work, with intervals, and where cells stand.

import { ask } from "./ask.js";
import { h, card, table, words, periods, prose, tierTag } from "./page.js";
import { intervals } from "./plots.js";
import { dollars, percent, count, when } from "./figures.js";

export default async function quality(place, { query, signal }) {
  const days = Number(query.get("days")) || 30;
  const told = await ask("quality", { days }, signal);
  const { quality: sum } = told;
  place.append(h("div", { class: "head" }, h("h1", {}, "Quality"), periods(days, (days) => { location.hash = `#/quality?days=${days}`; })),
    verdict(told, sum));
  if (sum.cells.length) place.append(cells(told, sum));
  if (told.states.length) place.append(standing(told.states));
  if (told.alarms.length) place.append(alarms(told.alarms));
  if (told.feedback.length) place.append(feedback(told.feedback));
}

const between = (share) => `${percent(share.low)} to ${percent(share.high)}`;

function verdict(told, sum) {
  const { overall } = sum;
  const waiting = told.samples.waiting > 0 && h("p", { class: "dim" }, `${count(told.samples.waiting)} samples wait for a verdict.`);
  if (!overall.verdicts && !told.samples.judged) {
    return card("Not measured in this period", h("p", {}, told.on ? "Samples are being taken; nothing was judged yet." : prose("Nobody compares these answers with the baseline's. `[quality]` in the config samples some and has them judged, blind and in both orders.")), waiting);
  }
  if (!overall.verdicts) {
    const held = told.samples.judged - sum.too_high_verdicts;
    return card("No cheaper answer that was served was compared in this period",
      sum.too_high_verdicts > 0 && h("p", {}, `Of ${count(sum.too_high_verdicts)} requests that went to the baseline tier, the cheapest would have done for ${percent(sum.too_high.value)} (${between(sum.too_high)}).`),
      held > 0 && h("p", {}, `${count(held)} comparisons are of kinds of work that are held at the baseline tier: the cheaper tier answered in the background. What they say is below.`), waiting);
  }
  const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value));
  const under = overall.quality.high < told.target;
  return h("section", { class: "card hero" },
    h("div", {}, h("h2", {}, "At least as good as the baseline"),
      h("p", { class: `big ${under ? "bad" : "good"}` }, percent(overall.quality.value), h("span", {}, between(overall.quality))),
      h("p", {}, `by ${count(overall.verdicts)} blind comparisons of the cheaper tiers' answers; wanted ${percent(told.target)}. The interval holds with ${percent(told.confidence)} confidence, however often one looks.`)),
    h("dl", { class: "facts" },
      fact("Too low: the baseline was better", `${percent(sum.too_low.value)} (${between(sum.too_low)})`),
      sum.too_high_verdicts > 0 && fact("Too high: the cheapest would have done", `${percent(sum.too_high.value)} (${between(sum.too_high)})`),
      fact("Judge against people", sum.kappa ? `kappa ${sum.kappa.value.toFixed(2)} (${sum.kappa.low.toFixed(2)} to ${sum.kappa.high.toFixed(2)})` : `${count(sum.labels)} labels, too few`),
      fact("Paid for looking", dollars(sum.cost / 1e12)),
      fact("Waiting", count(told.samples.waiting)), h("div", {}, h("dt", {}, "Your word"), h("dd", {}, h("a", { href: "#/review" }, "Compare answers")))));
}

function cells(told, sum) {
  const state = new Map(told.states.map((one) => [`${one.task_type} ${one.tier}`, one.state]));
  const rows = [...sum.cells].sort((a, b) => a.quality.low - b.quality.low).map(({ cell, quality, verdicts }) => ({
    name: `${words(cell.task_type)}, ${cell.tier}`, ...quality, verdicts, held: state.get(`${cell.task_type} ${cell.tier}`) === "held",
  }));
  return card("By kind of work and tier",
    intervals(`Share of answers at least as good as the baseline's, with intervals; wanted ${percent(told.target)}. The table below has the figures.`, rows, told.target),
    h("details", {}, h("summary", {}, "As a table"), table("Quality by kind of work and tier",
      ["Kind of work, tier", { name: "As good", number: true }, { name: "Between", number: true }, { name: "Verdicts", number: true }, "State"],
      rows.map((row) => [row.name, percent(row.value), between(row), count(row.verdicts), row.held ? "held at the baseline" : "goes by the prediction"]))));
}

function standing(states) {
  return card("Where cells stand", table("Cells that ever changed", ["Kind of work", "Tier", "State", "Since", "Why"],
    states.map((one) => [words(one.task_type), tierTag(one.tier), h("span", { class: `state ${one.state === "held" ? "ill" : one.state === "proven" ? "well" : "cooling"}` }, one.state), when(one.since_ms), one.why])));
}

function alarms(alarms) {
  return card("Alarms", h("ul", { class: "plain" }, alarms.map((one) => h("li", {}, h("span", { class: "dim" }, when(one.at_ms)), " ", one.words))));
}

function feedback(sums) {
  return card("What callers said", table("Feedback by tier", ["Tier", { name: "Opinions", number: true }, { name: "Mean, 0 to 1", number: true }],
    sums.map((one) => [tierTag(one.tier), count(one.count), one.mean.toFixed(2)])));
}
