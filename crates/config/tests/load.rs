//! A good config comes out as what it says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "tests stop at the first surprise"
)]

use tierway_config::{Config, EvidenceSource, KeySource, Origin, ProviderKind, parse};
use tierway_decide::{Classifier, Complexity, Policy, Scope, TierId};

fn read(text: &str) -> Config {
    parse(text, "tierway.toml", &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The ladder that every tutorial shows, with its own prices.
const CLASSIC: &str = r#"
[providers.openai]
kind = "openai"

[[tiers]]
name = "nano"
provider = "openai"
model = "gpt-4o-mini"
price = { input = 0.15, output = 0.60 }

[[tiers]]
name = "standard"
provider = "openai"
model = "gpt-4o"
price = { input = 5, output = 15 }

[[tiers]]
name = "reasoning"
provider = "openai"
model = "o1-mini"
price = { input = 3, output = 12.0 }
"#;

#[test]
fn the_classic_ladder_is_taken_as_it_is() {
    let config = read(CLASSIC);
    let ladder = config.table.ladder();
    let prices: Vec<_> = ladder
        .tiers()
        .iter()
        .map(|tier| {
            let price = tier.targets[0].prices.as_ref().unwrap().on_day(0).unwrap();
            (tier.name.as_str(), price.input.picos(), price.output.picos())
        })
        .collect();
    assert_eq!(
        prices,
        [("nano", 150_000, 600_000), ("standard", 5_000_000, 15_000_000), ("reasoning", 3_000_000, 12_000_000)]
    );
    assert_eq!(ladder.tier(ladder.baseline()).name, "standard");
    let map = config.table.complexity_map();
    assert_eq!(Complexity::ALL.map(|step| map.tier(step).0), [0, 1, 1, 2]);
    assert_eq!(config.table.policy(), Policy::Target);
    assert_eq!(config.table.classifier(), &Classifier::Local);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8484");
    assert_eq!(config.server.max_body_bytes, 16 << 20);
    assert_eq!(config.ledger.path.to_str(), Some("tierway.db"));
    assert_eq!(config.providers[0].kind, ProviderKind::OpenAi);
    assert_eq!(config.providers[0].key, KeySource::Env("OPENAI_API_KEY".into()));
    assert_eq!(config.providers[0].base_url.as_str(), "https://api.openai.com/v1");
}

#[test]
fn targets_take_a_short_and_a_long_form_and_inherit_from_their_tier() {
    let config = read(
        r#"
        [providers.a]
        kind = "openai_compatible"
        base_url = "http://127.0.0.1:9000/v1/"
        [providers.b]
        kind = "ollama"
        [[tiers]]
        name = "only"
        targets = ["a/org/model@low", { provider = "b", model = "llama", weight = 3, context_window = 8192 }]
        context_window = 32768
        max_output = 4096
        price = { input = 1, output = 2, cached_input = 0.1, over = [{ input_tokens = 200000, input = 2, output = 4 }] }
        capabilities = { vision = false }
        "#,
    );
    let targets = &config.table.ladder().tiers()[0].targets;
    let shape = |at: usize| {
        let target = &targets[at];
        (target.provider.as_str(), target.model.as_str(), target.effort.as_deref(), target.weight)
    };
    assert_eq!(shape(0), ("a", "org/model", Some("low"), 1));
    assert_eq!(shape(1), ("b", "llama", None, 3));
    assert_eq!(
        targets.iter().map(|target| target.limits.context_window).collect::<Vec<_>>(),
        [Some(32768), Some(8192)]
    );
    for target in targets {
        assert_eq!(target.limits.max_output, Some(4096));
        assert!(!target.capabilities.vision && target.capabilities.tools);
        let price = &target.prices.as_ref().unwrap().0[0];
        assert_eq!((price.input.picos(), price.cached_input.unwrap().picos()), (1_000_000, 100_000));
        assert_eq!((price.over[0].input_tokens, price.over[0].output.picos()), (200_000, 4_000_000));
    }
    assert_eq!(config.providers[0].base_url.as_str(), "http://127.0.0.1:9000/v1");
    assert_eq!(config.table.ladder().baseline(), TierId(0));
}

/// Who takes sound, and who documents, of models of which the catalogue knows nothing.
#[track_caller]
fn check_guesses(of_the_dear: &str, want: [(bool, bool); 3]) {
    let config = read(&format!(
        r#"
        [providers.a]
        kind = "openai_compatible"
        base_url = "http://127.0.0.1:9000/v1/"
        [providers.b]
        kind = "ollama"
        format = "ollama_chat"
        [[tiers]]
        name = "cheap"
        targets = ["a/unheard-of", "b/unheard-of"]
        [[tiers]]
        name = "dear"
        targets = ["a/other"]
        capabilities = {of_the_dear}
        [routing]
        baseline = "dear"
        "#
    ));
    let targets = config.table.ladder().tiers().iter().flat_map(|tier| &tier.targets);
    let can: Vec<_> = targets.map(|target| (target.capabilities.audio, target.capabilities.files)).collect();
    assert_eq!(can, want, "{of_the_dear}");
}

#[test]
fn sound_and_documents_go_to_strangers_only_where_nobody_is_known_to_take_them() {
    check_guesses("{ vision = true }", [(true, true), (false, false), (true, true)]);
    check_guesses("{ audio = true }", [(false, true), (false, false), (true, true)]);
    check_guesses("{ files = true }", [(true, false), (false, false), (true, true)]);
    check_guesses("{ audio = false, files = false }", [(true, true), (false, false), (false, false)]);
}

#[test]
fn rules_users_keys_and_routing_refer_to_tiers_by_name() {
    let hash = "ab".repeat(32);
    let config = read(&format!(
        r#"{CLASSIC}
        [routing]
        baseline = "reasoning"
        policy = "tiers"
        quality_target = 0.95
        complexity = {{ medium = "nano" }}
        classifier = "hybrid"
        classifier_tier = "standard"
        classifier_max_cost_usd = 0.001
        [[rules]]
        name = "law"
        pattern = '\bcontract\b'
        tier = "standard"
        reason = "legal review"
        scope = "header:X-Kind"
        locked = true
        [users."ann@example.org"]
        always_baseline = true
        [users.bob]
        floor = "nano"
        ceiling = "standard"
        [[keys]]
        name = "app"
        hash = "sha256:{hash}"
        team = "web"
        tier = "nano"
        "#
    ));
    let table = &config.table;
    let rule = &table.rules().rules()[0];
    assert_eq!((rule.name.as_str(), rule.tier, rule.locked), ("law", TierId(1), true));
    assert_eq!(rule.scope, Scope::Header("x-kind".into()));
    assert_eq!(table.user_pins("ann@example.org").unwrap().exact, Some(TierId(2)));
    assert_eq!(table.user_pins("bob").unwrap().floor, Some(TierId(0)));
    assert_eq!(table.user_pins("carl"), None);
    assert_eq!(Complexity::ALL.map(|step| table.complexity_map().tier(step).0), [0, 0, 2, 2]);
    let Classifier::Hybrid(ask) = table.classifier() else { panic!() };
    assert_eq!((ask.tier, ask.max_cost.unwrap().picos(), ask.timeout_ms), (TierId(1), 1_000_000_000, 1500));
    assert_eq!((config.keys[0].sha256, config.keys[0].pins.exact), ([0xab; 32], Some(TierId(0))));
}

#[test]
fn the_environment_wins_over_the_file_where_it_may() {
    let env = |name: &str| match name {
        "TIERWAY_LISTEN" => Some("0.0.0.0:80".to_owned()),
        "TIERWAY_LEDGER" => Some("/var/lib/t.db".to_owned()),
        _ => None,
    };
    let config = parse(&format!("{CLASSIC}\n[server]\nlisten = \"127.0.0.1:1\"\n"), "etc/tierway.toml", &env).unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:80");
    assert_eq!(config.ledger.path.to_str(), Some("/var/lib/t.db"));
    let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert!(
        warning.to_string().starts_with("environment variable TIERWAY_LISTEN: listens beyond this machine"),
        "{warning}"
    );
    let origin = |path: &str| config.settings.iter().find(|setting| setting.path == path).unwrap().origin.clone();
    assert_eq!(origin("server.listen"), Origin::Environment("TIERWAY_LISTEN"));
    assert_eq!(origin("server.grace_seconds"), Origin::Default);
    assert_eq!(origin("tiers.nano.model"), Origin::Line(8));
}

#[test]
fn the_url_of_the_ledger_is_named_and_never_shown() {
    const URL: &str = "postgres://u:s3cret@db/app";
    let env = |name: &str| matches!(name, "TIERWAY_LEDGER" | "PG").then(|| URL.to_owned());
    let named = |text: &str, env: &dyn Fn(&str) -> Option<String>| {
        parse(&format!("{CLASSIC}\n[ledger]\n{text}\n"), "etc/tierway.toml", env)
    };
    let only_pg = |name: &str| env(name).filter(|_| name == "PG");
    for (text, env) in [("", &env as &dyn Fn(&str) -> Option<String>), ("url = \"env:PG\"", &only_pg)] {
        let config = named(text, env).unwrap();
        assert_eq!(config.ledger.url.resolve(env).unwrap().unwrap().expose().as_str(), URL);
        assert!(!format!("{:?}", config.settings).contains("s3cret"), "{:?}", config.settings);
    }
    let config = named("url = \"file:not-there\"", &|_| None).unwrap();
    assert!(config.ledger.url.resolve(&|_| None).unwrap_err().to_string().contains("not-there"));
    // What the variable names wins, a file over a URL, too.
    let file = |name: &str| (name == "TIERWAY_LEDGER").then(|| "/var/lib/t.db".to_owned());
    let config = named("url = \"env:PG\"", &file).unwrap();
    assert_eq!((&config.ledger.url, config.ledger.path.to_str()), (&KeySource::None, Some("/var/lib/t.db")));
    assert!(config.settings.iter().all(|setting| setting.path != "ledger.url"));
    for text in [format!("url = \"{URL}\""), format!("path = \"{URL}\""), "url = \"env:\"".into()] {
        let problems = named(&text, &|_| None).unwrap_err().to_string();
        assert!(problems.contains("[ledger]") && !problems.contains("s3cret"), "{problems}");
    }
}

#[test]
fn files_are_looked_for_beside_the_config() {
    let config =
        parse(&format!("{CLASSIC}[routing]\nevidence = \"e.json\""), "/etc/tierway/t.toml", &|_| None).unwrap();
    assert_eq!(config.evidence, Some(EvidenceSource::File("/etc/tierway/e.json".into())));
    assert_eq!(config.ledger.path.to_str(), Some("/etc/tierway/tierway.db"));
}

#[test]
fn a_missing_key_is_told_with_the_tiers_that_need_it() {
    let text = format!("{CLASSIC}[providers.spare]\nkind = \"anthropic\"");
    let missing = read(&text).missing_keys(&|_| None);
    let lines: Vec<_> = missing.iter().map(|key| format!("{} {:?} {}", key.provider, key.tiers, key.error)).collect();
    expect_test::expect![[r#"
        openai ["nano", "standard", "reasoning"] environment variable OPENAI_API_KEY is not set; export it, or name another source
        spare [] environment variable ANTHROPIC_API_KEY is not set; export it, or name another source"#]]
    .assert_eq(&lines.join("\n"));
    assert!(read(CLASSIC).missing_keys(&|_| Some("k".into())).is_empty());
}

#[test]
fn models_on_the_way_out_are_named_with_their_last_day() {
    let text = r#"
        [providers.openai]
        kind = "openai"
        [[tiers]]
        name = "only"
        targets = ["openai/gpt-5-mini", { provider = "openai", model = "gpt-4o", shutdown = "2026-12-31" }, "openai/gpt-6-luna"]
    "#;
    let config = read(text);
    let told = |date: &str, days| {
        let shutdowns = config.shutdowns(tierway_config::day::parse(date).unwrap(), days);
        shutdowns.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    expect_test::expect![[r#"
        openai/gpt-5-mini (tier only) is switched off on 2026-12-11, in 18 days; plan its successor
        openai/gpt-4o (tier only) is switched off on 2026-12-31, in 38 days; plan its successor"#]]
    .assert_eq(&told("2026-11-23", 90));
    expect_test::expect![[r#"
        openai/gpt-5-mini (tier only) was switched off on 2026-12-11; name a current model
        openai/gpt-4o (tier only) is switched off tomorrow, 2026-12-31; name a current model"#]]
    .assert_eq(&told("2026-12-30", 90));
    assert_eq!(told("2026-11-23", 10), "");
}

/// Lines that work, and what is said of them all the same.
#[track_caller]
fn warned(more: &str, want: &[&str]) {
    let hash = |letter: &str| format!("sha256:{}", letter.repeat(64));
    let more = more.replace("HASH_A", &hash("a")).replace("HASH_B", &hash("b"));
    let config = read(&format!("{CLASSIC}{more}"));
    let said: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), want.len(), "{said:#?}");
    said.iter().zip(want).for_each(|(said, want)| assert!(said.contains(want), "{said} does not say {want}"));
}

#[test]
fn what_works_and_was_hardly_meant_is_said() {
    let unpriced = "[providers.own]\nkind = \"openai_compatible\"\nbase_url = \"http://127.0.0.1:9/v1\"\n\
                    [[tiers]]\nname = \"top\"\ntargets = [\"own/huge\"]\n";
    let no_price = "no price is known for own/huge: the cost of its calls is unknown, shown as such, left out of savings \
                    and bounded by no budget";
    warned(unpriced, &[no_price]);
    let budget = format!("{unpriced}[teams.web]\nbudget = \"5/day\"\n");
    warned(&budget, &[no_price, "a budget cannot bound what has no price: calls to own/huge count as nothing"]);
    warned("[teams.web]\nbudget = \"5/day\"\n", &[]);
    let misspelt = "[[tiers]]\nname = \"top\"\ntargets = [\"openai/gpt-6.1-slo\"]\n";
    warned(misspelt, &["for openai/gpt-6.1-slo: did you mean `gpt-6.1-sol`? the cost"]);

    warned("[quality]\nsample = 0.1\n", &["`sample` in [quality] finds nothing: nobody allows the use of texts"]);
    warned("[quality]\nsample = 0.1\nallow_without_key = true\n", &[]);
    let key = "[[keys]]\nname = \"app\"\nhash = \"HASH_A\"\nteam = \"wbe\"\n";
    let nobody = format!("[quality]\nsample = 0.1\nallow_without_key = true\n{key}");
    warned(&nobody, &["finds nothing"]);
    warned(&format!("[quality]\nsample = 0.1\nallow_teams = [\"wbe\"]\n{key}"), &[]);
    warned(&format!("{key}[teams.web]\nfloor = \"nano\"\n"), &["team `wbe` has no section; did you mean `web`?"]);
    warned(&format!("{key}[teams.other]\nfloor = \"nano\"\n"), &[]);
}

#[test]
fn a_compatible_server_at_a_known_host_is_priced_and_an_unknown_one_is_not() {
    let config = |url: &str| {
        read(&format!(
            "[providers.p]\nkind = \"openai_compatible\"\nbase_url = \"{url}\"\n[[tiers]]\nname = \"t\"\ntargets = [\"p/mistral-small-2603\"]"
        ))
    };
    let (known, unknown) = (config("https://api.mistral.ai/v1"), config("https://models.example.org/v1"));
    assert!(known.table.ladder().tiers()[0].targets[0].prices.is_some() && known.warnings.is_empty());
    assert!(unknown.table.ladder().tiers()[0].targets[0].prices.is_none());
    assert!(unknown.warnings[0].to_string().starts_with("tierway.toml:6: no price is known for p/mistral-small-2603"));
    assert!(!unknown.warnings[0].to_string().contains("  "), "{}", unknown.warnings[0]);
}

#[test]
fn a_key_is_shown_as_the_spoken_api_wants_it() {
    use tierway_config::KeyHeader;
    let style = |provider: &str| {
        let text = format!("[providers.p]\n{provider}\n[[tiers]]\nname = \"t\"\ntargets = [\"p/m\"]");
        let config = read(&text);
        (config.providers[0].key_header(), config.providers[0].base_url.to_string())
    };
    let google = "https://generativelanguage.googleapis.com/v1beta";
    for (provider, header, url) in [
        ("kind = \"openai\"", KeyHeader::Bearer, "https://api.openai.com/v1"),
        ("kind = \"gemini\"", KeyHeader::Named("x-goog-api-key"), google),
        ("kind = \"gemini\"\nformat = \"openai_chat\"", KeyHeader::Bearer, &format!("{google}/openai")),
        (
            "kind = \"vertex\"\nproject = \"p\"\nlocation = \"global\"",
            KeyHeader::Bearer,
            "https://aiplatform.googleapis.com/v1",
        ),
        (
            "kind = \"vertex\"\nproject = \"p\"\nlocation = \"us\"",
            KeyHeader::Bearer,
            "https://aiplatform.us.rep.googleapis.com/v1",
        ),
        (
            "kind = \"vertex\"\nproject = \"p\"\nlocation = \"europe-west1\"",
            KeyHeader::Bearer,
            "https://europe-west1-aiplatform.googleapis.com/v1",
        ),
        (
            "kind = \"bedrock\"\nregion = \"eu-central-1\"",
            KeyHeader::Bearer,
            "https://bedrock-runtime.eu-central-1.amazonaws.com",
        ),
        ("kind = \"anthropic\"", KeyHeader::Named("x-api-key"), "https://api.anthropic.com/v1"),
        ("kind = \"anthropic\"\nformat = \"openai_chat\"", KeyHeader::Bearer, "https://api.anthropic.com/v1"),
        ("kind = \"ollama\"\nformat = \"ollama_chat\"", KeyHeader::Bearer, "http://127.0.0.1:11434"),
        (
            "kind = \"azure\"\nbase_url = \"https://me.openai.azure.com/openai/v1\"",
            KeyHeader::Named("api-key"),
            "https://me.openai.azure.com/openai/v1",
        ),
    ] {
        assert_eq!(style(provider), (header, url.to_owned()), "{provider}");
    }
}

#[test]
fn a_model_that_takes_less_input_than_its_window_says_so() {
    let text = "[providers.p]\nkind = \"openai\"\n[[tiers]]\nname = \"t\"\ntargets = [\"p/gpt-6-luna\"]\n";
    let limits = |text: &str| read(text).table.ladder().tiers()[0].targets[0].limits;
    assert_eq!((limits(text).max_input, limits(text).context_window), (Some(922_000), Some(1_050_000)));
    let own = limits(&format!("{text}context_window = 8192\n"));
    assert_eq!((own.max_input, own.context_window), (None, Some(8192)));
}
