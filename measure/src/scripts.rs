//! The table by script of `docs/tokens.md`: true tokens for one that is reckoned, least and most over all pieces of text.

use crate::Prompt;
use crate::family::Family;
use tierway_wire::Vocabulary;

/// Columns, each with the languages (as prompts name them) that stand in it.
const COLUMNS: [(&str, &[&str]); 10] = [
    ("de fr es pt it nl", &["German", "French", "Spanish", "Portuguese", "Italian", "Dutch"]),
    ("tr vi hu pl fi id sw", &["Turkish", "Vietnamese", "Hungarian", "Polish", "Finnish", "Indonesian", "Swahili"]),
    ("ru uk", &["Russian", "Ukrainian"]),
    ("el", &["Greek"]),
    ("he ar fa ur", &["Hebrew", "Arabic", "Persian", "Urdu"]),
    ("hi bn ta", &["Hindi", "Bengali", "Tamil"]),
    ("th", &["Thai"]),
    ("ka hy am", &["Georgian", "Armenian", "Amharic"]),
    ("zh ja", &["Chinese", "Japanese"]),
    ("ko", &["Korean"]),
];

/// Prints the table, if all prompts are in these languages.
pub fn table(prompts: &[Prompt], families: &[(&Family, Vec<u64>)]) {
    let in_column = |prompt: &Prompt| COLUMNS.iter().any(|(_, languages)| languages.contains(&&*prompt.source));
    if prompts.is_empty() || !prompts.iter().all(in_column) {
        return;
    }
    println!("\n| family | {} |", COLUMNS.map(|(heading, _)| heading).join(" | "));
    println!("|{}", " --- |".repeat(COLUMNS.len() + 1));
    for (family, counts) in families {
        let cells = COLUMNS.map(|(_, languages)| cell(prompts, counts, family.vocabulary, languages));
        println!("| {} | {} |", family.name, cells.join(" | "));
    }
}

fn cell(prompts: &[Prompt], counts: &[u64], vocabulary: Vocabulary, languages: &[&str]) -> String {
    let of = prompts.iter().zip(counts).filter(|(prompt, _)| languages.contains(&&*prompt.source));
    let ratios = of.map(|(prompt, count)| *count as f64 / f64::from(vocabulary.tokens(prompt.estimate)));
    let (least, most) =
        ratios.fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), ratio| (least.min(ratio), most.max(ratio)));
    format!("{least:.2}–{most:.2}")
}
