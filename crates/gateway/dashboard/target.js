// The quality target as a slider: what the last days would have cost and risked under another one. All answers come at
// once, so that the slider moves without asking.

import { ask } from "./ask.js";
import { h, s, card, prose, tierTag, tierClass, bar } from "./page.js";
import { besides, plot } from "./plots.js";
import { alike, percent, count, many } from "./figures.js";

const DAYS = 7;

export async function targetCard(signal) {
  const told = await ask("backtest", { days: DAYS }, signal);
  if (!told.replayed) return card("The last week under another quality target", h("p", { class: "dim" }, "No request of the last week can be decided again."));
  const points = [...told.points].sort((a, b) => a.quality_target - b.quality_target);
  const now = told.in_force;
  const nearest = points.reduce((best, point, at) => Math.abs(point.quality_target - now.quality_target) < Math.abs(points[best].quality_target - now.quality_target) ? at : best, 0);
  const out = h("div", {});
  const dollars = alike([now.would.baseline_usd_per_1000]);
  const slider = h("input", { id: "target", type: "range", min: "0", max: String(points.length - 1), step: "1", value: String(nearest), "aria-describedby": "target-note", oninput: move });
  const value = h("output", { for: "target" });
  const curve = h("div", {});
  function move() {
    const point = points[Number(slider.value)];
    value.textContent = percent(point.quality_target);
    slider.setAttribute("aria-valuetext", `${percent(point.quality_target)}: ${dollars(point.would.paid_usd_per_1000)} for 1,000 requests, risk ${percent(point.would.risk)}`);
    out.replaceChildren(compared(told, point, dollars));
    curve.replaceChildren(drawn(points, point, now, dollars));
  }
  move();
  return card("The last week under another quality target",
    h("p", { class: "row-of" }, h("label", { for: "target" }, "Quality target"), slider, value),
    h("p", { class: "dim", id: "target-note" }, `In force: ${percent(now.quality_target)}. ${count(told.replayed)} of ${many(told.looked_at, "request")} could be decided again${told.looked_at < told.requests ? `, a sample of ${count(told.requests)} that is spread over the week` : ""}.`),
    out, curve,
    told.policy === "tiers" && h("p", { class: "note" }, prose("The policy in force is `tiers`: it goes by the table of complexities, and the quality target moves nothing.")),
    !told.calibrated && h("p", { class: "note" }, prose("Not calibrated: the risk is the built-in prior's expectation, an order rather than a rate. `tierway calibrate` makes it yours.")),
    h("p", { class: "dim" }, prose("Cost at the same tokens. To try a whole config with the requests that would move: `tierway backtest --since 7d --policy new.toml`.")));
}

function compared(told, point, dollars) {
  const rows = [["In force", told.in_force.would], ["With this target", point.would]];
  const most = Math.max(...rows.map(([, side]) => side.baseline_usd_per_1000), 1e-12);
  return h("div", {},
    h("div", { class: "compare" }, rows.map(([name, side]) => h("p", { class: "row" }, h("span", {}, name), bar(side.paid_usd_per_1000 / most, "paid"), h("b", {}, `${dollars(side.paid_usd_per_1000)} / 1,000`)))),
    h("dl", { class: "facts" }, [
      ["Saved", `${percent(told.in_force.would.saved_share)} → ${percent(point.would.saved_share)}`],
      ["Too low (risk)", `${percent(told.in_force.would.risk)} → ${percent(point.would.risk)}`],
      ["Too high (waste)", `${percent(told.in_force.would.waste)} → ${percent(point.would.waste)}`],
      ["Requests that move", `${count(point.moved)} of ${count(told.replayed)}`],
    ].map(([name, words]) => h("div", {}, h("dt", {}, name), h("dd", {}, words)))),
    h("p", { class: "mix" }, Object.entries(point.would.tiers).sort(([a], [b]) => tierClass(a) < tierClass(b) ? -1 : 1).map(([tier, calls]) => h("span", {}, tierTag(tier), ` ${percent(calls / told.replayed)} `))));
}

// Cost against risk: each dot a target, the line what can be had.
function drawn(points, chosen, now, dollars) {
  const told = "Cost of 1,000 requests against expected risk, one dot for each quality target; the figures are above";
  return plot(told, (width) => {
    const [height, right, head, foot] = [200, 16, 14, 40];
    const most = Math.max(...points.map((point) => point.would.risk), now.would.risk, 0.01);
    const costs = [...points, now].map((point) => point.would.paid_usd_per_1000);
    const [low, high] = [Math.min(...costs), Math.max(...costs)];
    const left = besides([low, high].map(dollars));
    const span = high - low || high || 1;
    const x = (risk) => left + (width - left - right) * risk / most;
    const y = (cost) => head + (height - head - foot) * (high - cost) / span;
    const at = (point) => [x(point.would.risk), y(point.would.paid_usd_per_1000)];
    const line = points.map(at).sort((a, b) => a[0] - b[0]).map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ");
    const text = (px, py, words, more = {}) => s("text", { x: px, y: py, ...more }, words);
    return [height,
      s("line", { class: "axis", x1: left, x2: width - right, y1: height - foot, y2: height - foot }),
      text(left - 8, y(high) + 4, dollars(high), { "text-anchor": "end" }), text(left - 8, y(low) + 4, dollars(low), { "text-anchor": "end" }),
      [0, 0.5, 1].map((share) => text(x(most * share), height - foot + 17, percent(most * share), { "text-anchor": share === 1 ? "end" : share ? "middle" : "start" })),
      text((left + width - right) / 2, height - 5, "expected risk", { "text-anchor": "middle" }),
      s("polyline", { class: "curve", points: line }),
      points.map((point) => s("circle", { class: "tx", cx: at(point)[0], cy: at(point)[1], r: 3 })),
      s("circle", { class: "ring t1", cx: at(now)[0], cy: at(now)[1], r: 9 }),
      s("circle", { class: "t0", cx: at(chosen)[0], cy: at(chosen)[1], r: 7 })];
  });
}
