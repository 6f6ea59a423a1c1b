//! `[routing]`: how a tier is chosen.

use crate::reader::Section;
use crate::tier::TierNames;
use std::path::{Path, PathBuf};
use tierway_decide::{AskModel, Classifier, Complexity, ComplexityMap, Ladder, Policy, SessionPolicy, TierId};

/// Where evidence of calibration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvidenceSource {
    /// A file that `calibrate` wrote.
    File(PathBuf),
    /// The newest version that the ledger keeps: what was calibrated from its verdicts, or rolled back to.
    Ledger,
}

impl EvidenceSource {
    fn read(text: &str, base: &Path) -> Self {
        // A file of that name is `./ledger`.
        if text == "ledger" { Self::Ledger } else { Self::File(base.join(text)) }
    }
}

/// What `[routing]` says besides the baseline.
pub(crate) struct Routing {
    pub(crate) policy: Policy,
    pub(crate) quality_target: f64,
    pub(crate) complexity: [Option<TierId>; 4],
    pub(crate) classifier: Classifier,
    pub(crate) session: SessionPolicy,
    pub(crate) escalate_on_broken: bool,
    pub(crate) evidence: Option<EvidenceSource>,
}

impl Routing {
    pub(crate) fn read(section: &Section<'_, '_>, tiers: &TierNames, base: &Path) -> Self {
        let complexity = section.table("complexity");
        Self {
            policy: if section.string("policy") == "tiers" { Policy::Tiers } else { Policy::Target },
            quality_target: section.share("quality_target"),
            complexity: Complexity::ALL.map(|step| tiers.tier(&complexity, step.name())),
            classifier: classifier(section, tiers),
            session: SessionPolicy {
                hold: section.flag("session_hold"),
                idle_minutes: section.int32("session_idle_minutes"),
                cache_marks: section.flag("cache_marks"),
            },
            escalate_on_broken: section.flag("escalate_on_broken"),
            evidence: section.text("evidence").map(|text| EvidenceSource::read(&text.text, base)),
        }
    }

    /// The map, with the ladder's own where nothing is said.
    pub(crate) fn complexity_map(&self, ladder: &Ladder) -> ComplexityMap {
        let default = ComplexityMap::for_ladder(ladder);
        let [simple, medium, complex, reasoning] = Complexity::ALL.map(|step| default.tier(step));
        let [own_simple, own_medium, own_complex, own_reasoning] = self.complexity;
        ComplexityMap::new([
            own_simple.unwrap_or(simple),
            own_medium.unwrap_or(medium),
            own_complex.unwrap_or(complex),
            own_reasoning.unwrap_or(reasoning),
        ])
    }
}

fn classifier(section: &Section<'_, '_>, tiers: &TierNames) -> Classifier {
    let kind = section.string("classifier");
    let tier = tiers.tier(section, "classifier_tier").unwrap_or(TierId(0));
    let ask = AskModel {
        tier,
        timeout_ms: section.int32("classifier_timeout_ms"),
        max_output_tokens: section.int32("classifier_max_output_tokens"),
        max_cost: section.amount("classifier_max_cost_usd"),
    };
    match kind.as_str() {
        "model" => Classifier::Model(ask),
        "hybrid" => Classifier::Hybrid(ask),
        _ => Classifier::Local,
    }
}
