//! When the predictor would rather not say.

use crate::{Abstain, Counter, Features};

/// 0 for the language and shapes that the prior knows, 1 and above for what it has no opinion about.
pub(super) fn novelty(features: &Features) -> f32 {
    let odd = features.value(Counter::OtherScript) + features.value(Counter::NoVowel);
    let known = features.value(Counter::Common) + features.value(Counter::Known);
    odd + (1.0 - 2.5 * known).max(0.0)
}

/// Why not, if so.
pub(super) fn why(features: &Features, novelty: f32) -> Option<Abstain> {
    let words = features.value(Counter::Words).exp2() - 1.0;
    // signs inside one endless word are an encoding, not mathematics
    let encoded = features.value(Counter::LongestWord) > 4.7 && words < 12.0;
    let marks = features.value(Counter::CodeLines) + features.value(Counter::MathSigns);
    let structure = features.value(Counter::Fences) + if encoded { 0.0 } else { marks };
    if words < 0.5 && features.counter(Counter::Images) == 0 && features.counter(Counter::Files) == 0 {
        return Some(Abstain::NoAsk);
    }
    let meaning = words * features.value(Counter::Known);
    if meaning < 0.5 && structure < 1.0 && (words < 3.5 || novelty >= 0.5) {
        return Some(Abstain::NoSignal);
    }
    (novelty >= 1.0 && structure < 1.0).then_some(Abstain::Unfamiliar)
}
