//! What `init` writes loads, without a warning, and passes its own tests, whatever keys there are.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

use tierway_config::init::{Found, Maker, summary, write};
use tierway_config::{Config, day, parse};

fn read(found: &Found) -> Config {
    let text = write(found);
    parse(&text, "tierway.toml", &|_| None).unwrap_or_else(|problems| panic!("{found:?}\n{problems}"))
}

/// Runs the rule half of the config's tests.
fn run_tests(config: &Config) {
    let rules = config.table.rules();
    for test in &config.tests {
        let hit = rules.first_match(&test.outline(), &|name| test.header(name));
        let got = hit.map(|hit| hit.rule.name.clone());
        assert_eq!(Some(&got), test.rule.as_ref(), "{}", test.name);
        if let (Some(hit), Some(tier)) = (hit, test.tier) {
            assert_eq!(hit.rule.tier, tier, "{}", test.name);
        }
    }
}

fn combinations() -> Vec<Found> {
    let mut all = Vec::new();
    for bits in 0..16u8 {
        let keys: Vec<_> = Maker::ALL
            .into_iter()
            .enumerate()
            .filter(|(at, _)| bits >> at & 1 == 1)
            .map(|(_, maker)| (maker, maker.key_variables()[0].to_owned()))
            .collect();
        for models in [&[][..], &["qwen3:8b"], &["a", "b"], &["a", "b", "c", "d \"e\""]] {
            all.push(Found {
                keys: keys.clone(),
                ollama: models.iter().map(|name| (*name).to_owned()).collect(),
                ollama_at: None,
            });
        }
    }
    all
}

#[test]
fn every_combination_of_keys_gives_a_config_that_passes_its_own_tests() {
    let today = day::parse(tierway_config::catalogue::Prices::catalogue_date()).unwrap();
    for found in combinations() {
        let config = read(&found);
        run_tests(&config);
        assert!(config.tests.len() > 25 && config.table.rules().rules().len() == 6);
        assert_eq!(config.shutdowns(today, 180), [], "{found:?}");
        let local = found.keys.is_empty() && !found.ollama.is_empty();
        assert_eq!(config.warnings.is_empty(), !local, "{:?}", config.warnings);
        assert_eq!(
            config.missing_keys(&|name| found.keys.iter().any(|(_, own)| own == name).then(|| "k".into())).len(),
            usize::from(found.keys.is_empty() && found.ollama.is_empty())
        );
    }
}

#[test]
fn the_ladder_gets_dearer_and_the_first_maker_serves() {
    for found in combinations().into_iter().filter(|found| !found.keys.is_empty()) {
        let config = read(&found);
        let ladder = config.table.ladder();
        assert_eq!(
            ladder.tiers().iter().map(|tier| tier.name.as_str()).collect::<Vec<_>>(),
            ["nano", "standard", "reasoning"]
        );
        for maker in 0..found.keys.len() {
            let prices =
                ladder.tiers().iter().map(|tier| tier.targets[maker].prices.as_ref().unwrap().0.last().unwrap().output);
            assert!(prices.is_sorted(), "{found:?}");
        }
        let served: Vec<_> = ladder.tiers()[0].targets.iter().filter(|target| target.weight > 0).collect();
        assert_eq!((served.len(), served[0].provider.as_str()), (1, found.keys[0].0.name()));
    }
}

#[test]
fn it_says_what_it_found() {
    let says = |keys: &[(Maker, &str)], ollama: &[&str]| {
        let keys = keys.iter().map(|(maker, name)| (*maker, (*name).to_owned())).collect();
        summary(&Found { keys, ollama: ollama.iter().map(|name| (*name).to_owned()).collect(), ollama_at: None })
    };
    assert_eq!(
        says(&[(Maker::Gemini, "GOOGLE_API_KEY"), (Maker::OpenAi, "OPENAI_API_KEY")], &["a"]),
        "found openai (OPENAI_API_KEY), gemini (GOOGLE_API_KEY), ollama at 127.0.0.1:11434 (1 model)"
    );
    assert!(says(&[], &[]).starts_with("found no key"));
}
