//! Which predictor a config asks for: the built-in one, alone or with what calibration proved.

use crate::error::GatewayError;
use crate::setup::location;
use tierway_config::{Config, EvidenceSource};
use tierway_decide::Predictor;
use tierway_decide::evidence::Evidence;
use tierway_ledger::{LedgerError, Location, Reader, State};

/// The predictor of a config: the built-in one, with the evidence that the config names. Evidence that cannot be used is
/// refused: to decide without it would be another promise.
///
/// # Errors
/// When the evidence cannot be read or was made for another ladder.
pub fn predictor(config: &Config) -> Result<Predictor, GatewayError> {
    let prior = Predictor::embedded();
    let (place, text) = match &config.evidence {
        None => return Ok(prior.clone()),
        Some(EvidenceSource::File(path)) => {
            let place = path.display().to_string();
            (place.clone(), std::fs::read_to_string(path).map_err(|error| no_evidence(&place, &error))?)
        }
        Some(EvidenceSource::Ledger) => match newest_evidence(&location(config)?)? {
            // Nothing was proven yet.
            None => return Ok(prior.clone()),
            Some((version, text)) => (format!("version {version} of the ledger"), text),
        },
    };
    let ladder = config.table.ladder();
    let evidence = Evidence::parse(&text).map_err(|error| no_evidence(&place, &error))?;
    evidence.speaks_of(ladder).map_err(|error| no_evidence(&place, &error))?;
    let names: Vec<&str> = ladder.tiers().iter().map(|tier| tier.name.as_str()).collect();
    let with = prior.with_evidence(evidence, &names, usize::from(ladder.baseline().0));
    with.map_err(|error| no_evidence(&place, &error))
}

fn no_evidence(place: &str, cause: &dyn std::fmt::Display) -> GatewayError {
    GatewayError::Evidence { place: place.to_owned(), cause: cause.to_string() }
}

/// The newest version that a ledger keeps. Makes no ledger where there is none. On a thread of its own: whoever reloads may
/// stand on an event loop.
fn newest_evidence(location: &Location) -> Result<Option<(i64, String)>, LedgerError> {
    let read = || {
        match Reader::open(location.clone()) {
            Err(LedgerError::Missing { .. }) => return Ok(None),
            reader => drop(reader?),
        }
        let mut state = State::open(location.clone())?;
        let Some(newest) = state.newest_evidence()? else { return Ok(None) };
        Ok(state.evidence(newest.version)?.map(|text| (newest.version, text)))
    };
    std::thread::scope(|threads| threads.spawn(read).join()).unwrap_or_else(|bug| std::panic::resume_unwind(bug))
}
