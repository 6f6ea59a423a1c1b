//! Evidence while serving: calibration from the log when it is due, and a look at which version is in force.
//!
//! Works only where the config takes its evidence from the ledger. A calibration that proves nothing changes nothing, and what
//! somebody went back to stays until somebody calibrates by hand.

use crate::exit::{Failed, say};
use crate::store::now_ms;
use crate::{calibrate, evidence};
use tierway_config::{Config, EvidenceSource};
use tierway_gateway::GatewayError;
use tierway_ledger::State;
use tierway_ledger::quality::EvidenceVersion;
use tokio::task::{JoinHandle, spawn_blocking};

const HOUR_MS: i64 = 3_600_000;
/// Looks at the ledger, of which there is about one a second, between two questions for the version in force.
const LOOKS_BETWEEN: u32 = 2;

/// Knows which version of evidence is in force, and when the next calibration is due.
pub(crate) struct Recalibration {
    loaded: i64,
    looks: u32,
    asking: Option<JoinHandle<Asked>>,
    state: Option<State>,
    newest: Option<EvidenceVersion>,
    /// When it was tried last; what came of it may be nothing.
    tried_ms: i64,
    calibrating: Option<JoinHandle<Result<String, Failed>>>,
}

impl Recalibration {
    /// Before the gateway reads its evidence: a version from here on is seen as a new one.
    pub(crate) fn new(config: &Config) -> Self {
        let asked = is_on(config).then(|| ask(None, config));
        let (state, newest) = match asked {
            Some(Ok((state, newest))) => (Some(state), newest),
            _ => (None, None),
        };
        let loaded = number(newest.as_ref());
        Self { loaded, looks: 0, asking: None, state, newest, tried_ms: 0, calibrating: None }
    }

    /// Whether the evidence in force is another one by now, which is then taken for loaded. Called about once a second; what
    /// takes time is done aside.
    pub(crate) async fn has_changed(&mut self, config: &Config) -> bool {
        if !is_on(config) {
            return false;
        }
        if let Some(asking) = self.asking.take_if(|asking| asking.is_finished()) {
            // A store that is away is asked again.
            let Ok(Ok((state, newest))) = asking.await else { return false };
            (self.state, self.newest) = (Some(state), newest);
            let version = number(self.newest.as_ref());
            if version != self.loaded {
                self.loaded = version;
                say(format_args!("tierway: version {version} of the evidence is in force"));
                return true;
            }
        }
        self.looks += 1;
        if self.asking.is_none() && self.looks >= LOOKS_BETWEEN {
            let (state, config) = (self.state.take(), config.clone());
            self.asking = Some(spawn_blocking(move || ask(state, &config)));
            self.looks = 0;
        }
        false
    }

    /// Calibrates when it is due. For one process of several.
    pub(crate) async fn look(&mut self, config: &Config) {
        if let Some(done) = self.calibrating.take_if(|calibrating| calibrating.is_finished()) {
            match done.await {
                Ok(Ok(words)) => say(format_args!("tierway: {words}")),
                Ok(Err(Failed::Told(why))) => say(format_args!("tierway: the evidence stays as it is; {why}")),
                Ok(Err(_)) | Err(_) => say("tierway: the evidence stays as it is; calibration broke off"),
            }
        }
        let Some(hours) = config.quality.recalibrate_hours.filter(|_| is_on(config)) else { return };
        let newest = self.newest.as_ref();
        if newest.is_some_and(|newest| newest.author == evidence::ROLLBACK) {
            return;
        }
        let last_ms = newest.map_or(0, |newest| newest.at_ms).max(self.tried_ms);
        let due = last_ms + i64::from(hours) * HOUR_MS;
        if self.calibrating.is_none() && now_ms() >= due {
            self.tried_ms = now_ms();
            let config = config.clone();
            self.calibrating = Some(spawn_blocking(move || calibrate::scheduled(&config)));
        }
    }
}

fn is_on(config: &Config) -> bool {
    config.evidence == Some(EvidenceSource::Ledger)
}

/// An open store, and the version that it has in force.
type Asked = Result<(State, Option<EvidenceVersion>), GatewayError>;

/// Opens the store where none is open, or the file is another one by now.
fn ask(state: Option<State>, config: &Config) -> Asked {
    let mut state = match state.filter(State::is_current) {
        Some(state) => state,
        None => State::open(tierway_gateway::location(config)?)?,
    };
    let newest = state.newest_evidence()?;
    Ok((state, newest))
}

fn number(version: Option<&EvidenceVersion>) -> i64 {
    version.map_or(0, |version| version.version)
}
