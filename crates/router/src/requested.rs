//! What a request's `model` names: nothing in particular, a tier, or a model.

use tierway_decide::{Ladder, TargetId, TierId};

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
    let mut targets = ladder.ids().flat_map(|tier| ladder.targets_of(tier));
    let named = targets.find(|(_, target)| {
        let here = split.is_some_and(|(provider, model)| target.provider == provider && target.model == model);
        here || target.model == name
    });
    match (named, split) {
        (Some((id, _)), _) => Some(Requested::Target(id)),
        (None, Some((provider, model))) => Some(Requested::Foreign { provider, model }),
        (None, None) => None,
    }
}
