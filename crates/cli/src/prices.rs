//! `tierway prices`: what models cost, and lists of prices from elsewhere.

use crate::check::today;
use crate::exit::{Done, Failed, say};
use crate::load::ConfigArg;
use crate::output::{Inputs, Target};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use tierway::decide::Usd;
use tierway::decide::pricing::{Price, Terms};
use tierway_config::catalogue::{Listed, Prices, import};
use tierway_report::many;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// List models with their prices of today, limits and last day
    List(List),
    /// Turn LiteLLM's or models.dev's list into an overlay for the config
    Import(Import),
}

#[derive(clap::Args)]
struct List {
    /// Only providers whose name holds this
    #[arg(long, value_name = "TEXT", default_value = "")]
    provider: String,
    /// Only models whose name holds this
    #[arg(long, value_name = "TEXT", default_value = "")]
    model: String,
    /// How to print
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(clap::Args)]
struct Import {
    /// LiteLLM's `model_prices_and_context_window.json` or models.dev's `api.json`
    file: PathBuf,
    /// Where the overlay goes
    #[arg(long, short, value_name = "FILE", default_value = "prices.json")]
    output: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Form {
    Text,
    Json,
    Csv,
}

pub(crate) fn run(args: &Args) -> Done {
    match &args.what {
        What::List(list) => print(list),
        What::Import(file) => take_over(file),
    }
}

fn print(list: &List) -> Done {
    let prices = list.config.load_if_any()?.map(|config| config.prices).unwrap_or_default();
    let found = prices.list(&list.provider, &list.model);
    if found.is_empty() {
        return Err(Failed::told("no model has these names; `tierway prices list` without a filter shows all"));
    }
    let mut out = io::stdout().lock();
    match list.format {
        Form::Text => text(&mut out, &found)?,
        Form::Csv => csv(&mut out, &found)?,
        Form::Json => writeln!(out, "{}", Value::Array(found.iter().map(as_json).collect()))?,
    }
    say(format_args!(
        "{}; dollars per million tokens, catalogue of {}",
        many(found.len() as u64, "model"),
        Prices::catalogue_date()
    ));
    Ok(())
}

const COLUMNS: [&str; 8] = ["provider", "model", "input", "cached", "output", "context", "max output", "last day"];

fn row(listed: &Listed) -> [String; 8] {
    let price = price(listed);
    let (limits, unknown) = (listed.facts.limits, || "-".to_owned());
    let dollars = |amount: Option<Usd>| amount.map_or_else(unknown, |amount| amount.times(1_000_000).to_string());
    let tokens = |count: Option<u32>| count.map_or_else(unknown, |count| count.to_string());
    [
        listed.provider.clone(),
        listed.model.clone(),
        dollars(price.map(|price| price.input)),
        dollars(price.and_then(|price| price.cached_input)),
        dollars(price.map(|price| price.output)),
        tokens(limits.context_window),
        tokens(limits.max_output),
        listed.facts.shutdown.clone().unwrap_or_else(unknown),
    ]
}

fn price(listed: &Listed) -> Option<&Price> {
    listed.facts.prices.as_ref()?.on_day(today())
}

fn text(out: &mut impl Write, found: &[Listed]) -> io::Result<()> {
    crate::columns::print(out, COLUMNS, found.iter().map(row), 2)
}

fn csv(out: &mut impl Write, found: &[Listed]) -> io::Result<()> {
    writeln!(out, "{}", COLUMNS.join(",").replace(' ', "_"))?;
    for listed in found {
        let cells = row(listed).map(|cell| if cell == "-" { String::new() } else { quoted(&cell) });
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

fn as_json(listed: &Listed) -> Value {
    let price = price(listed);
    let dollars = |amount: Option<Usd>| amount.map(|amount| amount.times(1_000_000).to_string());
    json!({
        "provider": listed.provider,
        "model": listed.model,
        "input_usd_per_mtok": dollars(price.map(|price| price.input)),
        "cached_input_usd_per_mtok": dollars(price.and_then(|price| price.cached_input)),
        "cache_write_usd_per_mtok": dollars(price.and_then(|price| price.cache_write_5m)),
        "output_usd_per_mtok": dollars(price.map(|price| price.output)),
        "over": price.map(|price| price.over.iter().map(|over| json!({
            "input_tokens": over.input_tokens,
            "input_usd_per_mtok": dollars(Some(over.input)),
            "output_usd_per_mtok": dollars(Some(over.output)),
        })).collect::<Vec<_>>()),
        "service_tiers": price.map(service_tiers),
        "context_window": listed.facts.limits.context_window,
        "max_output": listed.facts.limits.max_output,
        "shutdown": listed.facts.shutdown,
        "capabilities": listed.facts.capabilities,
        "parameters": listed.facts.parameters,
        "source": listed.facts.source,
    })
}

/// What is charged under other service tiers, by their names.
fn service_tiers(price: &Price) -> Value {
    let dollars = |amount: Option<Usd>| amount.map(|amount| amount.times(1_000_000).to_string());
    let tiers = price.variants.iter().filter_map(|variant| match &variant.terms {
        Terms::ServiceTier(name) => Some((name.clone(), &variant.price)),
        Terms::Hours { .. } => None,
    });
    let one = |price: &Price| {
        json!({
            "input_usd_per_mtok": dollars(Some(price.input)),
            "cached_input_usd_per_mtok": dollars(price.cached_input),
            "output_usd_per_mtok": dollars(Some(price.output)),
        })
    };
    Value::Object(tiers.map(|(name, price)| (name, one(price))).collect())
}

fn take_over(args: &Import) -> Done {
    let name = args.file.display();
    let target = Target::check(Some(&args.output), &Inputs::default().file("list of prices", &args.file))?;
    let text = std::fs::read_to_string(&args.file).map_err(|error| Failed::told(format_args!("{name}: {error}")))?;
    let imported = import(&text, &date(today())).map_err(|error| Failed::told(format_args!("{name}: {error}")))?;
    let output = args.output.display();
    target.write(imported.overlay.as_bytes())?;
    say(format_args!(
        "tierway: {} models of {} written to {output}, {} entries left out (no language model, or no price); \
         put `overlay = \"{output}\"` under [prices]",
        imported.models, imported.shape, imported.left_out
    ));
    Ok(())
}

/// `YYYY-MM-DD`.
fn date(day: i32) -> String {
    let day = jiff::civil::Date::constant(1970, 1, 1).saturating_add(jiff::Span::new().days(day));
    day.to_string()
}
