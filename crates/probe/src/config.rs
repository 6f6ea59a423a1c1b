//! A config: taken, or refused with a line of the file for everything that is wrong.

/// A config file.
pub fn probe(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // By the length of the name, so that what an environment may give is read, too.
    let env = |name: &str| name.len().is_multiple_of(3).then(|| "127.0.0.1:1".to_owned());
    match tierway_config::parse(text, "/nowhere/tierway.toml", &env) {
        Ok(config) => {
            let ladder = config.table.ladder();
            assert!(usize::from(ladder.baseline().0) < ladder.tiers().len());
            assert!(ladder.tiers().iter().all(|tier| !tier.targets.is_empty()), "a tier without targets");
        }
        Err(problems) => {
            let lines = text.lines().count() + 1;
            assert!(!problems.0.is_empty(), "refused without a word");
            assert!(
                problems.0.iter().all(|problem| problem.line <= lines && !problem.message.is_empty()),
                "{problems}"
            );
        }
    }
}
