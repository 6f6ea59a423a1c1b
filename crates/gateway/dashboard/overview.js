// What it saved, what it cost, and whether everybody is well.

import { ask } from "./ask.js";
import { h, card, table, tierTag, tierClass, bar, live, say } from "./page.js";
import { traffic } from "./plots.js";
import { alike, percent, count, many, time, hour } from "./figures.js";

export default async function overview(place, { signal }) {
  const [report, targets, quality] = await Promise.all([ask("report", { days: 7 }, signal), ask("targets", {}, signal), measured(7, signal)]);
  const figures = h("div", {});
  const health = h("div", {});
  const lastDay = h("div", {});
  const draw = (now) => figures.replaceChildren(headline(now, quality), tiles(now), tiers(now));
  draw(report);
  health.replaceChildren(targetsCard(targets));
  const lately = async () => lastDay.replaceChildren(trafficCard(await ask("series", { days: 1, step: "hour" }, signal)));
  await lately();
  place.append(h("h1", {}, "Overview"), h("p", { class: "lead" }, "The last seven days"), figures, lastDay, health);
  live(signal, 15_000, lately);
  live(signal, 5_000, async () => {
    const now = await ask("targets", {}, signal);
    const ill = now.targets.filter((target) => !target.callable).map((target) => `${target.provider}/${target.model} is ${target.health}`);
    if (ill.length) say(ill.join("; "));
    health.replaceChildren(targetsCard(now));
  });
  live(signal, 30_000, async () => draw(await ask("report", { days: 7 }, signal)));
}

// What the comparisons of a period say; null where there are none, or where they are not kept.
export async function measured(days, signal) {
  const told = await ask("quality", { days }, signal).catch(() => null);
  return told?.quality.overall.verdicts ? told.quality.overall : null;
}

// How amounts of a report are shown, on all its cards.
export const inAll = ({ totals: { money }, tiers }) => alike([money.baseline_usd, money.paid_in_all_usd], tiers.map((tier) => tier.paid_usd));

export function headline(report, quality) {
  const { totals: { money }, baseline, cheapest_tier: cheapest, saved_between: sure } = report;
  if (!report.totals.calls) {
    return card("Nothing recorded yet", h("p", {}, "Point a client at ", h("code", {}, `${location.origin}/v1`), " and ask for the model ", h("code", {}, "auto"), ". Or try the ", h("a", { href: "#/playground" }, "playground"), "."));
  }
  const dollars = inAll(report);
  const [saved, cheapestCost] = [dollars.less(money.baseline_usd, money.paid_usd), dollars.less(money.baseline_usd, money.always_cheapest_saved_usd)];
  const lost = money.saved_usd < 0;
  const open = report.notes.find((note) => note.kind === "not_calibrated");
  return h("section", { class: "card hero" },
    h("div", {},
      h("h2", {}, lost ? "Lost against the baseline" : "Saved against the baseline"),
      h("p", { class: `big ${lost ? "bad" : "good"}` }, percent(Math.abs(money.saved_share ?? 0)), h("span", {}, dollars(Math.abs(saved)))),
      h("p", {}, `${many(money.priced_calls, "request")} would have cost ${dollars(money.baseline_usd)} on `, tierTag(baseline.tier), `; paid: ${dollars(money.paid_usd)}.`),
      sure && h("p", { class: "dim" }, `Between ${dollars(sure.low_usd)} and ${dollars(sure.high_usd)} with ${percent(sure.confidence)} confidence, by ${count(sure.shadows)} requests that ${baseline.tier} answered, too.`)),
    h("div", { class: "compare" },
      h("p", { class: "row" }, h("span", {}, "Everything on the baseline"), bar(1, "base"), h("b", {}, dollars(money.baseline_usd))),
      h("p", { class: "row" }, h("span", {}, "Routed"), bar(money.paid_usd / (money.baseline_usd || 1), "paid"), h("b", {}, dollars(money.paid_usd))),
      h("p", { class: "row" }, h("span", {}, `Everything on ${cheapest}`), bar((money.baseline_usd - money.always_cheapest_saved_usd) / (money.baseline_usd || 1), "cheapest"), h("b", {}, dollars(cheapestCost)))),
    h("details", { class: "wide" }, h("summary", {}, "How honest is this?"),
      h("p", {}, `Always sending everything to ${cheapest} would have saved ${percent(money.always_cheapest_share)}. Savings alone prove nothing: the question is what answers are lost.`),
      h("p", {}, open
        ? `${count(open.calls)} requests went by thresholds that were not proven on your own outcomes. Run tierway calibrate.`
        : "Thresholds were proven on your own outcomes; the proof is in the evidence that tierway calibrate wrote."),
      h("p", {}, quality
        ? `${percent(quality.quality.value)} of the cheaper answers were at least as good as the baseline's, between ${percent(quality.quality.low)} and ${percent(quality.quality.high)}, by ${count(quality.verdicts)} blind comparisons.`
        : "Quality was not measured: nobody compared these answers with the baseline's."),
      h("p", {}, `Method: ${baseline.method}. `,
        `${dollars(money.lost_usd)} were lost on ${count(money.lost_calls)} requests that were dearer than the baseline; that is counted in. `,
        `${count(money.unpriced_calls)} without a known price and ${count(money.passed_calls)} for a model that the client named are left out.`)),
    (open || !quality) && h("p", { class: "note wide" }, open ? "Not calibrated" : "Calibrated", quality ? ". " : ", and quality is not measured yet.",
      quality && h("a", { href: "#/quality" }, `Quality: ${percent(quality.quality.value)}`)));
}

function tiles(report) {
  const { totals } = report;
  const tile = (name, value, more) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, more)));
  return h("dl", { class: "tiles" },
    tile("Requests", count(totals.calls), `${count(totals.failed)} failed, ${count(totals.refused)} refused`),
    tile("Paid in all", inAll(report)(totals.money.paid_in_all_usd), many(totals.attempts, "upstream call")),
    tile("Time, 95 of 100", time(totals.p95_ms), `first byte ${time(totals.first_byte_p95_ms)}`),
    tile("To decide", totals.decide_mean_us === null ? "–" : `${Math.round(totals.decide_mean_us)} µs`, `${count(totals.abstained)} abstained`));
}

function tiers(report) {
  const dollars = inAll(report);
  const most = Math.max(...report.tiers.map((tier) => tier.paid_usd), 1e-12);
  const rows = report.tiers.map((tier) => [
    tier.name ? h("a", { href: `#/requests?tier=${encodeURIComponent(tier.name)}` }, tierTag(tier.name)) : "on no tier",
    h("span", { class: "cell" }, bar(tier.share, tierClass(tier.name)), `${count(tier.calls)} · ${percent(tier.share)}`),
    h("span", { class: "cell" }, bar(tier.paid_usd / most, tierClass(tier.name)), dollars(tier.paid_usd)),
    dollars(tier.saved_usd), time(tier.p95_ms), count(tier.failed)]);
  return card("By tier", table("Requests and cost by tier", ["Tier", "Requests", "Paid", { name: "Saved", number: true }, { name: "Time, p95", number: true }, { name: "Failed", number: true }], rows));
}

// Requests by hour, failed ones on top.
function trafficCard(series) {
  const HOUR = 3_600_000;
  const known = new Map(series.points.map((point) => [point.start_ms, point]));
  const points = [];
  for (let start = Math.floor(series.from_ms / HOUR) * HOUR; start < series.to_ms; start += HOUR) {
    const tiers = known.get(start)?.tiers ?? [];
    points.push({ name: hour(start), calls: known.get(start)?.calls ?? 0, failed: tiers.reduce((sum, tier) => sum + tier.failed, 0) });
  }
  const [all, failed, now] = [points.reduce((sum, point) => sum + point.calls, 0), points.reduce((sum, point) => sum + point.failed, 0), points.at(-1)];
  return card("The last day",
    traffic(`Requests by hour: ${count(all)} in the last day, ${count(failed)} of them failed, ${count(now?.calls ?? 0)} in this hour`, points, count),
    h("p", { class: "dim" }, `${many(all, "request")}, ${count(failed)} failed; ${count(now?.calls ?? 0)} in this hour.`));
}

function targetsCard({ targets, records }) {
  const rows = targets.map((target) => [
    h("span", { class: "who" }, h("b", {}, target.model), h("small", { class: "dim" }, target.provider)), tierTag(target.tier),
    h("span", { class: `state ${target.health}` }, target.health, target.back_in_ms ? `, again in ${time(target.back_in_ms)}` : ""),
    count(target.in_flight), time(target.first_byte_ms)]);
  return card("Targets now",
    table("Health of targets", ["Target", "Tier", "Health", { name: "In flight", number: true }, { name: "First byte", number: true }], rows),
    records?.dropped > 0 && h("p", { class: "note" }, `${count(records.dropped)} records were dropped: the ledger could not keep up.`));
}
