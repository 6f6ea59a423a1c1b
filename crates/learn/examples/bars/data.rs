//! The tables and the ladders that are measured.

use flate2::read::MultiGzDecoder;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use tierway_decide::pricing::{Price, PriceHistory};
use tierway_decide::{Capabilities, Ladder, Limits, ParameterRules, Target, Tier, Usd};
use tierway_learn::Outcome;
use tierway_learn::labels::Prompt;
use tierway_wire::Format;

/// Outcomes by source.
pub(crate) type Sources = BTreeMap<String, Vec<Outcome>>;

pub(crate) fn load(dir: &Path) -> Sources {
    let mut sources = Sources::new();
    lines(dir, |line| {
        let outcome = Outcome::parse(line).expect("an outcome");
        sources.entry(outcome.source.clone()).or_default().push(outcome);
    });
    sources
}

/// All prompts in their manners, as `tierway train` reads them.
pub(crate) fn prompts(dir: &Path) -> HashMap<String, Prompt> {
    let mut prompts = HashMap::new();
    lines(dir, |line| {
        prompts.extend([Prompt::parse(line).expect("an outcome")]);
    });
    prompts
}

fn lines(dir: &Path, mut take: impl FnMut(&str)) {
    for entry in std::fs::read_dir(dir).expect("a folder of outcome files").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|end| end != "gz") {
            continue;
        }
        for line in BufReader::new(MultiGzDecoder::new(File::open(&path).expect("readable"))).lines() {
            take(&line.expect("text"));
        }
    }
}

/// All outcomes of the sources whose name starts so.
pub(crate) fn of(all: &Sources, starts: &[&str]) -> Vec<Outcome> {
    let wanted = |source: &&String| starts.iter().any(|start| source.starts_with(start));
    all.keys().filter(wanted).flat_map(|source| all[source].iter().cloned()).collect()
}

/// One tier of a measured ladder: name, models, dollars per million tokens in and out.
pub(crate) type Rung = (&'static str, &'static [&'static str], f64, f64);

pub(crate) fn ladder(rungs: &[Rung], baseline: &str) -> Ladder {
    let tier = |(name, models, input, output): &Rung| {
        let price =
            Price { input: Usd::from_f64(input / 1e6), output: Usd::from_f64(output / 1e6), ..Price::default() };
        let target = |model: &&str| Target {
            provider: "p".into(),
            model: (*model).into(),
            format: Format::OpenaiChat,
            effort: None,
            weight: 1,
            prices: Some(PriceHistory(vec![price.clone()])),
            limits: Limits::default(),
            capabilities: Capabilities::default(),
            parameters: ParameterRules::default(),
            shutdown: None,
        };
        Tier {
            name: (*name).into(),
            targets: models.iter().map(target).collect(),
            strengths: String::new(),
            weaknesses: String::new(),
        }
    };
    Ladder::new(rungs.iter().map(tier).collect(), baseline).expect("a sound ladder")
}

/// Nano to reasoning on code, maths and puzzles.
pub(crate) const ZE: &[Rung] =
    &[("nano", &["gpt-4o-mini-2024-07-18"], 0.15, 0.6), ("reasoning", &["o1-mini-2024-09-12"], 3.0, 12.0)];
/// An 8B and a 51B model on ten tasks.
pub(crate) const ULAB: &[Rung] =
    &[("nano", &["llama-3.1-8b-instruct"], 0.2, 0.2), ("standard", &["llama-3.1-nemotron-51b-instruct"], 0.9, 0.9)];
/// Stated before measuring: the two sizes of one family.
pub(crate) const MMLUPRO: &[Rung] =
    &[("nano", &["Meta-Llama-3_1-8B-Instruct"], 0.2, 0.2), ("standard", &["Meta-Llama-3_1-70B-Instruct"], 0.9, 0.9)];
/// The tutorial's three tiers.
pub(crate) const TUTORIAL: &[Rung] = &[
    ("nano", &["gpt-4o-mini-2024-07-18", "gpt-4o-mini-2024-07-18-FC"], 0.15, 0.6),
    ("standard", &["gpt-4o-2024-05-13", "gpt-4o-2024-05-13-FC"], 5.0, 15.0),
    ("reasoning", &["o1-mini-2024-09-12"], 3.0, 12.0),
];
