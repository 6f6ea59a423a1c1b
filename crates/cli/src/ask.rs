//! `tierway ask`: one question, end to end, recorded like any other.

use crate::exit::{Done, Failed, say};
use crate::load::{ConfigArg, warn_of_missing_keys};
use crate::stopping::Stopping;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use tierway::{AUTO, Call, Reply, ReplyBody};
use tierway_gateway::Desk;
use tierway_wire::Format;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The question; `-` reads it from stdin
    prompt: String,
    #[command(flatten)]
    config: ConfigArg,
    /// `auto`, a tier or a model
    #[arg(long, short, default_value = AUTO)]
    model: String,
    /// Instructions to go before the question
    #[arg(long)]
    system: Option<String>,
    /// The whole reply as JSON, with `tierway`: tier, model, reason, request id, tokens and cost
    #[arg(long)]
    json: bool,
    /// Record into this ledger instead of the config's
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> Done {
    let mut config = args.config.load()?;
    let mut explain = String::from("tierway explain");
    if let Some(path) = args.ledger {
        // Before anything is paid.
        if let Some(why) = crate::check::unwritable_ledger(&path) {
            return Err(Failed::told(why));
        }
        explain += &format!(" --db {}", path.display());
        config.ledger.use_file(path);
    }
    let prompt = crate::prompt::read(&args.prompt)?;
    let mut messages = Vec::new();
    messages.extend(args.system.map(|system| json!({"role": "system", "content": system})));
    messages.push(json!({"role": "user", "content": prompt}));
    let body = json!({"model": args.model, "messages": messages}).to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let desk = Desk::open(&config).map_err(Failed::told)?;
    let reply = runtime.block_on(reply(&desk, Call::new(Format::OpenaiChat, body)));
    // What was asked is paid for: what came of it is shown whether or not it could be recorded, and so is why it could not.
    let recorded = desk.close();
    if reply.as_ref().is_ok_and(|reply| !reply.status.is_success()) {
        warn_of_missing_keys(&config);
    }
    let shown = reply.and_then(|reply| show(reply, recorded.is_ok().then_some(&explain), args.json));
    if let Err(error) = recorded {
        say(format_args!("tierway: warning: this request is not recorded: {error}"));
        say("tierway: `--ledger FILE` records it elsewhere");
    }
    shown
}

/// Given up on Ctrl-C or SIGTERM; its record is then that of a client that went away.
async fn reply(desk: &Desk, call: Call) -> Result<Reply, Failed> {
    let mut stopping = Stopping::new()?;
    tokio::select! {
        reply = desk.router().chat(call) => Ok(reply),
        () = stopping.wanted() => {
            Err(Failed::told("given up before the answer; what was read by then is recorded as paid, by estimate"))
        }
    }
}

/// `explain`: the command that shows the record, where there is one.
fn show(Reply { headers, status, body }: Reply, explain: Option<&String>, as_json: bool) -> Done {
    let ReplyBody::Whole(Some(bytes)) = body else { return Err(Failed::told("the reply is no whole answer")) };
    let mut answer: Value = serde_json::from_slice(&bytes).map_err(Failed::told)?;
    if !status.is_success() {
        let message = answer["error"]["message"].as_str().unwrap_or("no answer");
        return Err(Failed::told(format_args!("HTTP {}: {message}", status.as_u16())));
    }
    let mut out = io::stdout().lock();
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if as_json {
        // Amounts are exact decimals.
        let amount = |name: &str| told(name).and_then(|amount| serde_json::from_str::<Value>(amount).ok());
        answer["tierway"] = json!({
            "tier": told("x-tierway-tier"),
            "model": told("x-tierway-model"),
            "reason": told("x-tierway-reason"),
            "request_id": told("x-tierway-request-id"),
            "input_tokens": answer["usage"]["prompt_tokens"],
            "output_tokens": answer["usage"]["completion_tokens"],
            "cost_usd": amount("x-tierway-cost-usd"),
            "baseline_usd": amount("x-tierway-baseline-usd"),
        });
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    writeln!(out, "{}", answer["choices"][0]["message"]["content"].as_str().unwrap_or_default())?;
    let header = |name: &str| told(name).unwrap_or("unknown");
    let usage = &answer["usage"];
    say(format_args!("\ntier    {}", header("x-tierway-tier")));
    say(format_args!("model   {}", header("x-tierway-model")));
    say(format_args!("reason  {}", header("x-tierway-reason")));
    say(format_args!("tokens  {} in, {} out", usage["prompt_tokens"], usage["completion_tokens"]));
    let money = |name: &str| match header(name) {
        "unknown" => "unknown".to_owned(),
        amount => format!("${amount}"),
    };
    let (cost, baseline) = (money("x-tierway-cost-usd"), money("x-tierway-baseline-usd"));
    say(format_args!("cost    {cost} (baseline {baseline})"));
    let why = explain.map(|explain| format!("  (`{explain}` with it shows why)")).unwrap_or_default();
    say(format_args!("id      {}{why}", header("x-tierway-request-id")));
    Ok(())
}
