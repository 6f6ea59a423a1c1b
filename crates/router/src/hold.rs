//! Holds a stream back, so that one which breaks falls back unseen: its beginning for a moment (`hold_back_ms`), or all of it
//! until its form was looked at (`escalate_on_broken`).
//!
//! Off unless asked for: it delays the first words of every stream. What is held is bounded; a stream that says more is let
//! go. What a stream cost that broke here is charged, by its own report or our estimate.

use crate::attempt::{StartedStream, next};
use crate::log::Log;
use crate::meter::Broken;
use crate::prepare::Asked;
use crate::relay::attempt_end;
use crate::router::Router;
use crate::unfit::unfit;
use crate::walk::Admitted;
use std::time::Duration;
use tierway_decide::dispatch::FailureKind;
use tierway_wire::Usage;

/// More than this is not held: some hundred times what models say in the longest window.
const MAX_HELD_BYTES: usize = 256 * 1024;

impl Router {
    /// The stream, when it is whole or the window is over without a failure.
    pub(crate) async fn held(
        &self,
        begun: Box<StartedStream>,
        to: &Admitted<'_>,
        asked: &Asked<'_>,
        deadline_ms: u64,
        log: &mut Log,
    ) -> Result<Box<StartedStream>, Broken> {
        let setup = &self.ground.setup;
        let checks = setup.table.escalate_on_broken();
        let left = Duration::from_millis(deadline_ms.saturating_sub(log.monotonic_ms()));
        let window = if checks { left } else { setup.hold_back.min(left) };
        if window.is_zero() {
            return Ok(begun);
        }
        let input_tokens = asked.input_tokens_of(to.target);
        let mut held = hold(begun, (window, to.upstream.timeouts.between_chunks), input_tokens, log).await;
        match &mut held {
            Err(broken) => {
                log.one_ends(to.id, attempt_end(broken.kind, broken.reply.as_deref()), broken.spent, true);
                log.served_by_nobody();
                to.in_flight.target().on_failure(log.monotonic_ms(), broken.kind);
            }
            Ok(begun) if checks && begun.meter.said.done => {
                begun.is_unfit = self.is_unfit(asked, begun.out.all());
                if begun.is_unfit {
                    let (usage, estimated) = begun.meter.said.usage(input_tokens);
                    log.one_ends(to.id, unfit(), usage, estimated);
                }
            }
            Ok(_) => {}
        }
        held
    }
}

/// `silence`: so long a provider may say nothing.
async fn hold(
    mut begun: Box<StartedStream>,
    (window, silence): (Duration, Duration),
    input_tokens: u32,
    log: &mut Log,
) -> Result<Box<StartedStream>, Broken> {
    let until = tokio::time::Instant::now() + window;
    while !begun.meter.said.done && begun.out.len() < MAX_HELD_BYTES {
        let (usage, _) = begun.meter.said.usage(input_tokens);
        // Should the client leave now.
        log.spends(usage);
        let StartedStream { body, meter, out, provider, .. } = &mut *begun;
        let too_long = tokio::time::Instant::now() + silence;
        let heard = tokio::time::timeout_at(until.min(too_long), next(body)).await;
        if heard.is_err() && until <= too_long {
            break;
        }
        let mut price = |usage: &Usage| log.money_if(usage);
        let fed = match heard.unwrap_or(Some(Err(FailureKind::Stalled))) {
            Some(Err(FailureKind::Stalled)) => Err(FailureKind::Stalled.into()),
            Some(Ok(bytes)) => meter.feed(&bytes, out, &mut price),
            // An answer that had its finish is whole, however the connection ends.
            Some(Err(_)) if !meter.said.is_finished() => Err(FailureKind::Cut.into()),
            Some(Err(_)) | None => meter.end(out, &mut price),
        };
        fed.map_err(|broken| Broken { spent: meter.said.usage(input_tokens).0, ..broken.masked(&**provider) })?;
    }
    Ok(begun)
}
