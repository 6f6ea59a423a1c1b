//! `tierway demo`: the whole road with a stand-in for a provider. No key, no config, no network.

use crate::exit::{Done, Failed, say};
use crate::report::{self, Format};
use crate::stopping::Stopping;
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tierway::{AUTO, Operation, Provider, WireRequest};
use tierway_config::init::default_rules;
use tierway_config::{Config, QualityConfig};
use tierway_decide::Ladder;
use tierway_gateway::{Gateway, GatewayError};
use tierway_ledger::{Filter, LedgerError, Reader, Span, State};
use tierway_providers::{Auth, Dialect, Endpoint, HttpProvider};
use tierway_testkit::StandIn;

/// Requests in flight: enough to be quick, few enough to see them pass.
const AT_ONCE: usize = 16;
/// Looks are done within about two seconds, and on a busy machine one after the other: when none is for so long, none will be.
const LOOKS_STILL: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const CONFIG: &str = include_str!("../data/demo.toml");
const PROMPTS: &str = include_str!("../data/demo_prompts.jsonl");

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Keep the gateway running afterwards, until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Keep the records in this file, which has none yet, instead of a temporary one
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// One of our prompts, with the tier that we expect.
#[derive(Deserialize)]
struct Prompt {
    id: String,
    messages: Box<RawValue>,
    tools: Option<Box<RawValue>>,
    response_format: Option<Box<RawValue>>,
    task_type: String,
    tier: String,
}

/// What became of a prompt.
struct Outcome {
    prompt: String,
    expected: String,
    tier: String,
    task_type_right: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let mut stopping = Stopping::new()?;
        // Dropped in the middle it leaves nothing behind, its folder included.
        let gateway = tokio::select! {
            shown = demo(args) => shown?,
            () = stopping.wanted() => return Err(Failed::told("the demo was broken off")),
        };
        if args.serve {
            stopping.wanted().await;
        }
        stopping.stop(gateway.at_work).await.map_err(Failed::told)
    })
}

/// What the demo leaves at work.
struct Shown {
    at_work: Gateway,
    /// Where its records are; goes last.
    _folder: TempDir,
    _stand_in: StandIn,
}

async fn demo(args: &Args) -> Result<Shown, Failed> {
    // On a shared port our prompts would reach somebody else's providers, and be paid for.
    if crate::serve::is_taken(args.listen) {
        let taken = format_args!("another process listens on {}; choose another with --listen", args.listen);
        return Err(Failed::told(taken));
    }
    if let Some(why) = args.ledger.as_deref().and_then(crate::check::unwritable_ledger) {
        return Err(Failed::told(why));
    }
    args.ledger.as_deref().map_or(Ok(()), unused)?;
    let stand_in = StandIn::start().await?;
    let folder = tempfile::tempdir().map_err(|error| {
        Failed::told(format_args!("no temporary folder can be made: {error}; TMPDIR names another place for it"))
    })?;
    let ledger = args.ledger.clone().unwrap_or_else(|| folder.path().join("demo.db"));
    let config = config(&stand_in.base_url(), args.listen, &ledger)?;
    let gateway = Gateway::start(&without_looks(&config), 1).map_err(|error| match error {
        GatewayError::Listen { address, cause, .. } => {
            Failed::told(format_args!("cannot listen on {address}: {cause}; choose another address with --listen"))
        }
        error => Failed::told(error),
    })?;
    say("tierway demo: a stand-in answers in place of a provider. No model is asked, nothing is paid;");
    say("routing, records, prices and the report are real. Prompts and expected tiers are ours.\n");
    let prompts = PROMPTS.lines().map(serde_json::from_str).collect::<Result<Vec<Prompt>, _>>();
    let prompts = prompts.map_err(Failed::told)?;
    let outcomes = drive(gateway.address(), &prompts).await?;
    gateway.flush().map_err(Failed::told)?;
    show(&config, &ledger, &outcomes)?;
    look(&config, folder.path(), prompts, &outcomes).await?;
    next()?;
    if args.serve {
        let address = gateway.address();
        say(format_args!("\ntierway: serving on http://{address} (the stand-in answers) until Ctrl-C; try"));
        say(format_args!("  http://{address}/dashboard in a browser, or"));
        say(format_args!("  curl -si http://{address}/v1/chat/completions -d '{EXAMPLE}'"));
    }
    Ok(Shown { at_work: gateway, _folder: folder, _stand_in: stand_in })
}

/// Invented records do not go among real ones, and keys of a ledger would shut the demo out.
fn unused(ledger: &Path) -> Done {
    let mut reader = match Reader::open(ledger) {
        Err(LedgerError::Missing { .. }) => return Ok(()),
        reader => reader.map_err(Failed::told)?,
    };
    let records = reader.list(&Filter::default(), Span::ALL, None, 1).map_err(Failed::told)?.calls.len();
    let (_, keys) = State::open_to_read(ledger).and_then(|mut state| state.keys()).map_err(Failed::told)?;
    if records + keys.len() == 0 {
        return Ok(());
    }
    let ledger = ledger.display();
    Err(Failed::told(format_args!(
        "{ledger} has records or keys already; those of the demo are invented: name a new file"
    )))
}

const EXAMPLE: &str = r#"{"model":"auto","messages":[{"role":"user","content":"What is the capital of Peru?"}]}"#;

fn config(base_url: &str, listen: SocketAddr, ledger: &Path) -> Result<Config, Failed> {
    let text = CONFIG.replace("BASE_URL", base_url) + &default_rules("nano", "standard", "reasoning");
    let mut config = tierway_config::parse(&text, "(demo)", &|_| None).map_err(Failed::told)?;
    config.server.listen = listen;
    config.ledger.use_file(ledger.to_owned());
    Ok(config)
}

/// The config of the first round, whose records are of answers and not of looking at them.
fn without_looks(config: &Config) -> Config {
    let quality = QualityConfig { sample: None, ..config.quality.clone() };
    Config { quality, ..config.clone() }
}

/// Asks once more what went to a cheaper tier, has all of it looked at, and shows what was found. What was found goes into the
/// demo's ledger, so that pages and `tierway quality` show it; the calls do not: looking at everything costs more than routing
/// saves.
async fn look(config: &Config, folder: &Path, prompts: Vec<Prompt>, outcomes: &[Outcome]) -> Done {
    let kept = tierway_gateway::location(config).map_err(Failed::told)?;
    let ladder = config.table.ladder();
    let baseline = ladder.tier(ladder.baseline());
    let below = |name: &str| ladder.find(name).is_some_and(|tier| tier < ladder.baseline());
    let down: BTreeSet<&str> =
        outcomes.iter().filter(|outcome| below(&outcome.tier)).map(|outcome| outcome.prompt.as_str()).collect();
    let again: Vec<_> = prompts.into_iter().filter(|prompt| down.contains(prompt.id.as_str())).collect();
    let (mut config, ledger) = (config.clone(), folder.join("looks.db"));
    config.ledger.use_file(ledger.clone());
    config.server.listen = ([127, 0, 0, 1], 0).into();
    let gateway = Gateway::start(&config, 1).map_err(Failed::told)?;
    drive(gateway.address(), &again).await?;
    let mut state = State::open(ledger.as_path()).map_err(Failed::told)?;
    let (mut seen, mut moved) = (0, Instant::now());
    while moved.elapsed() < LOOKS_STILL {
        let counts = state.sample_counts(0, i64::MAX).map_err(Failed::told)?;
        let done = counts.judged + counts.given_up;
        if counts.waiting == 0 && done >= again.len() as u64 {
            break;
        }
        if std::mem::replace(&mut seen, done) != done {
            moved = Instant::now();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    gateway.stop().map_err(Failed::told)?;
    let span = Span { from_ms: 0, to_ms: i64::MAX };
    let report = tierway_gateway::quality_report(&mut state, span, &config.quality.rules).map_err(Failed::told)?;
    State::open(kept).and_then(|mut kept| kept.take_quality(&mut state)).map_err(Failed::told)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\nWhat went to a cheaper tier was asked once more. This time {} answered, too, and both answers",
        baseline.name
    )?;
    writeln!(
        out,
        "were compared, blind and in both orders: by the stand-in, which lets the cheapest lose one in 25.\n"
    )?;
    crate::quality::write(&mut out, &report, 1, false)?;
    writeln!(
        out,
        "\n  Here every cheap answer was looked at; a live config looks at a few in a hundred (`sample = 0.02`),"
    )?;
    writeln!(out, "  within a budget a day, and what it costs counts against the savings.")?;
    Ok(())
}

/// Sends all prompts through the gateway's own door, as any client would.
async fn drive(address: SocketAddr, prompts: &[Prompt]) -> Result<Vec<Outcome>, Failed> {
    let client = client(address)?;
    let bar = ProgressBar::new(prompts.len() as u64);
    let style = ProgressStyle::with_template("  {bar:40} {pos}/{len} prompts, {elapsed}").map_err(Failed::told)?;
    bar.set_style(style);
    let calls = prompts.iter().map(|prompt| async {
        let outcome = ask(&client, prompt).await;
        bar.inc(1);
        outcome
    });
    let outcomes: Vec<_> = stream::iter(calls).buffer_unordered(AT_ONCE).collect().await;
    bar.finish_and_clear();
    outcomes.into_iter().collect()
}

fn client(address: SocketAddr) -> Result<HttpProvider, Failed> {
    let endpoint = Endpoint {
        name: "gateway".into(),
        format: tierway_wire::Format::OpenaiChat,
        base_url: format!("http://{address}/v1"),
        auth: Auth::None,
        dialect: Dialect::Direct,
        headers: Vec::new(),
        connect_timeout: Duration::from_secs(5),
        http2_only: false,
        max_idle_connections: AT_ONCE,
    };
    HttpProvider::new(endpoint).map_err(Failed::told)
}

async fn ask(client: &HttpProvider, prompt: &Prompt) -> Result<Outcome, Failed> {
    let mut body = json!({"model": AUTO, "messages": prompt.messages});
    for (name, value) in [("tools", &prompt.tools), ("response_format", &prompt.response_format)] {
        if let Some(value) = value {
            body[name] = serde_json::from_str(value.get()).map_err(Failed::told)?;
        }
    }
    let request = WireRequest {
        operation: Operation::Chat,
        format: tierway_wire::Format::OpenaiChat,
        model: AUTO.into(),
        stream: false,
        headers: http::HeaderMap::new(),
        body: body.to_string().into(),
    };
    let answer = client.send(request).await.map_err(Failed::told)?;
    let header =
        |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (status, tier, task_type) = (answer.status, header("x-tierway-tier"), header("x-tierway-task-type"));
    let read = http_body_util::BodyExt::collect(answer.body).await.map_err(Failed::told)?;
    let whole: Value = serde_json::from_slice(&read.to_bytes()).map_err(Failed::told)?;
    if !status.is_success() {
        let message = whole["error"]["message"].as_str().unwrap_or_default();
        return Err(Failed::told(format_args!("prompt {} got HTTP {}: {message}", prompt.id, status.as_u16())));
    }
    if whole["choices"][0]["message"].is_null() {
        return Err(Failed::told(format_args!("prompt {} got no answer", prompt.id)));
    }
    Ok(Outcome {
        prompt: prompt.id.clone(),
        expected: prompt.tier.clone(),
        tier,
        task_type_right: task_type == prompt.task_type,
    })
}

fn show(config: &Config, ledger: &Path, outcomes: &[Outcome]) -> Done {
    let mut reader = Reader::open(ledger).map_err(Failed::told)?;
    let span = Span::last_days(1, crate::store::now_ms());
    let ladder = config.table.ladder();
    let report = tierway_gateway::report(&mut reader, &[], span, Some(ladder)).map_err(Failed::told)?;
    let mut out = io::stdout().lock();
    out.write_all(report::render(&report, Format::Text, report::width())?.as_bytes())?;
    confusion(&mut out, ladder, outcomes).map_err(Failed::from)
}

fn next() -> Done {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\nNext: `tierway init` writes a config for the keys in your environment, `tierway check` tests it,"
    )?;
    writeln!(
        out,
        "`tierway serve` runs it. `tierway route \"PROMPT\"` shows a decision; `tierway demo --serve` stays up."
    )?;
    Ok(())
}

/// Expected tiers against decided ones, with both kinds of error.
fn confusion(out: &mut impl Write, ladder: &Ladder, outcomes: &[Outcome]) -> io::Result<()> {
    let names: Vec<&str> = ladder.tiers().iter().map(|tier| tier.name.as_str()).collect();
    let place = |name: &str| names.iter().position(|known| *known == name);
    let count = |of: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| of(outcome)).count();
    let percent = |part: usize| 100.0 * part as f64 / outcomes.len().max(1) as f64;
    writeln!(out, "\nAgreement with the tiers that the authors expect (rows: expected, columns: decided)\n")?;
    write!(out, "  {:12}", "")?;
    for name in &names {
        write!(out, "{name:>11}")?;
    }
    writeln!(out)?;
    for expected in &names {
        write!(out, "  {expected:12}")?;
        for tier in &names {
            write!(out, "{:>11}", count(&|outcome| outcome.expected == *expected && outcome.tier == *tier))?;
        }
        writeln!(out)?;
    }
    let agreed = count(&|outcome| outcome.expected == outcome.tier);
    let low = count(&|outcome| place(&outcome.tier) < place(&outcome.expected));
    let high = count(&|outcome| place(&outcome.tier) > place(&outcome.expected));
    let types = count(&|outcome| outcome.task_type_right);
    let total = outcomes.len();
    writeln!(out, "\n  agreed      {agreed:>4} of {total} ({:.1} %)", percent(agreed))?;
    writeln!(out, "  too low     {low:>4} ({:.1} %): a risk for quality", percent(low))?;
    writeln!(out, "  too high    {high:>4} ({:.1} %): money left on the table", percent(high))?;
    writeln!(out, "  task type   {types:>4} right ({:.1} %)", percent(types))?;
    Ok(())
}
