//! A call, and another one beside it when it is late: the first good first byte wins, the other call is dropped with its
//! connection. What that one had read by then is charged as an estimate.
//!
//! Whether and whom to ask is said by [`Dispatch`]; here it is performed.

use crate::attempt::{Served, attempt};
use crate::calling::PreparedCall;
use crate::full_accounts::AccountSlot;
use crate::log::Log;
use crate::meter::Broken;
use crate::prepare::Asked;
use crate::router::Router;
use crate::walk::{Admitted, NotCalled};
use std::pin::pin;
use std::time::Duration;
use tierway_decide::AttemptEnd;
use tierway_decide::dispatch::{Dispatch, Step};
use tierway_wire::Usage;

/// One of two calls.
struct Side<'a> {
    /// In the plan.
    place: usize,
    to: Admitted<'a>,
    began_ms: u64,
}

/// Whose call it was, and what it came to.
type Outcome<'a> = (Admitted<'a>, Result<Served, Broken>);

impl Router {
    /// Calls the target at this place of the plan, and after `late_after_ms` perhaps a sibling beside it.
    pub(crate) async fn hedged<'a>(
        &'a self,
        asked: &Asked<'_>,
        (place, to, opened): (usize, Admitted<'a>, PreparedCall<'a>),
        late_after_ms: u64,
        dispatch: &mut Dispatch,
        log: &mut Log,
    ) -> Outcome<'a> {
        let clock = &*self.ground.clock;
        let PreparedCall { task, adapted, began_ms } = opened;
        log.attempt_begins(to.id, asked.input_tokens_of(to.target), adapted);
        let first = Side { place, to, began_ms };
        let mut first_call = pin!(attempt(task));
        tokio::select! {
            biased;
            served = &mut first_call => return self.alone(served, asked, first, log),
            () = clock.sleep(Duration::from_millis(late_after_ms)) => {}
        }
        let Some((second, opened)) = self.beside(asked, dispatch, log) else {
            return self.alone(first_call.await, asked, first, log);
        };
        log.attempt_begins_beside(second.to.id, asked.input_tokens_of(second.to.target));
        let mut second_call = pin!(attempt(opened.task));
        let (served, first_is_done) = tokio::select! {
            biased;
            served = &mut first_call => (served, true),
            served = &mut second_call => (served, false),
        };
        let (done, other) = if first_is_done { (first, second) } else { (second, first) };
        let served = self.closed(served, asked, &done.to, done.began_ms, log);
        match served {
            Ok(_) => {
                dispatch.on_outrun(done.place);
                self.outrun(&other, asked, log);
                if !first_is_done {
                    log.note(|record| record.adapted = opened.adapted);
                }
                (done.to, served)
            }
            Err(broken) => {
                dispatch.on_one_failed(clock.monotonic_ms(), done.place, broken.kind);
                let served = if first_is_done { second_call.await } else { first_call.await };
                if first_is_done {
                    log.note(|record| record.adapted = opened.adapted);
                }
                self.alone(served, asked, other, log)
            }
        }
    }

    fn alone<'a>(
        &self,
        served: Result<Served, Broken>,
        asked: &Asked<'_>,
        side: Side<'a>,
        log: &mut Log,
    ) -> Outcome<'a> {
        let served = self.closed(served, asked, &side.to, side.began_ms, log);
        (side.to, served)
    }

    /// Who is asked beside the call under way, if anybody.
    fn beside<'a>(
        &'a self,
        asked: &Asked<'_>,
        dispatch: &mut Dispatch,
        log: &Log,
    ) -> Option<(Side<'a>, PreparedCall<'a>)> {
        let clock = &*self.ground.clock;
        let mut step = dispatch.on_late(clock.monotonic_ms());
        while let Some(Step::Hedge { target: place }) = step {
            // Targets on no tier have no siblings.
            match self.admitted(
                (dispatch.plan()[place].id, None, true),
                AccountSlot::of(asked.tokens()),
                asked,
                dispatch.deadline_ms(),
                log,
            ) {
                Err(NotCalled::Held(refused)) => {
                    step = dispatch.on_hedge_refused(clock.monotonic_ms(), refused.ready_at_ms);
                }
                Err(NotCalled::Unrepresentable(broken)) => {
                    dispatch.on_one_failed(clock.monotonic_ms(), place, broken.kind);
                    return None;
                }
                Ok((to, opened)) => {
                    let began_ms = opened.began_ms;
                    return Some((Side { place, to, began_ms }, opened));
                }
            }
        }
        None
    }

    fn outrun(&self, loser: &Side<'_>, asked: &Asked<'_>, log: &mut Log) {
        let took_ms = self.ground.clock.monotonic_ms().saturating_sub(loser.began_ms);
        loser.to.state.first_bytes(asked.outline.stream).saw(took_ms);
        let read = Usage { input_tokens: asked.input_tokens_of(loser.to.target).into(), ..Usage::default() };
        log.one_ends(loser.to.id, AttemptEnd::Outrun, read, true);
    }
}
