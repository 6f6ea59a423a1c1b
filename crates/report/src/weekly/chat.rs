//! The week as a message for a chat: the JSON that Slack's incoming webhooks take, and others who copy them.

use super::Weekly;
use super::story::{headlines, left_out, period, points};
use serde_json::{Value, json};

/// What a section may hold, by Slack's own bound of 3,000 characters, with room for the marks around it.
const MOST: usize = 2_800;
/// Things to do that are said; the page has them all.
const MOST_POINTS: usize = 3;

/// `text` for those who show only that, `blocks` for the others.
#[must_use]
pub fn slack_json(weekly: &Weekly) -> Value {
    let headlines = headlines(weekly);
    let lines: Vec<_> = headlines.iter().map(|line| format!("*{}*: {}", line.name, escaped(&line.value))).collect();
    let text = format!("tierway, {}: {}", period(weekly), lines.join(", "));
    let more: Vec<_> = headlines
        .iter()
        .map(|line| format!("*{}: {}*\n{}", line.name, escaped(&line.value), escaped(&line.more)))
        .collect();
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": "tierway, the week"}}),
        json!({"type": "context", "elements": [{"type": "mrkdwn", "text": period(weekly)}]}),
        section(&more.join("\n")),
    ];
    let points = points(weekly).into_iter().take(MOST_POINTS).map(|point| {
        let wrong: Vec<_> = point.misroutes.iter().map(|one| format!("{}.", escaped(&one.sentence()))).collect();
        format!("• {} {}", wrong.join(" "), escaped(&point.advice.words))
    });
    let points: Vec<_> = points.collect();
    if !points.is_empty() {
        blocks.push(section(&format!("*What to do*\n{}", points.join("\n"))));
    }
    blocks.push(section(&left_out(weekly).iter().map(|line| escaped(line)).collect::<Vec<_>>().join("\n")));
    json!({"text": text, "blocks": blocks})
}

fn section(text: &str) -> Value {
    let cut: String = text.chars().take(MOST).collect();
    json!({"type": "section", "text": {"type": "mrkdwn", "text": cut}})
}

/// The three characters that begin something in Slack's own marks.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
