//! `tierway explain`: every step of one decision, from its row, and whether it would be made again.

use crate::exit::{Done, Failed, say};
use crate::store::{Source, StoreArg};
use std::io::{self, Write};
use tierway_config::Config;
use tierway_decide::{Attempt, CallRecord, CallStatus, Reason, RejectWhy, RequestId, TierId, Usd, savings};
use tierway_gateway::{Again, Names, tiers_asked};
use tierway_ledger::{Filter, Span};
use tierway_report::{
    Amounts, attempt_words, decided_words, milliseconds, percent, reject_words, thousands, was_decided,
};
use tierway_wire::ServiceTier;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The request, as in the header `x-tierway-request-id` [default: the newest one]
    #[arg(value_name = "REQUEST_ID")]
    id: Option<RequestId>,
    #[command(flatten)]
    store: StoreArg,
    /// The record and the recomputation as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    let mut source = args.store.open()?;
    let id = args.id.map_or_else(|| newest(&mut source), Ok)?;
    let stored = source.reader.call(id).map_err(Failed::told)?;
    let stored = stored.ok_or_else(|| {
        Failed::told(format_args!("no record of request {id} (not written yet, or its rows are no longer kept)"))
    })?;
    let config = source.config.as_ref();
    let again = match config {
        // The row is shown whatever became of the config.
        Some(config) => decided_again(&stored.call, config, &source).unwrap_or_else(|why| {
            say(format_args!("warning: not decided again: {why}"));
            Again::default()
        }),
        None => Again::default(),
    };
    let mut out = io::stdout().lock();
    if args.json {
        let shown = serde_json::json!({
            "request_id": id.to_string(), "record": stored.call, "intact": stored.intact, "recomputed": again.json(),
        });
        writeln!(out, "{shown:#}")?;
    } else {
        let ladder = config.map(|config| config.table.ladder());
        let names = Names::for_record(ladder, again.same_table, &stored.call);
        tell(&mut out, &stored.call, stored.intact, &names, &again)?;
    }
    Ok(())
}

fn decided_again(call: &CallRecord, config: &Config, source: &Source) -> Result<Again, String> {
    let setup = tierway_gateway::setup(config).map_err(|error| error.to_string())?;
    let kept = if call.key.is_empty() { Vec::new() } else { source.keys() };
    let keys = tierway_gateway::key_pins(config, &kept);
    Again::of(call, &setup, &|name| keys.get(name).copied()).map_err(|error| error.to_string())
}

fn newest(source: &mut Source) -> Result<RequestId, Failed> {
    let newest = source
        .reader
        .list(&Filter { of_clients: true, ..Filter::default() }, Span::ALL, None, 1)
        .map_err(Failed::told)?;
    let newest = newest.calls.first().map(|call| call.id);
    newest.ok_or_else(|| Failed::told("nothing was recorded yet: `tierway ask \"PROMPT\"` makes a request"))
}

fn tell(out: &mut impl Write, call: &CallRecord, intact: bool, names: &Names, again: &Again) -> io::Result<()> {
    came(out, call)?;
    if was_decided(call) {
        looked(out, call, names, again)?;
    }
    chose(out, call, names, again)?;
    let known = [call.paid_in_all(), call.baseline, call.cheapest];
    let amounts = Amounts::up_to(known.into_iter().flatten().max().unwrap_or_default());
    called(out, call, amounts)?;
    paid(out, call, amounts)?;
    writeln!(out, "\nRow")?;
    let word =
        if intact { "it is as it was written" } else { "it was changed after it was written; see `tierway audit`" };
    fact(out, "checksum", word)?;
    if !was_decided(call) {
        return Ok(());
    }
    let config = match (again.same_table, names.are_known()) {
        (true, _) => ", in force now",
        (false, true) => ", not the one at hand, whose names of tiers are shown",
        (false, false) => ", not at hand: tiers are numbered from the cheapest",
    };
    fact(out, "config", &format!("{:016x}{config}", call.table_version))
}

fn fact(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    // Some of it was chosen by clients: a terminal must not obey it.
    let value: String = value.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    crate::columns::fact(out, &format!("  {name:<14}"), &value)
}

fn came(out: &mut impl Write, call: &CallRecord) -> io::Result<()> {
    let time = jiff::Timestamp::from_millisecond(call.id.unix_ms()).map(|time| time.to_string());
    writeln!(out, "Request {}", call.id)?;
    fact(out, "came", &time.unwrap_or_default())?;
    let stream = if call.stream { ", as a stream" } else { "" };
    let model = match call.requested_model.as_str() {
        "" => "a model that was not read,".to_owned(),
        model => format!("`{model}`"),
    };
    fact(out, "asked for", &format!("{model} by {}{stream}", call.format))?;
    for (name, value) in [("key", &call.key), ("team", &call.team), ("user", &call.user), ("session", &call.session)] {
        if !value.is_empty() {
            fact(out, name, value)?;
        }
    }
    Ok(())
}

fn looked(out: &mut impl Write, call: &CallRecord, names: &Names, again: &Again) -> io::Result<()> {
    let prediction = &call.prediction;
    writeln!(out, "\nPrediction")?;
    fact(out, "complexity", prediction.complexity.name())?;
    fact(out, "task type", prediction.task_type.name())?;
    let chances = (0u8..).zip(&prediction.p_ok).take(tiers_asked(&prediction.p_ok));
    let chances: Vec<_> =
        chances.map(|(at, p)| format!("{} {}", names.tier(TierId(at)), percent(f64::from(*p)))).collect();
    fact(out, "will do", &if chances.is_empty() { "nobody was asked".into() } else { chances.join(", ") })?;
    fact(out, "score", &format!("{:.3} (0: cheapest tier, 1: baseline)", prediction.score_strong))?;
    if let Some(abstain) = prediction.abstain {
        fact(out, "abstained", &word(&abstain))?;
    }
    if call.classifier_paid != Usd::ZERO && call.reason != Reason::ModelAsked {
        fact(out, "asked", "a model, how hard it is; its opinion came too late, could not be used or was not needed")?;
    }
    if !prediction.calibrated {
        fact(out, "calibrated", "no; `tierway calibrate` proves thresholds on your own outcomes")?;
    }
    let Some(recomputed) = &again.prediction else { return Ok(()) };
    for (feature, weight) in &again.because {
        let side = if *weight < 0.0 { "for the cheapest tier" } else { "for the baseline" };
        fact(out, "because", &format!("{feature} ({weight:+.2}, {side})"))?;
    }
    let now = format!("{} with score {:.3}", recomputed.complexity.name(), recomputed.score_strong);
    let verdict = match (recomputed == prediction, again.same_table) {
        (true, _) => "the same".into(),
        (false, true) => format!("{now}: predictor or evidence changed since"),
        (false, false) => format!("{now} under the config at hand, which is not the one that decided"),
    };
    fact(out, "recomputed", &verdict)
}

fn chose(out: &mut impl Write, call: &CallRecord, names: &Names, again: &Again) -> io::Result<()> {
    writeln!(out, "\nDecision")?;
    if call.tier.is_empty() {
        fact(out, "tier", "none")?;
    } else {
        fact(out, "tier", &call.tier)?;
    }
    for (name, words) in ["good at", "bad at"].into_iter().zip(names.traits(&call.tier)) {
        if !words.is_empty() {
            fact(out, name, words)?;
        }
    }
    fact(out, "reason", &decided_words(call))?;
    if let Some(needed) = again.needed {
        fact(out, "needed", &format!("{} that an answer will do", percent(f64::from(needed))))?;
        for words in names.would_change(&call.tier, &call.prediction.p_ok, needed) {
            fact(out, "instead", &words)?;
        }
    }
    if !call.raised_from.is_empty() {
        fact(out, "raised from", &call.raised_from)?;
    }
    for rejected in &call.rejected {
        let target = rejected.target.map_or_else(String::new, |target| format!(", target {}", target.index + 1));
        let who = format!("{}{target}", names.tier(rejected.tier));
        let again = match (&rejected.why, rejected.target) {
            (RejectWhy::Outscored(duel), Some(target)) => {
                let same = duel.comes_out_again(target.index, call.id.as_i64().cast_unsigned());
                if same { "; computed again from the id: the same" } else { "; computed again from the id: DIFFERENT" }
            }
            _ => "",
        };
        fact(out, "passed over", &format!("{who}: {}{again}", reject_words(&rejected.why)))?;
    }
    fact(out, "took", &format!("{} µs", thousands(call.decide_us.into())))?;
    if let Some(tier) = &again.tier {
        let verdict = if *tier == call.tier { "the same".into() } else { format!("{tier} by the config at hand") };
        fact(out, "decided again", &verdict)?;
    }
    Ok(())
}

fn called(out: &mut impl Write, call: &CallRecord, amounts: Amounts) -> io::Result<()> {
    writeln!(out, "\nCalls")?;
    for attempt in &call.attempts {
        fact(out, &format!("+{} ms", attempt.started_ms), &one_call(attempt, amounts))?;
    }
    if !call.adapted.is_empty() {
        fact(out, "adapted", &call.adapted.join(", "))?;
    }
    let status = match call.status {
        CallStatus::Answered => "answered",
        CallStatus::Failed => "failed",
        CallStatus::Cancelled => "the client went away",
        CallStatus::Refused => "refused before any provider was called",
    };
    let finish = if call.finish.is_empty() { String::new() } else { format!(", finish reason `{}`", call.finish) };
    fact(out, "end", &format!("{status}, HTTP {}{finish}", call.http_status))?;
    let first = call.first_byte_ms.map_or_else(String::new, |ms| format!("first byte after {ms} ms, "));
    fact(out, "time", &format!("{first}{} in all", milliseconds(Some(call.total_ms.into()))))
}

fn one_call(attempt: &Attempt, amounts: Amounts) -> String {
    let end = attempt_words(&attempt.end);
    let tier = if attempt.tier.is_empty() { "on no tier" } else { &attempt.tier };
    let who = format!("{}/{} ({tier})", attempt.provider, attempt.model);
    format!("{who}: {end} after {} ms, {}", attempt.took_ms, cost(attempt.paid, amounts))
}

fn cost(paid: Option<Usd>, amounts: Amounts) -> String {
    paid.map_or_else(|| "price unknown".into(), |paid| amounts.show(paid))
}

fn paid(out: &mut impl Write, call: &CallRecord, amounts: Amounts) -> io::Result<()> {
    writeln!(out, "\nMoney")?;
    let usage = &call.usage;
    let estimate = if call.usage_estimated { ", by our estimate" } else { "" };
    fact(
        out,
        "tokens",
        &format!(
            "{} in ({} from the cache), {} out ({} of them reasoning){estimate}",
            thousands(usage.input_tokens),
            thousands(usage.cached_input_tokens),
            thousands(usage.output_tokens),
            thousands(usage.reasoning_tokens)
        ),
    )?;
    let (used, asked) = (usage.service_tier, call.asked_service_tier);
    if used != ServiceTier::Standard || asked != ServiceTier::Standard {
        let asked = if asked == used { String::new() } else { format!(" (asked for: {})", asked.name()) };
        fact(out, "service tier", &format!("{}{asked}", used.name()))?;
    }
    fact(out, "paid", &cost(call.paid_in_all(), amounts))?;
    if call.classifier_paid != Usd::ZERO {
        let of = if call.paid_in_all().is_some() { " of it" } else { "" };
        fact(out, "to decide", &format!("{}{of}", amounts.show(call.classifier_paid)))?;
    }
    fact(out, "baseline", &cost(call.baseline, amounts))?;
    fact(out, "cheapest tier", &cost(call.cheapest, amounts))?;
    match savings::saved(call).zip(savings::baseline_of(call)) {
        Some((saved, baseline)) => {
            // As a reader of the lines above computes it.
            let shown = amounts.less(baseline, baseline - saved);
            let (name, amount) = if shown < Usd::ZERO { ("lost", -shown) } else { ("saved", shown) };
            fact(out, name, &amounts.show(amount))
        }
        None if !savings::is_routed(&call.reason) => fact(out, "saved", "not counted: the client named the model"),
        None => fact(out, "saved", "unknown"),
    }
}

/// The serialized name of a plain enum.
fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().replace('_', " ")
}
