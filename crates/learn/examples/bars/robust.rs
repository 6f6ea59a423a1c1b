//! How many decisions of the built-in prior stay when a prompt is written a little differently.

use serde::Deserialize;
use tierway_decide::{Chance, Features, Predictor};
use tierway_learn::{labels, train};

#[derive(Deserialize)]
struct Prompt {
    text: Option<String>,
    system: Option<String>,
}

/// The default shortfall that is put up with.
const SHORTFALL: f32 = 0.02;

/// Writes a prompt differently; the number seeds what is drawn.
type Change = fn(&str, u64) -> String;

pub(crate) fn run(predictor: &Predictor) {
    let lines = train::TASK_TYPES.lines().chain(train::PROMPTS.lines());
    let prompts: Vec<(Option<String>, String)> = lines
        .filter_map(|line| serde_json::from_str::<Prompt>(line).ok())
        .filter_map(|prompt| Some((prompt.system, prompt.text?)))
        .collect();
    println!("\nunchanged decisions of the prior on {} prompts of our own", prompts.len());
    println!("{:<44} {:>8} {:>8} {:>10}", "change", "tier", "cheaper", "task type");
    let changes: [(&str, Change); 8] = [
        ("one typo in every twelve words", typos),
        ("all in lower case", |text, _| text.to_lowercase()),
        ("first letter in capitals, final stop", |text, _| capitals(text)),
        ("\"please\" in front, thanks behind", |text, _| {
            format!("Could you please help me: {text}\nThank you so much!")
        }),
        ("\"this is a simple request\" in front", |text, _| format!("This is a simple request. {text}")),
        ("\"this is very hard\" in front", |text, _| format!("This is very hard. {text}")),
        ("other words for the same", |text, _| reword(text)),
        ("twenty lines of padding behind", |text, _| format!("{text}{}", "\n---".repeat(20))),
    ];
    for (name, change) in changes {
        let (mut same, mut cheaper, mut same_task) = (0, 0, 0);
        for (at, (system, text)) in prompts.iter().enumerate() {
            let see = |text: &str| look(predictor, &labels::own(system.as_deref(), text).expect("a prompt"));
            let (before, after) = (see(text), see(&change(text, at as u64)));
            same += usize::from(before.0 == after.0);
            cheaper += usize::from(after.0 < before.0);
            same_task += usize::from(before.1 == after.1);
        }
        let share = |count: usize| 100.0 * count as f64 / prompts.len() as f64;
        println!("{name:<44} {:>6.1} % {:>6.1} % {:>8.1} %", share(same), share(cheaper), share(same_task));
    }
}

/// The tier by default rules of the policy, and the kind of work.
pub(crate) fn look(predictor: &Predictor, features: &Features) -> (usize, &'static str) {
    let said = predictor.predict(features, 3, 1);
    let best = said.p_ok.iter().copied().fold(0.0, f32::max);
    let tier = (0..3).find(|tier| best - said.p_ok[*tier] <= SHORTFALL).unwrap_or(1);
    (if said.abstain.is_some() { 1 } else { tier }, said.task_type.name())
}

/// Swaps two neighbouring letters inside a word, now and then.
fn typos(text: &str, seed: u64) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let mut chance = Chance::new(seed);
    let inside = |letters: &[char], at: usize| letters[at - 1..at + 3].iter().all(char::is_ascii_lowercase);
    for at in 1..letters.len().saturating_sub(2) {
        if inside(&letters, at) && chance.share() < 1.0 / 40.0 {
            letters.swap(at, at + 1);
        }
    }
    letters.into_iter().collect()
}

fn capitals(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    let rest: String = letters.collect();
    format!("{first}{}{}", rest, if rest.ends_with(|end: char| end.is_ascii_punctuation()) { "" } else { "." })
}

/// Words for which another does as well.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("Write", "Compose"),
    ("write", "draft"),
    ("Explain", "Describe"),
    ("explain", "describe"),
    ("Give", "Provide"),
    ("give", "provide"),
    ("Fix", "Repair"),
    ("fix", "repair"),
    ("Show", "Demonstrate"),
    ("Find", "Determine"),
    ("find", "determine"),
    ("make", "create"),
    ("Make", "Create"),
    ("short", "brief"),
    ("below", "that follows"),
    ("following", "ensuing"),
    ("big", "large"),
    ("need", "require"),
    ("use", "employ"),
    ("about", "regarding"),
    ("don't", "do not"),
    ("can't", "cannot"),
];

fn reword(text: &str) -> String {
    let word = |word: &str| {
        let core = word.trim_matches(|end: char| end.is_ascii_punctuation() && end != '\'');
        OTHER_WORDS.iter().find(|(from, _)| *from == core).map_or(word.to_owned(), |(from, to)| word.replace(from, to))
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
