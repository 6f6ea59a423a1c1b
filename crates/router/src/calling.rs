//! One upstream call in three parts: it is opened in the record, made, and closed with what it says about its target.

use crate::attempt::{Served, Task, attempt};
use crate::log::Log;
use crate::meter::Broken;
use crate::prepare::Asked;
use crate::relay::attempt_end;
use crate::router::Router;
use crate::setup::Upstream;
use crate::unfit::unfit;
use crate::walk::Admitted;
use std::time::Duration;
use tierway_decide::dispatch::{ErrorReply, FailureKind};
use tierway_decide::{AttemptEnd, Target};
use tierway_wire::EncodeError;

/// A call that is written and priced, and not made yet.
pub(crate) struct PreparedCall<'a> {
    pub(crate) task: Task<'a>,
    pub(crate) adapted: Vec<String>,
    pub(crate) began_ms: u64,
}

impl Router {
    /// One upstream call, and what it says about its target.
    pub(crate) async fn call(
        &self,
        asked: &Asked<'_>,
        to: &Admitted<'_>,
        opened: PreparedCall<'_>,
        log: &mut Log,
    ) -> Result<Served, Broken> {
        let PreparedCall { task, adapted, began_ms } = opened;
        log.attempt_begins(to.id, asked.input_tokens_of(to.target), adapted);
        let served = attempt(task).await;
        self.closed(served, asked, to, began_ms, log)
    }

    /// Writes the request for this target.
    pub(crate) fn opened<'a>(
        &'a self,
        asked: &Asked<'_>,
        (target, upstream): (&'a Target, &'a Upstream),
        deadline_ms: u64,
        log: &Log,
    ) -> Result<PreparedCall<'a>, Broken> {
        let clock = &*self.ground.clock;
        let mut prepared = asked.prepare(target, log.context(asked.outline.usage_wanted)).map_err(unsayable)?;
        let adapted = std::mem::take(&mut prepared.adapted);
        let began_ms = clock.monotonic_ms();
        let task = Task {
            upstream,
            prepared,
            client: asked.call.format,
            left: Duration::from_millis(deadline_ms.saturating_sub(began_ms)),
            tariff: log.tariff(&self.ground, target),
            clock,
            input_tokens: asked.input_tokens_of(target),
            answers: asked.outline.answers,
        };
        Ok(PreparedCall { task, adapted, began_ms })
    }

    /// Notes how a call ended; that of a stream is still open.
    pub(crate) fn closed(
        &self,
        mut served: Result<Served, Broken>,
        asked: &Asked<'_>,
        to: &Admitted<'_>,
        began_ms: u64,
        log: &mut Log,
    ) -> Result<Served, Broken> {
        match &mut served {
            Ok(Served::Stream(_)) => {}
            Ok(Served::Whole(whole)) => {
                whole.is_unfit = self.is_unfit(asked, &whole.body);
                let end = if whole.is_unfit { unfit() } else { AttemptEnd::Ok };
                log.one_ends(to.id, end, whole.usage, whole.estimated);
            }
            Err(broken) => {
                let end = attempt_end(broken.kind, broken.reply.as_deref());
                log.one_ends(to.id, end, broken.spent, !broken.spent.is_empty());
            }
        }
        let now = self.ground.clock.monotonic_ms();
        match &served {
            Err(broken) => to.failed(now, broken.kind),
            Ok(_) => {
                let took_ms = now.saturating_sub(began_ms);
                to.state.on_first_byte(now, took_ms);
                if self.ground.setup.hedging.is_some() {
                    to.state.first_bytes(asked.outline.stream).saw(took_ms);
                }
                log.served_by(to.id);
            }
        }
        served
    }
}

/// A request that this target cannot take without losing its meaning; another may.
fn unsayable(error: EncodeError) -> Broken {
    let reply = ErrorReply {
        status: 400,
        code: "unsupported_parameter".into(),
        error_type: "invalid_request_error".into(),
        message: error.to_string(),
        param: Some(error.field),
        retry_after_ms: None,
    };
    Broken::said(FailureKind::Unrepresentable, reply)
}
