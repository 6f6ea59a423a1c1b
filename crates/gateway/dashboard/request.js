// One request: how it went, step by step.

import { ask } from "./ask.js";
import { h, card, facts, words, prose, tierTag, tierClass, bar } from "./page.js";
import { timeline } from "./plots.js";
import { chancesCard, becauseCard, rejectedCard } from "./decision.js";
import { alike, count, time, when } from "./figures.js";

export default async function request(place, { id, signal }) {
  const { request_id, time_ms, intact, explain, record } = await ask(`requests/${encodeURIComponent(id)}`, {}, signal);
  const tier = record.tier || record.served_tier;
  place.append(
    h("p", { class: "back" }, h("a", { href: "#/requests" }, "← Requests")),
    h("h1", {}, "Why it went where it went"),
    h("p", { class: "lead" }, h("code", {}, request_id), ` · ${when(time_ms)}`),
    story(record, explain),
    h("div", { class: "columns" },
      h("div", { class: "stack" }, chancesCard(explain.chances, explain.needed, tier, record.prediction.abstain), rejectedCard(explain.rejected)),
      h("div", { class: "stack" }, becauseCard(explain.because), again(explain, record))),
    calls(explain, record), h("div", { class: "columns" }, money(explain, record), asked(record, intact)));
}

function story(record, explain) {
  const step = (name, ...value) => h("li", {}, h("span", { class: "dim" }, name), h("span", {}, ...value));
  return h("section", { class: "card" }, h("h2", { class: "hidden" }, "In short"), h("ol", { class: "story" },
    step("Asked for", h("code", {}, record.requested_model)),
    explain.decided && step("Looks like", `${words(record.prediction.task_type)}, ${words(record.prediction.complexity)}`),
    step("Decided", tierTag(record.tier), h("small", {}, prose(explain.reason.words))),
    record.raised_from && step("Raised from", tierTag(record.raised_from)),
    step("Answered by", record.served_model ? [tierTag(record.served_tier), h("small", {}, record.served_model)] : "nobody"),
    step("End", h("span", { class: `end ${record.status}` }, record.status), h("small", {}, `HTTP ${record.http_status}${record.finish ? `, ${record.finish}` : ""}`))));
}

function again(explain, record) {
  const { tier, prediction, same_config: same } = explain.again;
  const first = record.raised_from || record.tier;
  return card("Decided again, now", prediction === null ? h("p", { class: "dim" }, "No features were kept for this request.")
    : h("p", {}, tier === null ? "What decided hangs on text or headers, which are not kept, so only the prediction can be repeated. " : tier === first ? ["The same tier again: ", tierTag(tier), ". "] : ["The config in force would choose ", tierTag(tier), ". "],
      same ? "The config is the one that decided then." : explain.decided ? "The config has changed since." : ""),
    explain.decided && !record.prediction.calibrated && h("p", { class: "note" }, prose("Not calibrated: the threshold is a cautious constant until `tierway calibrate` proves one on your own outcomes.")));
}

function calls(explain, record) {
  const dollars = ofOne(explain);
  const rows = explain.attempts.map((attempt) => ({
    name: attempt.target,
    kind: tierClass(attempt.tier), from: attempt.started_ms, took: attempt.took_ms, good: attempt.end.kind === "ok",
  }));
  const marks = record.first_byte_ms === null ? [] : [{ name: `first byte ${time(record.first_byte_ms)}`, at: record.first_byte_ms }];
  return card("Calls on a time line", rows.length ? timeline("Calls on a time line; the list below tells each", rows, record.total_ms, marks, time) : h("p", { class: "dim" }, "No provider was called."),
    h("ol", { class: "plain" }, explain.attempts.map((attempt) => h("li", {}, h("code", {}, attempt.target), ` ${attempt.words}; began at ${time(attempt.started_ms)}, took ${time(attempt.took_ms)}, ${dollars(attempt.paid_usd)}`))),
    h("p", { class: "dim" }, `Deciding took ${count(record.decide_us)} µs.`, record.adapted.length > 0 && ` Adapted for the target: ${record.adapted.join(", ")}.`));
}

// Of one request: what it cost, and what it would have cost.
const ofOne = ({ money }) => alike([money.paid_usd, money.baseline_usd, money.cheapest_usd]);

function money(explain, record) {
  const dollars = ofOne(explain);
  const { paid_usd: paid, baseline_usd: baseline, cheapest_usd: cheapest, saved_usd: saved, classifier_usd: classifier, counted, method } = explain.money;
  const most = Math.max(paid ?? 0, baseline ?? 0, cheapest ?? 0, 1e-15);
  const shown = saved === null || baseline === null ? saved : dollars.less(baseline, baseline - saved);
  const row = (name, amount, kind) => h("p", { class: "row" }, h("span", {}, name), bar((amount ?? 0) / most, kind), h("b", {}, dollars(amount)));
  return card("Money", h("div", { class: "compare" }, row("Paid", paid, "paid"), classifier > 0 && row(paid === null ? "to decide" : "of it to decide", classifier, "paid"), row("On the baseline", baseline, "base"), row("On the cheapest tier", cheapest, "cheapest")),
    h("p", {}, !counted ? "Not counted in savings: the client named the model." : saved === null ? "A price is unknown: left out of savings." : saved < 0 ? h("b", { class: "bad" }, `Lost ${dollars(-shown)}`) : h("b", { class: "good" }, `Saved ${dollars(shown)}`)),
    h("p", { class: "dim" }, `${count(record.usage.input_tokens)} tokens in (${count(record.usage.cached_input_tokens)} from the cache), ${count(record.usage.output_tokens)} out (${count(record.usage.reasoning_tokens)} reasoning)${record.usage_estimated ? ", by our estimate" : ""}. Baseline: ${method}.`));
}

function asked(record, intact) {
  return card("The row", facts([
    ["API", `${words(record.format)}${record.stream ? ", as a stream" : ""}`], ["Key", record.key], ["Team", record.team], ["User", record.user], ["Session", record.session],
    ["First byte", time(record.first_byte_ms)], ["In all", time(record.total_ms)],
    ["Checksum", intact ? "as it was written" : h("b", { class: "bad" }, "changed since it was written; see tierway audit")]]));
}
