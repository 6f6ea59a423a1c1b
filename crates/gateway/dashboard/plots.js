// Small plots, drawn at the width they have, so that letters keep their size on every screen.

import { s } from "./page.js";
import { ticksOf } from "./figures.js";

// Draws again whenever the width changes.
export function plot(label, draw) {
  const figure = document.createElement("figure");
  figure.className = "plot";
  let drawn = 0;
  new ResizeObserver(() => {
    const width = Math.floor(figure.clientWidth);
    if (width < 60 || width === drawn) return;
    drawn = width;
    const [height, ...shapes] = draw(width);
    figure.replaceChildren(s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...shapes));
  }).observe(figure);
  return figure;
}

const text = (x, y, words, attributes = {}) => s("text", { x, y, ...attributes }, words);

// Width of a letter, and at most of a text, in pixels; room for labels beside a plot.
const LETTER = 7.2;
const wideAs = (words) => words.length * LETTER;
export const besides = (labels) => Math.ceil(Math.max(...labels.map(wideAs))) + 12;

// A label under its column, moved in where it would be cut.
const under = (x, y, words, width) => text(Math.min(x, width - wideAs(words) / 2), y, words, { "text-anchor": "middle" });

// A name in front of its row, as much of it as fits; all of it is told when pointed at.
function named(y, name, room, attributes) {
  const most = Math.floor(room / LETTER);
  const label = text(0, y, name.length > most ? `${name.slice(0, most - 1)}…` : name, attributes);
  label.append(s("title", {}, name));
  return label;
}

// A round number at or above, and the steps to it.
function scale(most) {
  if (!(most > 0)) return [1, [0]];
  const unit = 10 ** Math.floor(Math.log10(most / 4));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * unit).find((n) => n * 4 >= most);
  const top = Math.ceil(most / step - 1e-9);
  return [top * step, Array.from({ length: top + 1 }, (_, at) => at * step)];
}

// Columns: paid below, saved on top of it; together the baseline. A short line marks what the cheapest tier alone would
// have cost, a thin one between what the saving lies. points: {name, paid, saved, cheapest, between: [low, high] or nothing}.
export function bill(label, points, format) {
  return plot(label, (width) => {
    const [height, bottom, head] = [260, 28, 12];
    const [top, ticks] = scale(Math.max(...points.map((point) => point.paid + Math.max(0, point.saved, point.between?.[1] ?? 0))));
    const tickLabel = ticksOf(ticks[1] ?? 1);
    const left = besides(ticks.map(tickLabel));
    const y = (value) => head + (height - bottom - head) * (1 - value / top);
    const pitch = (width - left - 4) / points.length;
    const wide = Math.max(2, Math.min(46, pitch * 0.68));
    const every = Math.ceil(54 / pitch);
    const shapes = ticks.flatMap((tick) => [
      s("line", { class: "grid", x1: left, x2: width, y1: y(tick), y2: y(tick) }),
      text(left - 8, y(tick) + 4, tickLabel(tick), { "text-anchor": "end" }),
    ]);
    points.forEach((point, at) => {
      const middle = left + pitch * (at + 0.5);
      const x = middle - wide / 2;
      const base = point.paid + Math.min(0, point.saved);
      const box = (kind, from, to) => to > from && s("rect", { class: kind, x, width: wide, y: y(to), height: Math.max(1, y(from) - y(to)), rx: Math.min(3, wide / 4) });
      const told = `${point.name}: paid ${format(point.paid)}, ${point.saved < 0 ? "lost" : "saved"} ${format(Math.abs(point.saved))}${point.between ? `, between ${point.between.map(format).join(" and ")}` : ""}`;
      shapes.push(s("g", {}, s("title", {}, told),
        s("rect", { class: "hit", x: middle - pitch / 2, width: pitch, y: head, height: height - bottom - head }),
        box("paid", 0, base), point.saved > 0 ? box("saved", point.paid, point.paid + point.saved) : box("lost", base, point.paid),
        point.cheapest > 0 && s("line", { class: "cheapest", x1: x - 3, x2: x + wide + 3, y1: y(point.cheapest), y2: y(point.cheapest) }),
        point.between && whisker(middle, ...point.between.map((end) => y(Math.max(0, point.paid + end))), Math.min(5, wide / 3))));
      if (at % every === 0) shapes.push(under(middle, height - 8, point.name, width));
    });
    return [height, ...shapes];
  });
}

const whisker = (x, low, high, half) => s("path", { class: "between", d: `M${x - half} ${high}h${2 * half}M${x} ${high}V${low}M${x - half} ${low}h${2 * half}` });

// Columns of counts, the failed part of each marked. points: {name, calls, failed}.
export function traffic(label, points, format) {
  return plot(label, (width) => {
    const [height, bottom, head] = [120, 24, 8];
    const [top, ticks] = scale(Math.max(...points.map((point) => point.calls), 4));
    const left = besides(ticks.map(format));
    const y = (value) => head + (height - bottom - head) * (1 - value / top);
    const pitch = (width - left - 4) / points.length;
    const wide = Math.max(2, Math.min(40, pitch * 0.72));
    const every = Math.ceil(54 / pitch);
    const shapes = [ticks[0], ticks.at(-1)].flatMap((tick) => [
      s("line", { class: "grid", x1: left, x2: width, y1: y(tick), y2: y(tick) }),
      text(left - 8, y(tick) + 4, format(tick), { "text-anchor": "end" }),
    ]);
    points.forEach((point, at) => {
      const middle = left + pitch * (at + 0.5);
      const box = (kind, from, to) => to > from && s("rect", { class: kind, x: middle - wide / 2, width: wide, y: y(to), height: Math.max(1, y(from) - y(to)) });
      shapes.push(s("g", {}, s("title", {}, `${point.name}: ${format(point.calls)} requests, ${format(point.failed)} failed`),
        box("paid", 0, point.calls - point.failed), box("failed", point.calls - point.failed, point.calls)));
      if (at % every === 0) shapes.push(under(middle, height - 6, point.name, width));
    });
    return [height, ...shapes];
  });
}

// Shares with their intervals, one below the other, and what is wanted. rows: {name, value, low, high, held}.
export function intervals(label, rows, wanted) {
  return plot(label, (width) => {
    const [left, right, row, head] = [Math.min(190, width * 0.42), 58, 30, 26];
    const height = head + rows.length * row + 22;
    const from = Math.max(0, Math.floor(Math.min(wanted, ...rows.map((one) => one.low)) * 10 - 0.01) / 10);
    const x = (share) => left + (width - left - right) * (share - from) / (1 - from || 1);
    const shapes = [0, 0.5, 1].flatMap((part) => {
      const share = from + (1 - from) * part;
      return [s("line", { class: "grid", x1: x(share), x2: x(share), y1: head, y2: height - 20 }), text(x(share), height - 5, `${Math.round(share * 100)} %`, { "text-anchor": "middle" })];
    });
    shapes.push(s("line", { class: "needed", x1: x(wanted), x2: x(wanted), y1: head - 6, y2: height - 20 }),
      text(Math.max(left, Math.min(x(wanted), width - 60)), 14, `wanted ${(wanted * 100).toFixed(1)} %`, { "text-anchor": "middle", class: "strong" }));
    rows.forEach((one, at) => {
      const y = head + row * (at + 0.5);
      const kind = one.high < wanted || one.held ? "t3" : one.low >= wanted ? "t0" : "t1";
      shapes.push(named(y + 4, one.name, left - 10), s("line", { class: `stem ${kind}`, x1: x(one.low), x2: Math.max(x(one.low) + 2, x(one.high)), y1: y, y2: y }),
        s("circle", { class: kind, cx: x(one.value), cy: y, r: 6 }),
        text(width - 2, y + 4, `${(one.value * 100).toFixed(1)} %`, { "text-anchor": "end" }));
    });
    return [height, ...shapes];
  });
}

// Chances as dots on a line, and the one that was needed. rows: {name, kind, p, chosen}.
export function chances(label, rows, needed) {
  return plot(label, (width) => {
    const [left, right, row, head] = [Math.min(130, width * 0.3), 60, 38, 30];
    const height = head + rows.length * row + 22;
    const least = Math.min(...rows.map((one) => one.p), needed ?? 1);
    const from = Math.max(0, Math.floor((least - 0.02) * 20) / 20);
    const x = (p) => left + (width - left - right) * (p - from) / (1 - from);
    const shapes = [];
    const step = [0.05, 0.1, 0.2, 0.25, 0.5, 1].find((step) => (1 - from) / step <= (width < 420 ? 3.01 : 5.01)) ?? 1;
    for (let p = 1; p > from - 1e-6; p -= step) {
      shapes.push(s("line", { class: "grid", x1: x(p), x2: x(p), y1: head, y2: height - 20 }),
        text(x(p), height - 5, `${Math.round(p * 100)} %`, { "text-anchor": "middle" }));
    }
    if (needed !== null && needed !== undefined) {
      shapes.push(s("line", { class: "needed", x1: x(needed), x2: x(needed), y1: head - 8, y2: height - 20 }),
        text(Math.max(left, Math.min(x(needed), width - 60)), 14, `needed ${(needed * 100).toFixed(1)} %`, { "text-anchor": "middle", class: "strong" }));
    }
    rows.forEach((one, at) => {
      const y = head + row * (at + 0.5);
      shapes.push(named(y + 4, one.name, left - 10, { class: one.chosen ? "strong" : "" }),
        s("line", { class: `stem ${one.kind}`, x1: x(from), x2: x(one.p), y1: y, y2: y }),
        s("circle", { class: one.kind, cx: x(one.p), cy: y, r: one.chosen ? 8 : 6 }),
        one.chosen && s("circle", { class: `ring ${one.kind}`, cx: x(one.p), cy: y, r: 12 }),
        text(width - 2, y + 4, `${(one.p * 100).toFixed(1)} %`, { "text-anchor": "end", class: one.chosen ? "strong" : "" }));
    });
    return [height, ...shapes];
  });
}

// Calls on a time line. rows: {name, kind, from, took, good}; marks: {name, at}.
export function timeline(label, rows, total, marks, format) {
  return plot(label, (width) => {
    const [row, head] = [40, 22];
    const height = head + rows.length * row + 8;
    const most = Math.max(total, 1, ...rows.map((one) => one.from + one.took));
    const x = (ms) => 1 + (width - 2) * ms / most;
    const shapes = [s("line", { class: "axis", x1: 0, x2: width, y1: head, y2: head }),
      text(0, 14, "0"), text(width, 14, format(most), { "text-anchor": "end" })];
    for (const mark of marks) {
      const at = x(mark.at);
      shapes.push(s("line", { class: "needed", x1: at, x2: at, y1: head - 5, y2: height }),
        at > 60 && at < width - 80 && text(at, 12, mark.name, { "text-anchor": "middle" }));
    }
    rows.forEach((one, at) => {
      const y = head + row * at + 8;
      shapes.push(text(x(one.from) > width / 2 ? x(one.from) : Math.max(2, x(one.from)), y + 10, one.name, { "text-anchor": x(one.from) > width / 2 ? "end" : "start" }),
        s("rect", { class: one.good ? one.kind : "failed", x: x(one.from), y: y + 15, height: 10, rx: 5, width: Math.max(4, x(one.from + one.took) - x(one.from)) }));
    });
    return [height, ...shapes];
  });
}
