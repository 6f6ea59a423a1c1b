//! Everything that a decision reads besides the request: ladder, rules, policy, pins.
//!
//! A value that proves its checks when it is made; never changed afterwards, swapped as a whole on reload.
//! Its [fingerprint](RouteTable::version) goes into each record, so that a decision is recomputed with what it was made with.

use crate::quality::Held;
use crate::{Choosing, Complexity, Ladder, Pins, Policy, RuleSet, TierId, Usd};
use std::collections::BTreeMap;

/// Which tier each complexity goes to under [`Policy::Tiers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComplexityMap([TierId; 4]);

/// Who tells how hard a request is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Classifier {
    /// The predictor in the binary.
    #[default]
    Local,
    /// A model, asked for each request; the local one when it fails.
    Model(AskModel),
    /// A model, asked only when the local one abstains and the expected gain exceeds the price of asking.
    Hybrid(AskModel),
}

/// How a model is asked for its opinion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskModel {
    /// The tier that is asked; the cheapest unless configured.
    pub tier: TierId,
    /// Longest wait before the local predictor decides.
    pub timeout_ms: u32,
    /// Longest answer.
    pub max_output_tokens: u32,
    /// Most that one question may cost; it is not asked when it would cost more.
    pub max_cost: Option<Usd>,
}

/// Whether a conversation stays with its tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// A conversation does not change tiers unless that is worth the lost prompt cache.
    pub hold: bool,
    /// A conversation is forgotten after this silence.
    pub idle_minutes: u32,
    /// Prompts of conversations that go on are marked for Anthropic's cache, where the client marked nothing.
    pub cache_marks: bool,
}

impl Default for SessionPolicy {
    /// An hour: the longest life of a prompt cache that providers sell.
    fn default() -> Self {
        Self { hold: true, idle_minutes: 60, cache_marks: true }
    }
}

/// A table that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TableError {
    /// Something names a tier that the ladder does not have.
    #[error("{what} names tier {tier}, the ladder has {tiers}")]
    NoTier {
        /// Who names it.
        what: String,
        /// The place it names.
        tier: u8,
        /// Tiers there are.
        tiers: usize,
    },
    /// Not a share.
    #[error("the quality target is {0}; it is a share above 0 and at most 1, such as 0.99")]
    QualityTarget(f64),
    /// Floor above ceiling.
    #[error("{0}: the floor is above the ceiling")]
    FloorAboveCeiling(String),
}

/// Share of the baseline's answers that routed answers shall match, when nothing else is said.
pub const DEFAULT_QUALITY_TARGET: f64 = 0.98;

/// What `decide` reads.
#[derive(Clone, Debug)]
pub struct RouteTable {
    ladder: Ladder,
    rules: RuleSet,
    policy: Policy,
    complexity_map: ComplexityMap,
    classifier: Classifier,
    quality_target: f64,
    users: BTreeMap<String, Pins>,
    session: SessionPolicy,
    escalate_on_broken: bool,
    version: u64,
}

impl RouteTable {
    /// A table with this ladder, no rules, and every other setting at its default.
    #[must_use]
    pub fn new(ladder: Ladder) -> Self {
        let complexity_map = ComplexityMap::for_ladder(&ladder);
        let table = Self {
            ladder,
            rules: RuleSet::default(),
            policy: Policy::default(),
            complexity_map,
            classifier: Classifier::default(),
            quality_target: DEFAULT_QUALITY_TARGET,
            users: BTreeMap::new(),
            session: SessionPolicy::default(),
            escalate_on_broken: false,
            version: 0,
        };
        table.stamped()
    }

    /// With these rules.
    ///
    /// # Errors
    /// A rule names a tier that the ladder does not have.
    pub fn with_rules(mut self, rules: RuleSet) -> Result<Self, TableError> {
        for rule in rules.rules() {
            self.known(rule.tier, || format!("rule `{}`", rule.name))?;
        }
        self.rules = rules;
        Ok(self.stamped())
    }

    /// With this policy.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self.stamped()
    }

    /// With this map from complexity to tier.
    ///
    /// # Errors
    /// It names a tier that the ladder does not have.
    pub fn with_complexity_map(mut self, map: ComplexityMap) -> Result<Self, TableError> {
        for complexity in Complexity::ALL {
            self.known(map.tier(complexity), || format!("complexity `{}`", complexity.name()))?;
        }
        self.complexity_map = map;
        Ok(self.stamped())
    }

    /// With this classifier.
    ///
    /// # Errors
    /// It asks a tier that the ladder does not have.
    pub fn with_classifier(mut self, classifier: Classifier) -> Result<Self, TableError> {
        if let Classifier::Model(ask) | Classifier::Hybrid(ask) = &classifier {
            self.known(ask.tier, || "the classifier".to_owned())?;
        }
        self.classifier = classifier;
        Ok(self.stamped())
    }

    /// With this quality target, a share of the baseline's quality: 0.99 gives up at most one answer in a hundred.
    ///
    /// # Errors
    /// Not above 0 and at most 1.
    pub fn with_quality_target(mut self, target: f64) -> Result<Self, TableError> {
        if !(target > 0.0 && target <= 1.0) {
            return Err(TableError::QualityTarget(target));
        }
        self.quality_target = target;
        Ok(self.stamped())
    }

    /// With these pins by name of the end user.
    ///
    /// # Errors
    /// A pin names a tier that the ladder does not have, or a floor above its ceiling.
    pub fn with_users(mut self, users: BTreeMap<String, Pins>) -> Result<Self, TableError> {
        for (name, pins) in &users {
            let what = || format!("user `{name}`");
            for tier in [pins.exact, pins.floor, pins.ceiling].into_iter().flatten() {
                self.known(tier, what)?;
            }
            if pins.floor.zip(pins.ceiling).is_some_and(|(floor, ceiling)| floor > ceiling) {
                return Err(TableError::FloorAboveCeiling(what()));
            }
        }
        self.users = users;
        Ok(self.stamped())
    }

    /// With this treatment of conversations.
    #[must_use]
    pub fn with_session(mut self, session: SessionPolicy) -> Self {
        self.session = session;
        self.stamped()
    }

    /// Whether a verifiably broken answer is retried one tier up.
    #[must_use]
    pub fn with_escalate_on_broken(mut self, escalate: bool) -> Self {
        self.escalate_on_broken = escalate;
        self.stamped()
    }

    /// The tiers.
    #[must_use]
    pub const fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// The hard rules.
    #[must_use]
    pub const fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// How a tier is picked, given what calibration has shown to be a bearable shortfall. Without calibration the quality
    /// target itself is the bound: a tier that falls short by more than `1 - target` is not used.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a share")]
    pub fn choosing(&self, proven_shortfall: Option<f32>) -> Choosing {
        Choosing {
            policy: self.policy,
            max_shortfall: proven_shortfall.unwrap_or((1.0 - self.quality_target) as f32),
            by_complexity: self.complexity_map,
            held: Held::NONE,
        }
    }

    /// How a prediction becomes a tier.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// Complexity to tier.
    #[must_use]
    pub const fn complexity_map(&self) -> &ComplexityMap {
        &self.complexity_map
    }

    /// Who tells how hard a request is.
    #[must_use]
    pub const fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// Share of the baseline's quality to keep, above 0 and at most 1.
    #[must_use]
    pub const fn quality_target(&self) -> f64 {
        self.quality_target
    }

    /// Pins of an end user; none for users that are not listed.
    #[must_use]
    pub fn user_pins(&self, user: &str) -> Option<Pins> {
        self.users.get(user).copied()
    }

    /// Treatment of conversations.
    #[must_use]
    pub const fn session(&self) -> SessionPolicy {
        self.session
    }

    /// Whether a verifiably broken answer is retried one tier up.
    #[must_use]
    pub const fn escalate_on_broken(&self) -> bool {
        self.escalate_on_broken
    }

    /// Fingerprint of everything in the table; equal tables have equal ones. 63 bits, so that it fits a signed column.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    fn known(&self, tier: TierId, what: impl FnOnce() -> String) -> Result<(), TableError> {
        let tiers = self.ladder.tiers().len();
        if usize::from(tier.0) < tiers {
            return Ok(());
        }
        Err(TableError::NoTier { what: what(), tier: tier.0, tiers })
    }

    fn stamped(mut self) -> Self {
        let parts = (
            (self.ladder.tiers(), self.ladder.baseline(), self.rules.rules()),
            (self.policy, self.complexity_map, &self.classifier, self.quality_target.to_bits()),
            (&self.users, self.session, self.escalate_on_broken),
        );
        self.version = fingerprint(format!("{parts:?}").as_bytes()) >> 1;
        self
    }
}

impl ComplexityMap {
    /// One tier each, in the order of [`Complexity::ALL`].
    #[must_use]
    pub const fn new(tiers: [TierId; 4]) -> Self {
        Self(tiers)
    }

    /// Simple to the cheapest tier, medium and complex to the baseline, reasoning to the top.
    #[must_use]
    pub fn for_ladder(ladder: &Ladder) -> Self {
        let top = ladder.ids().next_back().unwrap_or(TierId(0));
        Self([TierId(0), ladder.baseline(), ladder.baseline(), top])
    }

    /// The tier of a complexity.
    #[must_use]
    pub const fn tier(&self, complexity: Complexity) -> TierId {
        self.0[complexity as usize]
    }
}

/// FNV-1a, 64 bits: stable over versions and machines, unlike the standard hasher.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
