//! When a command that serves is told to stop: once in good order, and once more in a hurry.

use crate::exit::say;
use std::io;
use tierway_gateway::Gateway;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and Ctrl-C, from now on: none of them ends the process by itself any more.
pub(crate) struct Stopping {
    terminate: Signal,
    interrupt: Signal,
}

impl Stopping {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits until somebody wants an end.
    pub(crate) async fn wanted(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Stops a gateway; another Ctrl-C cuts off what is still in progress. Either way everything is recorded. A second
    /// SIGTERM changes nothing: supervisors send several, and have SIGKILL.
    pub(crate) async fn stop(&mut self, gateway: Gateway) -> Result<(), tierway_gateway::GatewayError> {
        let hurry = gateway.hurry();
        let stopped = tokio::task::spawn_blocking(move || gateway.stop());
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                done = &mut stopped => {
                    return done.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()));
                }
                _ = self.interrupt.recv() => {
                    say("tierway: ending now; records are written first");
                    hurry.now();
                }
            }
        }
    }
}
