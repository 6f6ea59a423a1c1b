//! How good the cheap answers were: which requests are looked at, what a comparison is worth, what many of them prove, and
//! what follows from it.
//!
//! In: chances of being looked at, judged comparisons, an operator's target. Out: intervals that hold however often one
//! looks, alarms that are rarely false, and the [cells](Cell) that go back to the baseline tier. Refuses to call anything
//! good for lack of evidence: a cell without verdicts is *open*, not fine.

mod alarm;
mod cell;
mod held;
mod judge_error;
mod judge_rates;
mod judging;
mod kappa;
mod sampling;
mod sequence;
mod summary;

pub use alarm::Alarm;
pub use cell::{Cell, CellState, Change, Hold, Rules};
pub use held::Held;
pub use judge_error::JudgeError;
pub use judge_rates::{JudgeRates, LEAST_CHECKS, Rates};
pub use judging::{Comparison, Preference};
pub use kappa::{Kappa, kappa};
pub use sampling::{Design, Drawn, Kind, Stratum};
pub use sequence::{Interval, MeanSequence};
pub use summary::{CellKey, CellSummary, Judged, Quality};
