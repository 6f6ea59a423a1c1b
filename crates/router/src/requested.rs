//! What a request's `model` names: nothing in particular, a tier, or a model.

use tierway_decide::{Ladder, Target, TargetId, TierId};

/// The name that leaves the choice to us.
pub const AUTO: &str = "auto";

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requested<'a> {
    /// Whatever is best.
    Auto,
    /// This tier.
    Tier(TierId),
    /// This model, which serves a tier.
    Target(TargetId),
    /// A model of a configured provider that serves no tier.
    Foreign { provider: &'a str, model: &'a str },
}

/// Looks a name up: `auto`, a tier, `provider/model`, a model. None when it is none of these.
pub(crate) fn resolve<'a>(name: &'a str, ladder: &Ladder, is_provider: impl Fn(&str) -> bool) -> Option<Requested<'a>> {
    if name == AUTO {
        return Some(Requested::Auto);
    }
    if let Some(tier) = ladder.find(name) {
        return Some(Requested::Tier(tier));
    }
    let split = name.split_once('/').filter(|(provider, model)| is_provider(provider) && !model.is_empty());
    let find = |is_it: &dyn Fn(&Target) -> bool| {
        ladder.ids().flat_map(|tier| ladder.targets_of(tier)).find(|(_, target)| is_it(target))
    };
    let is = |target: &Target, name: &str| match name.strip_prefix(target.model.as_str()) {
        Some("") => true,
        // `model@effort`, as in the config.
        Some(rest) => target.effort.as_deref().is_some_and(|effort| rest.strip_prefix('@') == Some(effort)),
        None => false,
    };
    // Models of resellers are called `maker/model`: where that maker is a provider here, its own model is meant.
    let named = split
        .and_then(|(provider, model)| find(&|target| target.provider == provider && is(target, model)))
        .or_else(|| find(&|target| is(target, name)));
    match (named, split) {
        (Some((id, _)), _) => Some(Requested::Target(id)),
        (None, Some((provider, model))) => Some(Requested::Foreign { provider, model }),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierway_decide::{Capabilities, Limits, ParameterRules, Tier};
    use tierway_wire::Format;

    #[test]
    fn tiers_models_and_efforts_are_told_apart() {
        let tier = |name: &str, provider: &str, model: &str, effort: Option<&str>| Tier {
            name: name.into(),
            targets: vec![Target {
                provider: provider.into(),
                model: model.into(),
                format: Format::OpenaiChat,
                effort: effort.map(str::to_owned),
                weight: 1,
                prices: None,
                limits: Limits::default(),
                capabilities: Capabilities::default(),
                parameters: ParameterRules::default(),
                shutdown: None,
            }],
            strengths: String::new(),
            weaknesses: String::new(),
        };
        let tiers = vec![
            tier("nano", "openrouter", "openai/gpt-5", None),
            tier("standard", "openai", "gpt-5", Some("low")),
            tier("reasoning", "openai", "gpt-5", Some("high")),
        ];
        let ladder = Ladder::new(tiers, "standard").unwrap();
        let named = |name| resolve(name, &ladder, |provider| matches!(provider, "openai" | "openrouter"));
        let target = |tier, index| Some(Requested::Target(TargetId { tier: TierId(tier), index }));
        for (name, want) in [
            ("auto", Some(Requested::Auto)),
            ("standard", Some(Requested::Tier(TierId(1)))),
            ("openai/gpt-5", target(1, 0)),
            ("gpt-5", target(1, 0)),
            ("gpt-5@high", target(2, 0)),
            ("openai/gpt-5@high", target(2, 0)),
            ("gpt-5@medium", None),
            ("openrouter/openai/gpt-5", target(0, 0)),
            ("openai/o9", Some(Requested::Foreign { provider: "openai", model: "o9" })),
            ("o9", None),
        ] {
            assert_eq!(named(name), want, "{name}");
        }
    }
}
