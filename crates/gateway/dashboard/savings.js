// Savings over time, and by everything they can be split by.

import { ask } from "./ask.js";
import { h, card, table, words, periods, prose, tierTag } from "./page.js";
import { bill } from "./plots.js";
import { headline, inAll, measured } from "./overview.js";
import { percent, count, day, hour } from "./figures.js";

const GROUPS = { task_type: "By kind of work", complexity: "By difficulty", model: "By model", reason: "By what decided", team: "By team", key: "By key" };

export default async function savings(place, { query, signal }) {
  const days = Number(query.get("days")) || 7;
  const step = days <= 2 ? "hour" : "day";
  const [report, series, quality] = await Promise.all([ask("report", { days }, signal), ask("series", { days, step }, signal), measured(days, signal)]);
  const points = filled(series, step);
  place.append(h("div", { class: "head" }, h("h1", {}, "Savings"), periods(days, (days) => { location.hash = `#/savings?days=${days}`; })),
    headline(report, quality), over(points, step, report));
  for (const group of report.groups) {
    if (group.lines.some((line) => line.name)) place.append(card(GROUPS[group.by] ?? words(group.by), lines(group, inAll(report))));
  }
}

// Hours and days without a request are part of the picture.
function filled(series, step) {
  const width = step === "hour" ? 3_600_000 : 86_400_000;
  const known = new Map(series.points.map((point) => [point.start_ms, point]));
  const first = Math.floor(series.from_ms / width) * width;
  const points = [];
  for (let start = first; start < series.to_ms; start += width) {
    const money = known.get(start)?.money;
    const [paid, saved] = [money?.paid_usd ?? 0, money?.saved_usd ?? 0];
    const cheapest = money ? money.baseline_usd - money.always_cheapest_saved_usd : 0;
    const sure = known.get(start)?.saved_between;
    const between = sure && [sure.low_usd, sure.high_usd];
    points.push({ name: step === "hour" ? hour(start) : day(start), calls: known.get(start)?.calls ?? 0, paid, saved, cheapest, between });
  }
  return points;
}

function over(points, step, report) {
  const dollars = inAll(report);
  const busy = points.filter((point) => point.calls);
  const sure = busy.some((point) => point.between);
  const told = `Paid and saved by ${step}: ${busy.length} of ${points.length} with requests. The table below has the figures.`;
  return card(`By ${step}`,
    h("ul", { class: "legend" }, h("li", { class: "paid" }, "paid"), h("li", { class: "saved" }, `saved; with paid: the bill on ${report.baseline.tier}`),
      h("li", { class: "lost" }, "lost"), h("li", { class: "cheapest" }, `everything on ${report.cheapest_tier}`),
      sure && h("li", { class: "between" }, "between what the saving lies (95 %)")),
    bill(told, points, dollars),
    h("p", { class: "dim" }, sure ? `The intervals rest on ${count(report.saved_between.shadows)} requests that ${report.baseline.tier} answered, too: its answers have other lengths than those that were served.`
      : prose("No intervals: the bill on the baseline takes its answers for as long as those that were served. `[quality]` in the config has it answer a sample, too.")),
    h("details", {}, h("summary", {}, "As a table"), table(`Paid and saved by ${step}`,
      [step === "hour" ? "Hour" : "Day", { name: "Requests", number: true }, { name: "Paid", number: true }, { name: "Saved", number: true }, sure && { name: "Between (95 %)", number: true }].filter(Boolean),
      busy.map((point) => [point.name, count(point.calls), dollars(point.paid), dollars(point.saved), ...(sure ? [point.between ? point.between.map(dollars).join(" to ") : "–"] : [])]))));
}

function lines(group, dollars) {
  const name = (line) => group.by === "tier" ? tierTag(line.name) : words(line.name) || (group.by === "model" ? "not answered" : "none");
  return table(GROUPS[group.by] ?? group.by,
    ["Name", { name: "Requests", number: true }, { name: "Paid", number: true }, { name: "Saved", number: true }, { name: "Share", number: true }, { name: "Failed", number: true }],
    group.lines.map((line) => [name(line), count(line.calls), dollars(line.paid_usd), dollars(line.saved_usd), percent(line.saved_share), count(line.failed)]));
}
