//! Evidence while serving: calibration from the log when it is due, and a look at which version is in force.
//!
//! Works only where the config takes its evidence from the ledger. A calibration that proves nothing changes nothing, and what
//! somebody went back to stays until somebody calibrates by hand.

use crate::exit::{Failed, tell};
use crate::poll::Poll;
use crate::store::now_ms;
use crate::{calibrate, evidence};
use tierway_config::{Config, EvidenceSource};
use tierway_decide::HOUR_MS;
use tierway_gateway::GatewayError;
use tierway_ledger::State;
use tierway_ledger::quality::EvidenceVersion;
use tokio::task::{JoinHandle, spawn_blocking};

/// Knows which version of evidence is in force, and when the next calibration is due.
pub(crate) struct Recalibration {
    /// The version that was seen last, which is loaded by now or will be.
    seen: i64,
    /// It is not in force yet.
    is_coming: bool,
    poll: Poll<State, Option<EvidenceVersion>, GatewayError>,
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
        let seen = number(newest.as_ref());
        Self { seen, is_coming: false, poll: Poll::new(state), newest, tried_ms: 0, calibrating: None }
    }

    /// Whether there is another version by now, once for each; whoever asks loads it, however often that takes, and says so
    /// ([`Self::in_force`]). Called about once a second; what takes time is done aside.
    pub(crate) async fn has_changed(&mut self, config: &Config) -> bool {
        if !is_on(config) {
            return false;
        }
        let aside = config.clone();
        // A store that is away is asked again.
        let Some(Ok(newest)) = self.poll.look(move |state| ask(state, &aside)).await else { return false };
        self.newest = newest;
        let version = number(self.newest.as_ref());
        let changed = std::mem::replace(&mut self.seen, version) != version;
        self.is_coming |= changed;
        changed
    }

    /// What was seen was loaded.
    pub(crate) fn in_force(&mut self) {
        if std::mem::take(&mut self.is_coming) {
            tell(format_args!("version {} of the evidence is in force", self.seen));
        }
    }

    /// Calibrates when it is due. For one process of several.
    pub(crate) async fn look(&mut self, config: &Config) {
        if let Some(done) = self.calibrating.take_if(|calibrating| calibrating.is_finished()) {
            match done.await {
                Ok(Ok(words)) => tell(words),
                Ok(Err(Failed::Told(why))) => tell(format_args!("the evidence stays as it is; {why}")),
                Ok(Err(_)) | Err(_) => tell("the evidence stays as it is; calibration broke off"),
            }
        }
        let Some(hours) = config.quality.recalibrate_hours.filter(|_| is_on(config)) else { return };
        if self.calibrating.is_none() && is_due(self.newest.as_ref(), self.tried_ms, hours, now_ms()) {
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

/// So many hours after the newest version and the last try; never while somebody's way back is in force.
fn is_due(newest: Option<&EvidenceVersion>, tried_ms: i64, hours: u32, now_ms: i64) -> bool {
    let (made_ms, waits) = newest.map_or((0, false), |newest| (newest.at_ms, newest.author == evidence::ROLLBACK));
    !waits && now_ms >= made_ms.max(tried_ms) + i64::from(hours) * HOUR_MS
}

fn number(version: Option<&EvidenceVersion>) -> i64 {
    version.map_or(0, |version| version.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(newest: Option<(&str, i64)>, tried_hour: i64, now_hour: i64, want: bool) {
        let newest = newest.map(|(author, hour)| EvidenceVersion {
            version: 3,
            at_ms: hour * HOUR_MS,
            author: author.into(),
            why: String::new(),
            outcomes: 0,
            in_force: true,
        });
        assert_eq!(is_due(newest.as_ref(), tried_hour * HOUR_MS, 24, now_hour * HOUR_MS), want);
    }

    #[test]
    fn it_is_due_after_its_hours_unless_somebody_went_back() {
        check(None, 0, 500_000, true);
        check(None, 499_999, 500_000, false);
        check(Some(("schedule", 100)), 0, 123, false);
        check(Some(("schedule", 100)), 0, 124, true);
        check(Some(("calibrate", 100)), 110, 130, false);
        check(Some(("calibrate", 100)), 110, 134, true);
        check(Some((evidence::ROLLBACK, 100)), 0, 1_000, false);
    }
}
