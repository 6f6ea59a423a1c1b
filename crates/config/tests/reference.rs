//! What is documented is what is read, and every example in the repository is good.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

use std::path::{Path, PathBuf};
use tierway_config::schema::{self, Spec};
use tierway_config::{Origin, parse};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

const BEGIN: &str = "<!-- fields: written by the test `reference`, from the table that the reader uses -->\n";

#[test]
fn the_reference_is_the_table_that_the_reader_uses() {
    let path = repository().join("docs/config.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (intro, fields) = text.split_once(BEGIN).unwrap();
    let want = schema::reference();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{intro}{BEGIN}\n{want}")).unwrap();
    } else {
        assert_eq!(fields.trim(), want.trim(), "docs/config.md is behind; run this test with UPDATE_EXPECT=1");
    }
}

/// One value a line, every field of every section.
const FULL: &str = include_str!("data/full.toml");

#[test]
fn every_field_of_the_schema_is_in_the_full_config_and_is_read_from_it() {
    let config = parse(FULL, "full.toml", &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
    let mut values = 0;
    for (line, text) in (1..).zip(FULL.lines()).filter(|(_, text)| text.contains(" = ")) {
        let opens = text.ends_with(['{', '[']);
        let read = config.settings.iter().any(|setting| setting.origin == Origin::Line(line));
        assert!(opens || read, "line {line} is not read: {text}");
        values += usize::from(!opens);
    }
    assert!(values > 120, "{values}");
    let named = |spec: &Spec, name: &str| {
        let written = |text: &str| FULL.lines().any(|line| line.trim_start().starts_with(text));
        written(&format!("{name} = "))
            || written(&format!("[{name}"))
            || written(&format!("[[{name}"))
            || spec.title == "[prices]"
    };
    for spec in schema::all_sections() {
        for field in spec.fields {
            assert!(
                field.name == "prices" || named(spec, field.name),
                "{} of {} is in no example",
                field.name,
                spec.title
            );
        }
    }
}

#[test]
fn defaults_are_within_their_own_bounds() {
    // A default that its own section refuses would come out as a problem of the smallest config.
    let text = "[providers.p]\nkind = \"openai\"\n[[tiers]]\nname = \"t\"\ntargets = [\"p/gpt-4o\"]\n";
    let config = parse(text, "t.toml", &|_| None).unwrap();
    for setting in config.settings.iter().filter(|setting| setting.origin == Origin::Default) {
        let (section, field) = setting.path.split_once('.').unwrap();
        let plain = matches!(section, "server" | "routing" | "budgets" | "dispatch" | "ledger" | "report");
        if plain && field != "baseline" {
            let written = format!("{text}[{section}]\n{field} = {}\n", setting.value);
            parse(&written, "t.toml", &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
        }
    }
}

/// Every config in the repository: TOML files with tiers, and blocks of documents that begin with `# tierway.toml`.
#[test]
fn every_example_config_is_good() {
    let mut found = Vec::new();
    collect(&repository(), &mut found);
    assert!(!found.is_empty());
    for (name, text) in found {
        let config = parse(&text, &name, &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
        for test in &config.tests {
            let hit = config.table.rules().first_match(&test.outline(), &|name| test.header(name));
            let got = hit.map(|hit| hit.rule.name.clone());
            assert!(test.rule.as_ref().is_none_or(|want| *want == got), "{name}:{}: {got:?}", test.line);
        }
    }
}

fn collect(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            collect(&path, found);
        } else if name.ends_with(".toml") && !path.ends_with("data/default_rules.toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            if text.contains("[[tiers]]") {
                // Templates leave the address open.
                let text = text.replace("\"BASE_URL\"", "\"http://127.0.0.1:1/v1\"");
                found.push((path.display().to_string(), text));
            }
        } else if name.ends_with(".md") {
            let text = std::fs::read_to_string(&path).unwrap();
            for block in text.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```")) {
                if block.0.starts_with("# tierway.toml") {
                    found.push((path.display().to_string(), block.0.to_owned()));
                }
            }
        }
    }
}
