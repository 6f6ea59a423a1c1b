//! `tierway route`: where requests would go, without calling anybody.

use crate::exit::{Done, Failed, say};
use crate::load::ConfigArg;
use crate::output::{Inputs, Target};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tierway::decide::{Decision, Features, Ladder, Prediction};
use tierway::{AUTO, Call, Decided, Router};
use tierway_config::EvidenceSource;
use tierway_wire::{Format, Outline, openai_chat};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The prompt to decide about; `-` reads it from stdin
    #[arg(required_unless_present = "input", conflicts_with = "input")]
    prompt: Option<String>,
    /// JSON lines with `id` and `messages` (and `tools`, `response_format`); `-` is stdin
    #[arg(long, value_name = "IN.jsonl")]
    input: Option<PathBuf>,
    /// Where the decisions go, one JSON line each, with `error` where a request fits nowhere; `-` is stdout [default: stdout]
    #[arg(long, value_name = "OUT.jsonl", requires = "input", conflicts_with = "prompt")]
    output: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
    /// Evidence of `tierway calibrate` to decide with
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Done {
    let config = args.config.load_or_example()?;
    let setup = crate::load::setup(&config, args.evidence.as_deref())?;
    let router = Router::builder(Arc::new(setup)).build();
    match (&args.input, &args.prompt) {
        (Some(input), _) => {
            let inputs = Inputs::default().config(Some(&config)).file("input", input);
            let used = crate::load::with_evidence(&config, args.evidence.as_deref()).evidence;
            let used = used.iter().filter_map(|source| match source {
                EvidenceSource::File(path) => Some(path),
                EvidenceSource::Ledger => None,
            });
            let inputs = inputs.files("evidence", used);
            batch(&router, input, Target::check(args.output.as_deref(), &inputs)?)
        }
        (None, Some(prompt)) => one(&router, prompt, args.json),
        (None, None) => Ok(()),
    }
}

fn one(router: &Router, prompt: &str, as_json: bool) -> Done {
    let prompt = crate::prompt::read(prompt)?;
    let line = json!({"model": AUTO, "messages": [{"role": "user", "content": prompt}]}).to_string();
    let outline = outline(line.as_bytes()).map_err(Failed::told)?;
    let decided = decide(router, &outline).map_err(Failed::told)?;
    let ladder = router.setup().table.ladder();
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", row(&Value::Null, &decided, ladder))?;
    } else {
        explain(&mut out, &decided.decision, ladder)?;
    }
    Ok(())
}

fn explain(out: &mut impl Write, decision: &Decision, ladder: &Ladder) -> io::Result<()> {
    let prediction = &decision.prediction;
    writeln!(out, "tier        {}", ladder.tier(decision.tier).name)?;
    if let Some(id) = decision.targets.first() {
        let target = ladder.target(*id);
        writeln!(out, "model       {}/{}", target.provider, target.model)?;
    }
    writeln!(out, "reason      {}", decision.reason.summary())?;
    writeln!(out, "complexity  {}", prediction.complexity.name())?;
    writeln!(out, "task type   {}", prediction.task_type.name())?;
    let chances = ladder.tiers().iter().zip(prediction.p_ok).map(|(tier, p)| format!("{} {p:.2}", tier.name));
    writeln!(out, "will do     {}", chances.collect::<Vec<_>>().join(", "))?;
    if !prediction.calibrated {
        writeln!(out, "            not calibrated: `tierway calibrate` proves thresholds on your own outcomes")?;
    }
    Ok(())
}

/// Decides each line; a bad one is said on stderr with its number, the others are still written. A request that fits nowhere is no
/// bad line: it has its line, with `error` in place of a tier.
fn batch(router: &Router, input: &Path, target: Target) -> Done {
    let lines: Box<dyn BufRead> = if input == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(input).map_err(|error| Failed::told(format_args!("{}: {error}", input.display())))?;
        Box::new(BufReader::new(file))
    };
    let mut out = target.open()?;
    let ladder = router.setup().table.ladder();
    let mut bad = 0usize;
    for (number, line) in (1usize..).zip(crate::lines::of(lines)) {
        let line = line.map_err(|error| Failed::told(format_args!("{}:{number}: {error}", input.display())))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match routed(router, ladder, &line) {
            Ok(row) => writeln!(out, "{row}").map_err(|error| out.failed(error))?,
            Err(problem) => {
                bad += 1;
                say(format_args!("{}:{number}: {problem}", input.display()));
            }
        }
    }
    out.finish()?;
    if bad == 0 { Ok(()) } else { Err(Failed::told(format_args!("{bad} bad lines were left out"))) }
}

fn routed(router: &Router, ladder: &Ladder, line: &[u8]) -> Result<Value, String> {
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err("not a JSON object; a line is {\"id\": .., \"messages\": [..]}".into());
    }
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| problem(&error))?;
    let body = tierway_learn::request_body(line.messages, line.tools, line.response_format);
    let outline = outline(body.as_bytes())?;
    Ok(match decide(router, &outline) {
        Ok(decided) => row(&line.id, &decided, ladder),
        Err(why) => refused(&line.id, &why, router, &outline),
    })
}

/// The line of a request that fits nowhere: what was predicted of it all the same.
fn refused(id: &Value, why: &str, router: &Router, outline: &Outline<'_>) -> Value {
    let (setup, ladder) = (router.setup(), router.setup().table.ladder());
    let baseline = usize::from(ladder.baseline().0);
    let prediction = setup.predictor.predict(&Features::of(outline), ladder.tiers().len(), baseline);
    let mut row = told(id, None, &prediction);
    (row["reason"], row["decide_us"], row["error"]) = ("nothing_fits".into(), 0.into(), why.into());
    row
}

/// What is wrong with a line, whose number is said already.
fn problem(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", ", column ")
}

/// One line of a batch: a request without a model, with an id of the caller's.
#[derive(Deserialize)]
struct Line<'a> {
    id: Value,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_format: Option<&'a RawValue>,
}

fn outline(body: &[u8]) -> Result<Outline<'_>, String> {
    openai_chat::outline(body).map(|(outline, _)| outline).map_err(|error| error.to_string())
}

fn decide(router: &Router, outline: &Outline<'_>) -> Result<Decided, String> {
    let call = Call::new(Format::OpenaiChat, bytes::Bytes::new());
    router.decide(&call, outline).map_err(|refusal| refusal.error.message.clone())
}

fn row(id: &Value, decided: &Decided, ladder: &Ladder) -> Value {
    let decision = &decided.decision;
    let mut row = told(id, Some(ladder.tier(decision.tier).name.as_str()), &decision.prediction);
    row["reason"] = decision.reason.summary().into();
    row["decide_us"] = decided.decide_us.into();
    row
}

fn told(id: &Value, tier: Option<&str>, prediction: &Prediction) -> Value {
    json!({
        "id": id,
        "tier": tier,
        "complexity": prediction.complexity.name(),
        "task_type": prediction.task_type.name(),
        "score_strong": prediction.score_strong,
        "abstained": prediction.abstain.is_some(),
    })
}
