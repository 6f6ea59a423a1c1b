//! Holds the house together: who may depend on whom, and under which licences.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "all of it is tests")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Our crates and what each may use of the others; arrows point down only.
const MAY_USE: &[(&str, &[&str])] = &[
    ("tierway-wire", &[]),
    ("tierway-decide", &["tierway-wire"]),
    ("tierway-learn", &["tierway-wire", "tierway-decide"]),
    ("tierway-report", &["tierway-wire", "tierway-decide"]),
    ("tierway-config", &["tierway-wire", "tierway-decide"]),
    ("tierway-ledger", &["tierway-wire", "tierway-decide"]),
    ("tierway", &["tierway-wire", "tierway-decide"]),
    ("tierway-providers", &["tierway-wire", "tierway"]),
    ("tierway-testkit", &["tierway-wire"]),
    (
        "tierway-gateway",
        &[
            "tierway-wire",
            "tierway-decide",
            "tierway-config",
            "tierway-providers",
            "tierway-ledger",
            "tierway-report",
            "tierway",
        ],
    ),
];

/// Programs: they stand on top of the house.
const MAY_USE_ALL: &[&str] = &["tierway-cli", "tierway-probe", "tierway-bench"];

/// What only some of our crates may touch.
const ONLY: &[(&str, &[&str])] = &[
    ("rusqlite", &["tierway-ledger"]),
    ("tokio-postgres", &["tierway-ledger"]),
    ("redis", &["tierway-gateway"]),
    ("toml", &["tierway-config"]),
    ("hyper", &["tierway-providers", "tierway-gateway", "tierway-testkit", "tierway-bench"]),
    // the ledger drives its connection to PostgreSQL with it, on threads of its own
    (
        "tokio",
        &[
            "tierway",
            "tierway-ledger",
            "tierway-providers",
            "tierway-gateway",
            "tierway-testkit",
            "tierway-cli",
            "tierway-bench",
        ],
    ),
];

/// Licences that dual MIT/Apache-2.0 code may be shipped with.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "Unicode-3.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "BSL-1.0",
    "MIT-0",
];

fn metadata() -> Value {
    // Of this platform only: what other platforms need was not downloaded.
    let platform = format!("--filter-platform={}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--locked", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Dependencies of our crates (without those of their tests).
fn uses(metadata: &Value) -> BTreeMap<String, Vec<String>> {
    let ours = metadata["packages"].as_array().unwrap().iter().filter(|package| package["source"].is_null());
    let of = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        let real = all.filter(|dependency| dependency["kind"].is_null());
        real.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
    };
    ours.map(|package| (package["name"].as_str().unwrap().to_owned(), of(package))).collect()
}

#[test]
fn arrows_point_down_only() {
    let uses = uses(&metadata());
    let listed = |name: &str| MAY_USE.iter().any(|(of, _)| *of == name) || MAY_USE_ALL.contains(&name);
    let strangers: Vec<_> = uses.keys().filter(|name| !listed(name)).collect();
    assert!(strangers.is_empty(), "{strangers:?} have no place in the house yet");
    for (name, allowed) in MAY_USE {
        let ours: Vec<_> = uses[*name].iter().filter(|used| uses.contains_key(*used)).collect();
        let bad: Vec<_> = ours.iter().filter(|used| !allowed.contains(&used.as_str())).collect();
        assert!(bad.is_empty(), "{name} must not use {bad:?}");
    }
    for (tool, allowed) in ONLY {
        for (name, used) in &uses {
            let fine = !used.iter().any(|used| used == tool) || allowed.contains(&name.as_str());
            assert!(fine, "{name} must not use {tool}; that is for {allowed:?}");
        }
    }
}

#[test]
fn every_dependency_has_a_licence_that_fits() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or_default().replace('/', " OR ");
        assert!(fits(&licence), "{} {}: licence `{licence}`", package["name"], package["version"]);
    }
}

/// Of alternatives one has to fit; of parts that hold together all.
fn fits(licence: &str) -> bool {
    let licence = licence.trim();
    let choices = outside_brackets(licence, " OR ");
    if choices.len() > 1 {
        return choices.into_iter().any(fits);
    }
    let parts = outside_brackets(licence, " AND ");
    if parts.len() > 1 {
        return parts.into_iter().all(fits);
    }
    let inner = licence.strip_prefix('(').and_then(|licence| licence.strip_suffix(')'));
    inner.map_or_else(|| LICENCES.contains(&licence), fits)
}

/// Splits where no bracket is open.
fn outside_brackets<'t>(text: &'t str, by: &str) -> Vec<&'t str> {
    let (mut pieces, mut from, mut open) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        open += i32::from(letter == '(') - i32::from(letter == ')');
        if open == 0 && text[at..].starts_with(by) {
            pieces.push(&text[from..at]);
            from = at + by.len();
        }
    }
    pieces.push(&text[from..]);
    pieces
}

#[test]
fn licences_are_read_as_they_are_bracketed() {
    for (licence, want) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND GPL-3.0", false),
        ("(MIT AND GPL-3.0) OR ISC", true),
    ] {
        assert_eq!(fits(licence), want, "{licence}");
    }
}
