//! `[[tiers]]`: the ladder, its targets and what is known of their models.

use crate::catalogue::{Facts, Prices};
use crate::problem::{did_you_mean, is_slip, nearest, shown};
use crate::provider::ProviderConfig;
use crate::reader::{Entry, Origin, Section, Text, quoted};
use tierway_decide::pricing::{LongPrice, Price, PriceHistory};
use tierway_decide::{
    Capabilities, Limits, MAX_TIERS, MaxTokensField, ParameterRules, Reasoning, Sampling, Target, Tier, TierId,
};
use tierway_wire::{EFFORTS, Format, Vocabulary};

/// The names of the tiers, for everything that refers to one.
pub(crate) struct TierNames(pub(crate) Vec<String>);

impl TierNames {
    pub(crate) fn read(root: &Section<'_, '_>) -> Self {
        Self(root.names_in("tiers"))
    }

    /// The tier that a field names; a problem when there is none of that name.
    pub(crate) fn tier(&self, section: &Section<'_, '_>, field: &str) -> Option<TierId> {
        let name = section.text(field)?;
        self.find(section, &name)
    }

    fn find(&self, section: &Section<'_, '_>, name: &Text) -> Option<TierId> {
        let found = self.id(&name.text);
        if found.is_none() {
            let hint = did_you_mean(&name.text, self.0.iter().map(String::as_str));
            let known = self.0.join(", ");
            section.reader.problem(name.at, format!("no tier {}; {hint}known tiers: {known}", shown(&name.text)));
        }
        found
    }

    /// The tier of that name.
    pub(crate) fn id(&self, name: &str) -> Option<TierId> {
        let at = self.0.iter().position(|known| known == name)?;
        u8::try_from(at).ok().map(TierId)
    }
}

/// What the tiers refer to.
pub(crate) struct Known<'k> {
    pub(crate) providers: &'k [ProviderConfig],
    /// Names under `[providers]`, faulty ones included: they are not reported twice.
    pub(crate) provider_names: Vec<String>,
    pub(crate) prices: &'k Prices,
}

/// The tiers in order; an empty list when something is wrong.
pub(crate) fn read(root: &Section<'_, '_>, known: &Known<'_>) -> Vec<Tier> {
    let sections = root.only_tables("tiers");
    if sections.is_empty() && !root.has("tiers") {
        root.reader
            .problem_of_file("no tiers; add a [[tiers]] section with name, provider and model, or run `tierway init`");
    }
    if sections.len() > MAX_TIERS {
        root.problem("tiers", format!("{} tiers; a ladder has at most {MAX_TIERS}", sections.len()));
    }
    let (mut tiers, mut names) = (Vec::new(), Vec::new());
    for section in &sections {
        let name = section.string("name");
        if !name.is_empty() && names.contains(&name) {
            section.problem("name", format!("two tiers are named {}; give each its own name", shown(&name)));
        }
        names.push(name);
        tiers.extend(one(section, known));
    }
    settle_guesses(&mut tiers);
    tiers
}

/// Names that mean something else where a model is asked for.
const RESERVED: [&str; 3] = ["auto", "none", "default"];

fn one(section: &Section<'_, '_>, known: &Known<'_>) -> Option<Tier> {
    section.require("name");
    let name = section.string("name");
    if RESERVED.contains(&name.as_str()) {
        section.problem("name", format!("a tier cannot be named `{name}`: clients ask for `auto`, rules for `none`"));
    }
    if name.contains(['/', '@', ','])
        || name.chars().any(char::is_whitespace)
        || (section.has("name") && name.is_empty())
    {
        section.problem("name", format!("{} is no name for a tier; use letters, digits, `-` and `_`", shown(&name)));
    }
    let targets = targets(section, known);
    if !targets.is_empty() && targets.iter().all(|target| target.weight == 0) {
        section
            .problem("targets", format!("all targets of {} have weight 0; give at least one a weight", section.title));
    }
    let (strengths, weaknesses) = (section.string("strengths"), section.string("weaknesses"));
    (!targets.is_empty()).then_some(Tier { name: name.into(), targets, strengths, weaknesses })
}

fn targets(section: &Section<'_, '_>, known: &Known<'_>) -> Vec<Target> {
    let single = section.has("provider") || section.has("model");
    if single && section.has("targets") {
        section.problem(
            "targets",
            format!("{} has `targets` and also a `provider` or `model` of its own; keep one of both", section.title),
        );
    }
    if single {
        let asked = Asked::of_section(section, section);
        return asked.and_then(|asked| target(&asked, &[section], section.at, known)).into_iter().collect();
    }
    let entries = section.tables("targets");
    if entries.is_empty() {
        let message = format!(
            "{} has no target; give `provider` and `model`, or `targets = [\"provider/model\"]`",
            section.title
        );
        section.problem("targets", message);
    }
    let mut targets: Vec<Target> = Vec::new();
    for entry in &entries {
        let (asked, sources, at) = match entry {
            Entry::Table(own) => (Asked::of_section(own, section), vec![own, section], own.at),
            Entry::Text(text) => (Asked::of_text(section, text, known), vec![section], text.at),
        };
        let Some(target) = asked.and_then(|asked| target(&asked, &sources, at, known)) else { continue };
        let same = |other: &Target| {
            (&other.provider, &other.model, &other.effort) == (&target.provider, &target.model, &target.effort)
        };
        if targets.iter().any(same) {
            section.reader.problem(
                at,
                format!("{}/{} is twice in {}; use `weight`", target.provider, target.model, section.title),
            );
        }
        targets.push(target);
    }
    if targets.len() > usize::from(u8::MAX) {
        section.problem("targets", format!("{} targets in {}; at most 255", targets.len(), section.title));
    }
    targets
}

/// Which model of whom.
struct Asked {
    provider: Text,
    model: Text,
    effort: Option<String>,
    weight: u32,
}

impl Asked {
    fn of_section(section: &Section<'_, '_>, tier: &Section<'_, '_>) -> Option<Self> {
        section.require("provider");
        section.require("model");
        let (provider, model) = (section.text("provider"), section.text("model"));
        let effort = section.text("effort").or_else(|| tier.text("effort")).map(|effort| effort.text);
        let weight = if section.knows("weight") { section.int32("weight") } else { 1 };
        Some(Self { provider: provider?, model: model?, effort, weight })
    }

    fn of_text(section: &Section<'_, '_>, text: &Text, known: &Known<'_>) -> Option<Self> {
        let Some((provider, model)) = text.text.split_once('/').filter(|(_, model)| !model.is_empty()) else {
            let example = known.provider_names.first().map_or("openai", String::as_str);
            let message = format!("target {} is not `provider/model`; write \"{example}/MODEL\"", shown(&text.text));
            section.reader.problem(text.at, message);
            return None;
        };
        let (model, effort) = match model.rsplit_once('@') {
            Some((model, effort)) if EFFORTS.contains(&effort) => (model, Some(effort.to_owned())),
            _ => (model, section.text("effort").map(|effort| effort.text)),
        };
        let at = |part: &str| Text { at: text.at, text: part.to_owned() };
        Some(Self { provider: at(provider), model: at(model), effort, weight: 1 })
    }
}

/// One target; what the sources do not say, first one first, the catalogue says.
fn target(asked: &Asked, sources: &[&Section<'_, '_>], at: usize, known: &Known<'_>) -> Option<Target> {
    let section = sources.first()?;
    let reader = section.reader;
    if asked.model.text.trim().is_empty() {
        reader.problem(
            asked.model.at,
            format!("`model` in {} is empty; name the model as the provider knows it", section.title),
        );
    }
    let Some(provider) = known.providers.iter().find(|provider| provider.name == asked.provider.text) else {
        if !known.provider_names.contains(&asked.provider.text) {
            let names = known.provider_names.join(", ");
            let list = if names.is_empty() { "none; add a [providers.NAME] section".to_owned() } else { names };
            reader.problem(
                asked.provider.at,
                format!("no provider {}; known providers: {list}", shown(&asked.provider.text)),
            );
        }
        // Everything below is read all the same, for its problems.
        let _ = own_facts(sources, Facts::default());
        return None;
    };
    let found = known.prices.lookup(provider.catalogue(), &asked.model.text);
    note_origin(section, &asked.model.text, found.as_ref());
    let unknown = found.is_none();
    let facts = own_facts(sources, found.unwrap_or_default());
    check_effort(section, at, asked, &facts);
    // Vertex has versions behind an `@`, and its prices go by other names.
    let of_catalogue = |model: &str| known.prices.lookup(provider.kind.catalogue(), model).is_some();
    check_at_sign(section, asked, &of_catalogue);
    if facts.prices.is_none() {
        let names = provider.catalogue().map(|catalogue| known.prices.names(catalogue)).unwrap_or_default();
        let hint = did_you_mean(&asked.model.text, names.iter().map(String::as_str));
        let message = format!(
            "no price is known for {}/{}: {hint}the cost of its calls is unknown, shown as such, left out of savings and bounded by no budget; give `price = {{ input = .., output = .. }}` (dollars per million tokens)",
            provider.name, asked.model.text
        );
        reader.warn(at, message);
    } else if unknown {
        let names = provider.catalogue().map(|catalogue| known.prices.names(catalogue)).unwrap_or_default();
        if let Some(meant) = names.iter().find(|name| is_slip(&asked.model.text, name)) {
            let message = format!("no model {} is known; did you mean `{meant}`?", shown(&asked.model.text));
            reader.warn(at, message);
        }
    }
    let responses = facts.parameters.responses_only && provider.format == Format::OpenaiChat;
    Some(Target {
        provider: provider.name.as_str().into(),
        model: asked.model.text.as_str().into(),
        format: if responses { Format::OpenaiResponses } else { provider.format },
        effort: asked.effort.clone(),
        weight: asked.weight,
        prices: facts.prices,
        limits: Limits { vocabulary: Vocabulary::of_model(&asked.model.text), ..facts.limits },
        capabilities: facts.capabilities,
        parameters: facts.parameters,
        shutdown: facts.shutdown,
    })
}

fn check_effort(section: &Section<'_, '_>, at: usize, asked: &Asked, facts: &Facts) {
    let Some(effort) = &asked.effort else { return };
    let efforts = &facts.parameters.efforts;
    let at = if section.has("effort") { section.at("effort") } else { at };
    if !efforts.is_empty() && !efforts.contains(effort) {
        let list = efforts.join(", ");
        section.reader.problem(at, format!("{} takes no effort {}; it knows: {list}", asked.model.text, shown(effort)));
    } else if efforts.is_empty() && !EFFORTS.contains(&effort.as_str()) {
        section.reader.problem(at, format!("no effort {}; known efforts: {}", shown(effort), EFFORTS.join(", ")));
    }
}

/// An effort behind an `@` that is none, or stands where no effort is looked for. Some models do have an `@` in their names.
fn check_at_sign(section: &Section<'_, '_>, asked: &Asked, is_known: &dyn Fn(&str) -> bool) {
    let Some((model, end)) = asked.model.text.rsplit_once('@') else { return };
    let Text { at, text } = &asked.model;
    if EFFORTS.contains(&end) {
        let message = format!("write model = {} and effort = {} beside it", quoted(model), quoted(end));
        section
            .reader
            .problem(*at, format!("`@` and an effort belong to the short form `provider/model@effort`; {message}"));
        return;
    }
    let is_word = end.bytes().all(|byte| byte.is_ascii_alphabetic());
    let meant = nearest(end, EFFORTS).map(|meant| format!("did you mean `{meant}`? ")).filter(|_| is_word);
    if meant.is_some() || is_word && !is_known(text) && is_known(model) {
        let (meant, efforts) = (meant.unwrap_or_default(), EFFORTS.join(", "));
        section
            .reader
            .problem(*at, format!("no effort {} (in {}); {meant}known efforts: {efforts}", shown(end), shown(text)));
    }
}

fn note_origin(section: &Section<'_, '_>, model: &str, facts: Option<&Facts>) {
    let origin = |facts: &Facts| Origin::Catalogue(facts.source.clone());
    let Some((facts, origin)) = facts.map(|facts| (facts, origin(facts))) else { return };
    if let Some(price) = facts.prices.as_ref().and_then(|prices| prices.0.last()) {
        let value = format!("{{ input = {}, output = {} }}", per_million(price.input), per_million(price.output));
        section.derived(&format!("({model}).price"), value, origin.clone());
    }
    for (name, value) in [("context_window", facts.limits.context_window), ("max_output", facts.limits.max_output)] {
        if let Some(value) = value {
            section.derived(&format!("({model}).{name}"), value.to_string(), origin.clone());
        }
    }
    if let Some(day) = &facts.shutdown {
        section.derived(&format!("({model}).shutdown"), format!("\"{day}\""), origin);
    }
}

/// Dollars per million tokens.
pub(crate) fn per_million(per_token: tierway_decide::Usd) -> String {
    per_token.times(1_000_000).to_string()
}

/// What the config says over what the catalogue says. `sources`: the target, then its tier.
fn own_facts(sources: &[&Section<'_, '_>], catalogue: Facts) -> Facts {
    let mut facts = catalogue;
    for section in sources.iter().rev() {
        if section.has("price") {
            facts.prices = price(&section.table("price")).map(|price| PriceHistory(vec![price])).or(facts.prices);
        }
        if let Some(tokens) = section.opt_int32("context_window") {
            facts.limits.context_window = Some(tokens);
            facts.limits.max_input = None;
        }
        if let Some(tokens) = section.opt_int32("max_output") {
            facts.limits.max_output = Some(tokens);
        }
        capabilities(&section.table("capabilities"), &mut facts.capabilities);
        parameters(&section.table("parameters"), &mut facts.parameters);
        if section.knows("shutdown")
            && let Some(day) = section.text("shutdown")
        {
            match crate::day::parse(&day.text) {
                Some(_) => facts.shutdown = Some(day.text),
                None => section.reader.problem(
                    day.at,
                    format!("`shutdown` is {}; it takes a day, such as \"2026-12-31\"", shown(&day.text)),
                ),
            }
        }
    }
    facts
}

fn price(section: &Section<'_, '_>) -> Option<Price> {
    section.require("input");
    section.require("output");
    let over: Vec<Option<LongPrice>> = section.only_tables("over").iter().map(long_price).collect();
    let (input, output) = (section.price("input"), section.price("output"));
    let price = Price {
        cached_input: section.price("cached_input"),
        cache_write_5m: section.price("cache_write"),
        cache_write_1h: section.price("cache_write_1h"),
        audio_input: section.price("audio_input"),
        audio_output: section.price("audio_output"),
        over: over.into_iter().flatten().collect(),
        input: input?,
        output: output?,
        ..Price::default()
    };
    if price.cached_input.is_some_and(|cached| cached > price.input) {
        section.problem("cached_input", "`cached_input` is dearer than `input`; a cache makes input cheaper");
    }
    Some(price)
}

fn long_price(section: &Section<'_, '_>) -> Option<LongPrice> {
    for name in ["input_tokens", "input", "output"] {
        section.require(name);
    }
    let (input_tokens, input, output) = (section.int("input_tokens"), section.price("input"), section.price("output"));
    Some(LongPrice {
        reasoning_output: None,
        cached_input: section.price("cached_input"),
        cache_write_5m: section.price("cache_write"),
        cache_write_1h: section.price("cache_write_1h"),
        input_tokens: input_tokens?,
        input: input?,
        output: output?,
    })
}

fn capabilities(section: &Section<'_, '_>, into: &mut Capabilities) {
    let Capabilities { vision, tools, json_schema, streaming, audio, files, guessed } = into;
    for (name, flag, guessed) in [
        ("vision", vision, &mut guessed.vision),
        ("tools", tools, &mut guessed.tools),
        ("json_schema", json_schema, &mut guessed.json_schema),
        ("streaming", streaming, &mut guessed.streaming),
        ("audio", audio, &mut guessed.audio),
        ("files", files, &mut guessed.files),
    ] {
        if let Some(said) = section.opt_flag(name) {
            (*flag, *guessed) = (said, false);
        }
    }
}

/// Nobody said whether some models take sound or documents: they are tried only where their API can say it, and no other
/// model of the ladder is known to take it.
fn settle_guesses(tiers: &mut [Tier]) {
    let targets = || tiers.iter().flat_map(|tier| &tier.targets).map(|target| target.capabilities);
    let hears = targets().any(|can| can.audio && !can.guessed.audio);
    let reads = targets().any(|can| can.files && !can.guessed.files);
    for target in tiers.iter_mut().flat_map(|tier| &mut tier.targets) {
        let (can, format) = (&mut target.capabilities, target.format);
        can.audio &= !can.guessed.audio || (!hears && format.carries_sound());
        can.files &= !can.guessed.files || (!reads && format.carries_documents());
    }
}

fn parameters(section: &Section<'_, '_>, into: &mut ParameterRules) {
    into.known |= section.is_present();
    match section.string("sampling").as_str() {
        "always" => into.sampling = Sampling::Always,
        "when_not_reasoning" => into.sampling = Sampling::WhenNotReasoning,
        "never" => into.sampling = Sampling::Never,
        _ => {}
    }
    match section.string("reasoning").as_str() {
        "none" => into.reasoning = Reasoning::None,
        "off_by_default" => into.reasoning = Reasoning::OffByDefault,
        "on_by_default" => into.reasoning = Reasoning::OnByDefault,
        "always" => into.reasoning = Reasoning::Always,
        _ => {}
    }
    match section.string("max_tokens_field").as_str() {
        "max_tokens" => into.max_tokens_field = MaxTokensField::MaxTokens,
        "max_completion_tokens" => into.max_tokens_field = MaxTokensField::MaxCompletionTokens,
        _ => {}
    }
    if section.has("efforts") {
        into.efforts = section.texts("efforts").into_iter().map(|effort| effort.text).collect();
    }
    let fields = [
        ("system_role", &mut into.system_role),
        ("stop", &mut into.stop),
        ("forced_tool_choice", &mut into.forced_tool_choice),
        ("prefill", &mut into.prefill),
    ];
    for (name, flag) in fields {
        *flag = section.opt_flag(name).unwrap_or(*flag);
    }
}

/// The name of the baseline tier: as given, or the only tier, or `standard`. A problem when there is no such tier.
pub(crate) fn baseline(names: &TierNames, routing: &Section<'_, '_>) -> Option<String> {
    if let [only] = &names.0[..]
        && !routing.has("baseline")
    {
        routing.derived("baseline", quoted(only), Origin::Default);
        return Some(only.clone());
    }
    let name = routing.text("baseline")?;
    if routing.has("baseline") {
        return names.find(routing, &name).map(|_| name.text);
    }
    if names.0.contains(&name.text) || names.0.is_empty() {
        return Some(name.text);
    }
    let known = names.0.join(", ");
    let message = format!(
        "no tier is named `standard`, so `baseline` has to be set in [routing]: the tier that everything would go to \
         without a router; known tiers: {known}"
    );
    match routing.is_present() {
        true => routing.reader.problem(routing.at, message),
        false => routing.reader.problem_of_file(message),
    }
    None
}
