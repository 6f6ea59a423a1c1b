//! `tierway keys`: who may ask, and for what. Changes the ledger; a running gateway sees that within a second.

mod list;

use crate::exit::{Done, Failed, say};
use crate::store::{StoreArg, now_ms};
use serde_json::{Value, json};
use std::io::{self, Write};
use tierway_config::Config;
use tierway_decide::budget::Budget;
use tierway_gateway::{Digest, add_key, check_policy, new_secret, parse_until, revoke_key, rotate_key};
use tierway_ledger::{KeyPolicy, State};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Make a key; it is printed once and kept nowhere, only its digest
    Add(Box<Add>),
    /// List all keys, those of the config, revoked and expired ones too
    List(list::List),
    /// Revoke a key for good
    Revoke(Revoke),
    /// Give a key another secret; the old one goes on for a while
    Rotate(Rotate),
}

#[derive(clap::Args)]
struct Add {
    #[command(flatten)]
    named: Named,
    /// Its team in reports; `[teams.NAME]` of the config holds for it
    #[arg(long, default_value = "")]
    team: String,
    /// What it opens: models; also reports and records; everything
    #[arg(long, value_parser = ["client", "read", "admin"], default_value = "client")]
    scope: String,
    /// Always exactly this tier
    #[arg(long, value_name = "TIER")]
    pin: Option<String>,
    /// This tier or a dearer one
    #[arg(long, value_name = "TIER")]
    tier_floor: Option<String>,
    /// This tier or a cheaper one
    #[arg(long, value_name = "TIER")]
    tier_ceiling: Option<String>,
    /// What its requests may name as `model`: `auto`, tiers, models; separated by commas [default: anything]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    models: Vec<String>,
    /// Dollars in a period: `50/month`, `2.50/day`, `100/week`, `1000/total`
    #[arg(long, value_name = "BUDGET")]
    budget: Option<Budget>,
    /// The dearest tier once most of the budget is spent [default: all tiers until it is spent]
    #[arg(long, value_name = "TIER", requires = "budget")]
    step_down_to: Option<String>,
    /// Requests a minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rpm: Option<u32>,
    /// Tokens a minute, in and out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    tpm: Option<u32>,
    /// Requests in progress at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_concurrent: Option<u32>,
    /// When it ends: `30d`, `12h`, `2027-01-31` (UTC) [default: never]
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Print a `[[keys]]` section for the config instead of keeping the key in the ledger
    #[arg(long)]
    for_config: bool,
    #[command(flatten)]
    place: StoreArg,
}

/// A key's name, where other commands take it or as `--name`.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Named {
    /// Its name in records and reports
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The same as an option
    #[arg(long = "name", value_name = "NAME")]
    option: Option<String>,
}

impl Named {
    fn name(&self) -> &str {
        self.name.as_deref().or(self.option.as_deref()).unwrap_or_default()
    }
}

#[derive(clap::Args)]
struct Revoke {
    /// The key
    name: String,
    #[command(flatten)]
    place: StoreArg,
}

#[derive(clap::Args)]
struct Rotate {
    /// The key
    name: String,
    /// How long the old secret goes on: `24h`, `7d`, `0h`
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    overlap: String,
    #[command(flatten)]
    place: StoreArg,
}

/// The keys of a ledger, and the config that goes with it when there is one.
fn open(place: &StoreArg) -> Result<(State, Option<Config>), Failed> {
    let (location, config) = place.locate()?;
    Ok((State::open(location).map_err(Failed::told)?, config))
}

/// As [`open`], of a ledger that is there: who revokes makes none.
fn open_there(place: &StoreArg) -> Result<(State, Option<Config>), Failed> {
    let (location, config) = place.locate()?;
    Ok((crate::from_log::state(location)?, config))
}

pub(crate) fn run(args: &Args) -> Done {
    match &args.what {
        What::Add(wish) => add(wish),
        What::List(wish) => list::run(wish),
        What::Revoke(wish) => {
            let (mut state, config) = open_there(&wish.place)?;
            refuse_of_config(config.as_ref(), &wish.name)?;
            revoke_key(&mut state, &wish.name, now_ms()).map_err(Failed::told)?;
            say(format_args!("tierway: key `{}` is revoked; it stays in the list, for its records", wish.name));
            Ok(())
        }
        What::Rotate(wish) => rotate(wish),
    }
}

fn add(wish: &Add) -> Done {
    let name = wish.named.name();
    let policy = KeyPolicy {
        team: wish.team.clone(),
        scope: if wish.scope == "client" { String::new() } else { wish.scope.clone() },
        tier: wish.pin.clone(),
        floor: wish.tier_floor.clone(),
        ceiling: wish.tier_ceiling.clone(),
        models: wish.models.clone(),
        budget: wish.budget,
        step_down_to: wish.step_down_to.clone(),
        rpm: wish.rpm,
        tpm: wish.tpm,
        max_concurrent: wish.max_concurrent,
    };
    if wish.for_config {
        return for_config(wish, &policy);
    }
    let expires_ms =
        wish.expires.as_deref().map(|text| parse_until(text, now_ms())).transpose().map_err(Failed::told)?;
    let (mut state, config) = open(&wish.place)?;
    if named_in_config(config.as_ref(), name) {
        return Err(Failed::told(format_args!(
            "the config has a key `{name}`, which would win over one in the ledger; choose another name"
        )));
    }
    let first = state.keys().map_err(Failed::told)?.1.is_empty() && config.as_ref().is_none_or(|it| it.keys.is_empty());
    let ladder = config.as_ref().map(|config| config.table.ladder());
    let secret = add_key(&mut state, name, &policy, expires_ms, ladder, now_ms()).map_err(Failed::told)?;
    if let Err(error) = print(&secret) {
        revoke_key(&mut state, name, now_ms()).map_err(Failed::told)?;
        return Err(Failed::told(format_args!(
            "key `{name}` could not be printed ({error}) and is revoked; choose another name"
        )));
    }
    say(format_args!("tierway: key `{name}` is made; above it stands, once: only its digest is kept"));
    if first {
        say("tierway: it is the first one; from now on every request needs a key (`--scope admin` opens everything)");
    }
    Ok(())
}

/// A section for the config, and the key beside it.
fn for_config(wish: &Add, policy: &KeyPolicy) -> Done {
    let config = wish.place.config.load_or_example()?;
    check_policy(wish.named.name(), policy, config.table.ladder()).map_err(Failed::told)?;
    if wish.expires.as_deref().is_some_and(|text| tierway_config::day::parse(text).is_none()) {
        return Err(Failed::told("in a config `expires` is a day: --expires 2027-01-31"));
    }
    let secret = new_secret().map_err(|error| Failed::told(format_args!("no random numbers: {error}")))?;
    let digest: String = Digest::of(&secret).0.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut out = io::stdout().lock();
    // JSON strings and lists of strings are TOML, too.
    let quoted = |text: &str| Value::from(text).to_string();
    writeln!(out, "[[keys]]\nname = {}\nhash = \"sha256:{digest}\"", quoted(wish.named.name()))?;
    let budget = policy.budget.map(|budget| budget.to_string());
    let texts = [
        ("team", Some(&policy.team).filter(|team| !team.is_empty())),
        ("scope", Some(&policy.scope).filter(|scope| !scope.is_empty())),
        ("tier", policy.tier.as_ref()),
        ("floor", policy.floor.as_ref()),
        ("ceiling", policy.ceiling.as_ref()),
        ("budget", budget.as_ref()),
        ("step_down_to", policy.step_down_to.as_ref()),
        ("expires", wish.expires.as_ref()),
    ];
    for (field, text) in texts.into_iter().filter_map(|(field, text)| Some((field, text?))) {
        writeln!(out, "{field} = {}", quoted(text))?;
    }
    if !policy.models.is_empty() {
        writeln!(out, "models = {}", json!(policy.models))?;
    }
    for (field, most) in [("rpm", policy.rpm), ("tpm", policy.tpm), ("max_concurrent", policy.max_concurrent)] {
        if let Some(most) = most {
            writeln!(out, "{field} = {most}")?;
        }
    }
    say(format_args!("tierway: the key itself, once: {}", *secret));
    Ok(())
}

fn rotate(wish: &Rotate) -> Done {
    let until_ms = parse_until(&wish.overlap, now_ms()).map_err(Failed::told)?;
    let (mut state, config) = open_there(&wish.place)?;
    refuse_of_config(config.as_ref(), &wish.name)?;
    let secret = rotate_key(&mut state, &wish.name, until_ms, now_ms()).map_err(Failed::told)?;
    if let Err(error) = print(&secret) {
        let message = "could not be printed, and is lost; the old one goes on for now: rotate again";
        return Err(Failed::told(format_args!("the new secret of `{}` {message} ({error})", wish.name)));
    }
    say(format_args!(
        "tierway: the old secret of `{}` goes on for {}; change it everywhere until then",
        wish.name, wish.overlap
    ));
    Ok(())
}

/// A secret, once. Who does not read it has no key: that is no good end, whatever happened to the pipe.
fn print(secret: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{secret}")?;
    out.flush()
}

fn named_in_config(config: Option<&Config>, name: &str) -> bool {
    config.is_some_and(|config| config.keys.iter().any(|key| key.name == name))
}

fn refuse_of_config(config: Option<&Config>, name: &str) -> Done {
    if !named_in_config(config, name) {
        return Ok(());
    }
    let message = format!("key `{name}` stands in the config; change it there, a running gateway reads it again");
    Err(Failed::told(message))
}
