//! Writes a first config: a ladder of current models for the keys at hand, default rules and their tests.
//!
//! Text out, nothing else: who looks at the environment and writes the file is the command.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Where an Ollama listens that nobody told otherwise.
pub const OLLAMA: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 11_434));

/// A provider of the default ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "names of companies")]
pub enum Maker {
    OpenAi,
    Anthropic,
    Gemini,
    OpenRouter,
}

/// What was found on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Providers and the environment variables that hold their keys, in any order.
    pub keys: Vec<(Maker, String)>,
    /// Models of a local Ollama, smallest first; none: no Ollama, or an empty one.
    pub ollama: Vec<String>,
    /// Where it is; none: where it always is.
    pub ollama_at: Option<SocketAddr>,
}

/// Models of one maker, cheap to capable, as `model` or `model@effort`.
struct Models {
    name: &'static str,
    ladder: [&'static str; 3],
}

impl Maker {
    /// All makers in the order of preference.
    pub const ALL: [Self; 4] = [Self::OpenAi, Self::Anthropic, Self::Gemini, Self::OpenRouter];

    /// Environment variables in which its key may be, the usual one first.
    #[must_use]
    pub const fn key_variables(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi => &["OPENAI_API_KEY"],
            Self::Anthropic => &["ANTHROPIC_API_KEY"],
            Self::Gemini => &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            Self::OpenRouter => &["OPENROUTER_API_KEY"],
        }
    }

    /// The name of its provider section.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.models().name
    }

    /// Current models as of the catalogue's date; a test holds that none of them is about to be switched off.
    const fn models(self) -> Models {
        match self {
            Self::OpenAi => {
                Models { name: "openai", ladder: ["gpt-6-luna@none", "gpt-6.1-terra@low", "gpt-6.1-sol@medium"] }
            }
            Self::Anthropic => {
                Models { name: "anthropic", ladder: ["claude-haiku-5-5@low", "claude-sonnet-5-5", "claude-opus-5-5"] }
            }
            Self::Gemini => Models {
                name: "gemini",
                ladder: ["gemini-3.5-flash-lite@minimal", "gemini-3.8-flash@low", "gemini-4-argon@medium"],
            },
            Self::OpenRouter => Models {
                name: "openrouter",
                ladder: ["openai/gpt-6-luna@none", "openai/gpt-6.1-terra@low", "openai/gpt-6.1-sol@medium"],
            },
        }
    }
}

/// Strengths and weaknesses of the three default tiers.
const TIERS: [(&str, &str, &str); 3] = [
    (
        "nano",
        "short answers, translation, extraction, classification, rewording",
        "long chains of thought, exact arithmetic, large code changes",
    ),
    ("standard", "general work: writing, coding, analysis, tools", "hard proofs, long calculations"),
    ("reasoning", "proofs, mathematics, planning, hard debugging", "slow and dear for simple questions"),
];

/// The default rules and their tests, for tiers of these names.
#[must_use]
pub fn default_rules(nano: &str, standard: &str, reasoning: &str) -> String {
    let rules = include_str!("../data/default_rules.toml");
    rules.replace("@nano@", nano).replace("@standard@", standard).replace("@reasoning@", reasoning)
}

/// A commented config.
#[must_use]
pub fn write(found: &Found) -> String {
    let mut keys = found.keys.clone();
    keys.sort();
    if keys.is_empty() && found.ollama.is_empty() {
        keys.push((Maker::OpenAi, "OPENAI_API_KEY".into()));
    }
    let mut out = head(found);
    providers(&mut out, &keys, found);
    let tiers = match keys.is_empty() {
        true => local_tiers(&mut out, &found.ollama),
        false => cloud_tiers(&mut out, &keys, &found.ollama),
    };
    out.push_str(ROUTING);
    let [nano, standard, reasoning] = tiers;
    out.push_str(&default_rules(nano, standard, reasoning));
    out.push_str(REST);
    out
}

/// What was found, in a sentence.
#[must_use]
pub fn summary(found: &Found) -> String {
    let mut parts: Vec<String> = Vec::new();
    for maker in Maker::ALL {
        if let Some((_, variable)) = found.keys.iter().find(|(own, _)| *own == maker) {
            parts.push(format!("{} ({variable})", maker.name()));
        }
    }
    if !found.ollama.is_empty() {
        let models = match found.ollama.len() {
            1 => "1 model".to_owned(),
            models => format!("{models} models"),
        };
        parts.push(format!("ollama at {} ({models})", found.ollama_at.unwrap_or(OLLAMA)));
    }
    if parts.is_empty() {
        let variables: Vec<_> = Maker::ALL.iter().flat_map(|maker| maker.key_variables()).copied().collect();
        return format!(
            "found no key ({}) and no local Ollama: the ladder is OpenAI's; export OPENAI_API_KEY before `tierway serve`, \
             or write another provider into it",
            variables.join(", ")
        );
    }
    format!("found {}", parts.join(", "))
}

fn head(found: &Found) -> String {
    let date = crate::catalogue::Prices::catalogue_date();
    let mut out = String::from(
        "# tierway.toml: written by `tierway init`; yours to change. `tierway check` says what is wrong with it.\n",
    );
    let _ = writeln!(out, "# {}.", summary(found));
    let _ = writeln!(out, "# Models and prices are those of the built-in catalogue of {date} (`tierway prices list`).");
    out.push_str("# Lines that begin with `#` and a field show its default.\n\n");
    out.push_str(
        "[server]\nlisten = \"127.0.0.1:8484\"\n# max_body_mb = 16\n# max_concurrent = 2048\n# grace_seconds = 30\n\n\
         # Who is called. Keys stay where they are: name the variable, a file (`key_file`) or a program (`key_command`).\n",
    );
    out
}

fn providers(out: &mut String, keys: &[(Maker, String)], found: &Found) {
    for (maker, variable) in keys {
        let name = maker.name();
        let _ = write!(out, "\n[providers.{name}]\nkind = \"{name}\"\nkey_env = \"{variable}\"\n");
    }
    if !found.ollama.is_empty() {
        out.push_str("\n[providers.ollama]\nkind = \"ollama\"\n");
        if let Some(at) = found.ollama_at.filter(|at| *at != OLLAMA) {
            let _ = writeln!(out, "base_url = \"http://{at}\"");
            if !at.ip().is_loopback() {
                out.push_str("allow_http = true\n");
            }
        }
    }
}

/// The first maker serves; the others stand in when it fails (weight 0).
fn cloud_tiers(out: &mut String, keys: &[(Maker, String)], ollama: &[String]) -> [&'static str; 3] {
    out.push_str(
        "\n# The ladder, cheap to capable. Targets with weight 0 only stand in when the others fail.\n\
         # Prices come from the catalogue; to set your own: price = { input = 0.10, output = 0.50 } (dollars per million tokens).\n",
    );
    for (at, (name, strengths, weaknesses)) in TIERS.iter().enumerate() {
        let _ = write!(
            out,
            "\n[[tiers]]\nname = \"{name}\"\nstrengths = \"{strengths}\"\nweaknesses = \"{weaknesses}\"\ntargets = [\n"
        );
        for (rank, (maker, _)) in keys.iter().enumerate() {
            let models = maker.models();
            let (model, effort) = models.ladder[at].split_once('@').unwrap_or((models.ladder[at], ""));
            let effort = if effort.is_empty() { String::new() } else { format!(", effort = \"{effort}\"") };
            let weight = if rank == 0 { 1 } else { 0 };
            let _ = writeln!(
                out,
                "  {{ provider = \"{}\", model = \"{model}\"{effort}, weight = {weight} }},",
                models.name
            );
        }
        if let (0, Some(model)) = (at, ollama.first()) {
            out.push_str("  # your own machine; it has no price until you give one, and calls without a price are left out of savings\n");
            let _ = writeln!(out, "  # {{ provider = \"ollama\", model = \"{}\", weight = 1 }},", escaped(model));
        }
        out.push_str("]\n");
    }
    ["nano", "standard", "reasoning"]
}

/// Only local models: the smallest, one in the middle and the largest.
fn local_tiers(out: &mut String, models: &[String]) -> [&'static str; 3] {
    out.push_str(
        "\n# The ladder, small to large. Local models have no list price: until you give one, their calls have unknown cost and\n\
         # are left out of savings. What an hour of the machine costs divided by the tokens of that hour is a fair price.\n",
    );
    let last = models.len().saturating_sub(1);
    let chosen: Vec<(usize, usize)> = match models.len() {
        1 => vec![(1, 0)],
        2 => vec![(0, 0), (1, 1)],
        _ => vec![(0, 0), (1, models.len() / 2), (2, last)],
    };
    for (tier, model) in &chosen {
        let (name, strengths, weaknesses) = TIERS[*tier];
        let model = models.get(*model).map(|model| escaped(model)).unwrap_or_default();
        let _ = write!(
            out,
            "\n[[tiers]]\nname = \"{name}\"\nprovider = \"ollama\"\nmodel = \"{model}\"\nstrengths = \"{strengths}\"\n\
             weaknesses = \"{weaknesses}\"\n# price = {{ input = 0.05, output = 0.20 }}\n"
        );
    }
    let has = |tier: usize| chosen.iter().any(|(own, _)| *own == tier);
    [if has(0) { "nano" } else { "standard" }, "standard", if has(2) { "reasoning" } else { "standard" }]
}

fn escaped(model: &str) -> String {
    model.replace('\\', "\\\\").replace('"', "\\\"").chars().filter(|letter| !letter.is_control()).collect()
}

const ROUTING: &str = r#"
[routing]
# The tier that everything would go to without a router. Doubt goes there; savings are measured against it.
baseline = "standard"
# "target": the cheapest tier that is expected to do. "tiers": by the table `complexity`.
policy = "target"
# Share of the best tier's quality to keep. It becomes a proven promise with `tierway calibrate`.
quality_target = 0.98
# complexity = { simple = "nano", medium = "standard", complex = "standard", reasoning = "reasoning" }
# "local": the built-in predictor. "model": ask the cheapest tier. "hybrid": ask only where the predictor abstains.
classifier = "local"
# escalate_on_broken = false
# session_hold = true
# evidence = "evidence.json"

"#;

const REST: &str = r#"
# Premium users and testers. Names are those of the `user` field or the `x-tierway-user` header.
# [users."ann@example.org"]
# always_baseline = true
# [users.tester]
# ceiling = "nano"

[ledger]
path = "tierway.db"
# durability = "relaxed"
# retention_days = 365

# [dispatch]
# max_attempts = 4
# stream_recovery = "continue"
# balance = "weighted"
"#;
