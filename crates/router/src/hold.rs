//! Holds the beginning of a stream back for a moment, so that one which breaks early falls back unseen.
//!
//! Off unless `hold_back_ms` asks for it: it delays the first words of every stream. What is held is bounded; a stream that
//! says more is let go. What a stream cost that broke here is charged, by its own report or our estimate.

use crate::attempt::{Begun, next};
use crate::log::Log;
use crate::meter::Broken;
use crate::relay::attempt_end;
use crate::router::Router;
use crate::walk::To;
use std::time::Duration;
use tierway_decide::dispatch::FailureKind;
use tierway_wire::{Estimate, Usage};

/// More than this is not held: some hundred times what models say in the longest window.
const MAX_HELD_BYTES: usize = 256 * 1024;

impl Router {
    /// The stream, when it is whole or the window is over without a failure.
    pub(crate) async fn held(
        &self,
        begun: Box<Begun>,
        to: &To<'_>,
        (input_tokens, deadline_ms): (Estimate, u64),
        log: &mut Log,
    ) -> Result<Box<Begun>, Broken> {
        let left = Duration::from_millis(deadline_ms.saturating_sub(log.monotonic_ms()));
        let window = self.ground.setup.hold_back.min(left);
        if window.is_zero() {
            return Ok(begun);
        }
        let input_tokens = to.target.limits.vocabulary.tokens(input_tokens);
        let held = hold(begun, window, input_tokens, log).await;
        if let Err(broken) = &held {
            log.one_ends(to.id, attempt_end(broken.kind, broken.reply.as_deref()), broken.spent, true);
            log.served_by_nobody();
            to.in_flight.target().on_failure(log.monotonic_ms(), broken.kind);
        }
        held
    }
}

async fn hold(mut begun: Box<Begun>, window: Duration, input_tokens: u32, log: &mut Log) -> Result<Box<Begun>, Broken> {
    let until = tokio::time::Instant::now() + window;
    while !begun.meter.said.done && begun.out.len() < MAX_HELD_BYTES {
        let (usage, _) = begun.meter.said.usage(input_tokens);
        // Should the client leave now.
        log.spends(usage);
        let Begun { body, meter, out, provider, .. } = &mut *begun;
        let Ok(heard) = tokio::time::timeout_at(until, next(body)).await else { break };
        let mut price = |usage: &Usage| log.money_if(usage);
        let fed = match heard {
            Some(Ok(bytes)) => meter.feed(&bytes, out, &mut price),
            // An answer that had its finish is whole, however the connection ends.
            Some(Err(_)) if !meter.said.is_finished() => Err(FailureKind::Cut.into()),
            Some(Err(_)) | None => meter.end(out, &mut price),
        };
        fed.map_err(|broken| Broken { spent: meter.said.usage(input_tokens).0, ..broken.masked(&**provider) })?;
    }
    Ok(begun)
}
