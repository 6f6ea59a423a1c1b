//! What the fuzzers kept stays good: every file of every corpus, found faults first of all.
#![allow(missing_docs, clippy::unwrap_used, reason = "all of it is tests")]

use std::path::Path;
use tierway_probe::TARGETS;

#[test]
fn every_corpus_holds() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, probe) in TARGETS {
        let mut files: Vec<_> =
            std::fs::read_dir(corpora.join(name)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "{name}: {} files; the corpus is lost", files.len());
        for file in files {
            // The name of the file stands before the panic, should there be one.
            println!("{}", file.display());
            probe(&std::fs::read(&file).unwrap());
        }
    }
}
