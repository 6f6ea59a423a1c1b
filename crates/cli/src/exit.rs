//! How a command ends.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// A command's end: good, or a message that says what to do.
pub(crate) type Done = Result<(), Failed>;

/// Refused or failed.
pub(crate) enum Failed {
    /// What to tell; printed on stderr after the program's name.
    Told(String),
    /// Everything was said already.
    Silent,
    /// Whoever read our output has had enough (`| head`).
    HadEnough,
}

impl Failed {
    /// A failure with a message.
    pub(crate) fn told(message: impl Display) -> Self {
        Self::Told(message.to_string())
    }
}

/// Whoever reads our output went away (`| head`): no reason to complain.
impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::HadEnough,
            io::ErrorKind::StorageFull => Self::told(format_args!("the output cannot be written: {error}")),
            _ => Self::told(error),
        }
    }
}

pub(crate) fn code(done: Done) -> ExitCode {
    match done {
        Ok(()) | Err(Failed::HadEnough) => ExitCode::SUCCESS,
        Err(Failed::Told(message)) if keeps_a_log() => {
            tracing::error!(target: LOG, "{message}");
            ExitCode::FAILURE
        }
        Err(Failed::Told(message)) => {
            say(format_args!("tierway: {message}"));
            ExitCode::FAILURE
        }
        Err(Failed::Silent) => ExitCode::FAILURE,
    }
}

/// What `serve` itself has to say stands in its log under this name, whatever else is filtered out of that.
pub(crate) const LOG: &str = "tierway::serve";

/// This process serves: what it says is read later, and by programs, so that every line has a time and a level.
fn keeps_a_log() -> bool {
    tracing::dispatcher::has_been_set()
}

/// What happened: in the log where one is kept, else a line of talk.
pub(crate) fn tell(line: impl Display) {
    if keeps_a_log() {
        tracing::info!(target: LOG, "{line}");
    } else {
        say(format_args!("tierway: {line}"));
    }
}

/// What should be looked at: in the log where one is kept, else a line of talk.
pub(crate) fn warn(line: impl Display) {
    if keeps_a_log() {
        tracing::warn!(target: LOG, "{line}");
    } else {
        say(format_args!("warning: {line}"));
    }
}

/// A line of talk, on stderr.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
