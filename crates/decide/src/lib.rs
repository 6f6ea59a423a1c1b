//! Which tier answers a request, and why.
//!
//! Everything here is a value: the ladder of tiers, the features of a request, a prediction, a decision, the state of
//! one dispatch, a price. Pure: no runtime, clock, environment, file, network or random call; time and chance are
//! arguments, so that a recorded request can be decided again offline with the same outcome.

pub mod backtest;
pub mod balance;
mod base64;
pub mod baseline_ratio;
pub mod breaker;
pub mod budget;
mod chance;
mod choose;
mod days;
mod decision;
pub mod dispatch;
pub mod equals;
pub mod evidence;
mod features;
pub mod first_bytes;
mod ladder;
pub mod line;
mod money;
mod predict;
mod prediction;
pub mod pricing;
pub mod quality;
pub mod rate;
mod record;
pub mod replay;
pub mod room;
mod rules;
pub mod savings;
pub mod stats;
mod table;

pub use chance::Chance;
pub use choose::{Ask, Choosing, NothingFits, Policy, RuleHit, Session, certain_misfit, decide, expected_cost};
pub use days::{DAY_MS, HOUR_MS, WEEK_MS, day_of, span_ms};
pub use decision::{Caller, Decision, Pins, Reason, RejectWhy, Rejected};
pub use features::{COUNTERS, Counter, FEATURE_VERSION, Features, GRAM_BUCKETS, GramKind, MAX_GRAMS, UnpackError};
pub use ladder::{
    Capabilities, Complexity, Ladder, LadderError, Limits, MAX_TIERS, ParameterRules, Target, TargetId, Thinking, Tier,
    TierId,
};
pub use money::Usd;
pub use predict::bank as model;
pub use predict::{Contribution, Predictor};
pub use prediction::{Abstain, Prediction, TaskType};
pub use record::{Attempt, AttemptEnd, CallRecord, CallStatus, RequestId};
pub use rules::{Rule, RuleError, RuleMatch, RuleProblem, RuleSet, Scope, UnknownScope};
/// A name as records keep it: up to 23 bytes in place, longer ones shared. To note one of the config takes no memory of its own, and
/// the thread that is done with a record has nothing to give back for it.
pub use smol_str::{SmolStr as Name, ToSmolStr};
pub use table::{AskModel, Classifier, ComplexityMap, DEFAULT_QUALITY_TARGET, RouteTable, SessionPolicy, TableError};
pub use tierway_wire::{MaxTokensField, Reasoning, Sampling};
