//! The walk of one request: decide, call, relay, record. The public library of tierway.
//!
//! [`Router::chat`] takes the bytes of a request as a client sent them and gives the reply as the client shall see it;
//! [`Router::decide`] only says where it would go. What decides is pure and lives in `tierway-decide`; what the APIs say
//! lives in `tierway-wire`. Here is what awaits: one call after another as [`tierway_decide::dispatch`] says, and the relay
//! of streams. The world comes in through four seams: [`Provider`], [`Sink`], [`Clock`], and [`Witness`] where quality is looked at.

mod account;
mod attempt;
mod call;
mod calling;
mod continuation;
mod counting;
mod cut_off;
mod deciding;
mod embedding;
mod full_accounts;
mod headers;
mod hedge;
mod held;
mod hold;
mod joint;
mod journal;
mod log;
mod meter;
mod opinion;
mod prepare;
mod provider_account;
mod pulse;
mod refusal;
mod relay;
mod reply;
mod requested;
mod router;
mod seam;
mod sessions;
mod setup;
mod tallies;
mod tariff;
mod unfit;
mod unlisted;
mod walk;
mod witness;

pub use account::{Account, Denied, Hold, Need, Standing};
pub use call::{Call, Purpose};
pub use cut_off::CutOff;
pub use deciding::Decided;
pub use held::HeldCells;
pub use provider_account::ProviderAccount;
pub use refusal::Refusal;
pub use relay::Relay;
pub use reply::{Reply, ReplyBody};
pub use requested::AUTO;
pub use router::{ForeignTarget, Router, RouterBuilder};
pub use seam::{
    BoxFuture, BrokenBody, Clock, Held, Operation, Provider, SendError, Sink, SystemClock, WireAnswer, WireBody,
    WireRequest, now_ms,
};
pub use sessions::{SessionKey, SessionNote};
pub use setup::{IdSource, Queue, Setup, Timeouts, Upstream};
pub use tallies::Tallies;
pub use witness::{Seen, Wanted, Witness};
pub use {tierway_decide as decide, tierway_wire as wire};
