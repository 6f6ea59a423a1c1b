//! What is known of models: prices by date, limits, capabilities, parameters, shutdown.

use tierway_decide::pricing::PriceHistory;
use tierway_decide::{Capabilities, Limits, ParameterRules};

/// What is known of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Prices by date; none when nobody knows.
    pub prices: Option<PriceHistory>,
    /// How much fits.
    pub limits: Limits,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Which parameters it takes.
    pub parameters: ParameterRules,
    /// Last day on which the provider serves it.
    pub shutdown: Option<String>,
    /// Where this is from.
    pub source: String,
}

/// The built-in catalogue and what lies over it.
#[derive(Clone, Debug, Default)]
pub struct Prices {}

impl Prices {
    /// What is known of a model of a catalogue provider.
    #[must_use]
    pub fn lookup(&self, _provider: Option<&str>, _model: &str) -> Option<Facts> {
        None
    }
}
