//! Quality against cost as a self-contained SVG.

use crate::eval::Report;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 60.0;

/// The curve of all requests, beside length and a mere mix of both tiers.
#[must_use]
pub fn curve(report: &Report) -> String {
    let points: Vec<(f64, f64)> = report.curve.iter().chain(&report.curve_length).copied().collect();
    let span = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) = points.iter().map(of).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        if high > low { (low, high) } else { (low - 0.5, low + 0.5) }
    };
    let ((x0, x1), (y0, y1)) = (span(|point| point.0), span(|point| point.1));
    let pad = 0.08 * (y1 - y0);
    let (y0, y1) = (y0 - pad, y1 + pad);
    let x = |cost: f64| LEFT + (cost - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let y = |quality: f64| HEIGHT - BOTTOM - (quality - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM);
    let path = |points: &[(f64, f64)]| {
        points.iter().enumerate().fold(String::new(), |mut path, (at, (cost, quality))| {
            let _ = write!(path, "{}{:.1} {:.1}", if at == 0 { 'M' } else { 'L' }, x(*cost), y(*quality));
            path
        })
    };
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' font-family='system-ui,sans-serif' font-size='13' fill='#222'>\
         <rect width='100%' height='100%' fill='#fff'/><text x='{LEFT}' y='26' font-size='17' font-weight='600'>Quality against cost</text>\
         <text x='{LEFT}' y='44' fill='#666'>{} requests; ordered by {}</text>",
        report.measured.first().map_or(0, |all| all.requests),
        escape(&report.by),
    );
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let (cost, quality) = (x0 + share * (x1 - x0), y0 + share * (y1 - y0));
        let _ = write!(
            svg,
            "<line x1='{LEFT}' x2='{:.0}' y1='{:.1}' y2='{:.1}' stroke='#e6e6e6'/><text x='{:.0}' y='{:.1}' text-anchor='end' fill='#666'>{:.1} %</text>\
             <text x='{:.1}' y='{:.0}' text-anchor='middle' fill='#666'>{cost:.2}</text>",
            WIDTH - RIGHT,
            y(quality),
            y(quality),
            LEFT - 8.0,
            y(quality) + 4.0,
            100.0 * quality,
            x(cost),
            HEIGHT - BOTTOM + 20.0,
        );
    }
    let ends = [report.curve.first(), report.curve.last()].into_iter().flatten().copied().collect::<Vec<_>>();
    for (points, colour, dash, width) in
        [(&ends, "#999", "4 4", 1.5), (&report.curve_length, "#c77700", "", 1.5), (&report.curve, "#0b6bcb", "", 2.5)]
    {
        let _ = write!(
            svg,
            "<path d='{}' fill='none' stroke='{colour}' stroke-width='{width}' stroke-dasharray='{dash}'/>",
            path(points)
        );
    }
    let legend = [("#0b6bcb", "this order"), ("#c77700", "prompt length"), ("#999", "random mix of both tiers")];
    for (at, (colour, words)) in legend.into_iter().enumerate() {
        let left = WIDTH - RIGHT - 190.0;
        let top = HEIGHT - BOTTOM - 62.0 + 18.0 * at as f64;
        let _ = write!(
            svg,
            "<line x1='{left}' x2='{}' y1='{top}' y2='{top}' stroke='{colour}' stroke-width='3'/><text x='{}' y='{}'>{words}</text>",
            left + 22.0,
            left + 30.0,
            top + 4.0,
        );
    }
    let _ = writeln!(
        svg,
        "<text x='{:.0}' y='{:.0}' text-anchor='middle'>dollars per thousand requests</text></svg>",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - 16.0,
    );
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
