//! Signals of a command that serves: told to stop it does, once in good order, and once more in a hurry.

use crate::exit::tell;
use std::io;
use tierway_gateway::Gateway;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A file that grows beyond a limit (`ulimit -f`, `LimitFSIZE=`): the same number on every system that has it.
const SIGXFSZ: i32 = 25;

/// SIGTERM and Ctrl-C, from now on: none of them ends the process by itself any more. Neither does a limit on the size of
/// files, which then is an error of the write that met it, like a full disk.
pub(crate) struct Stopping {
    terminate: Signal,
    interrupt: Signal,
}

impl Stopping {
    pub(crate) fn new() -> io::Result<Self> {
        // Once there is a handler the process keeps it.
        drop(signal(SignalKind::from_raw(SIGXFSZ))?);
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
                    tell("ending now; records are written first");
                    hurry.now();
                }
            }
        }
    }
}
