//! The scripts that run in the database, and how they are called.

use super::Changed;
use super::books::Book;
use super::pace::{Correction, Pace};
use redis::{Cmd, Pipeline, Script};

/// A script, and the digest by which the server knows it.
pub(super) struct Code {
    text: &'static str,
    pub(super) digest: String,
}

impl Code {
    fn new(text: &'static str) -> Self {
        Self { text, digest: Script::new(text).get_hash().to_owned() }
    }
}

pub(super) struct Scripts {
    pub(super) reserve: Code,
    tell: Code,
    begin: Code,
    hello: Code,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            reserve: Code::new(include_str!("reserve.lua")),
            tell: Code::new(include_str!("tell.lua")),
            begin: Code::new(include_str!("begin.lua")),
            hello: Code::new(include_str!("hello.lua")),
        }
    }

    pub(super) fn load(&self, pipe: &mut Pipeline) {
        for script in [&self.reserve, &self.tell, &self.begin, &self.hello] {
            pipe.cmd("SCRIPT").arg("LOAD").arg(script.text).ignore();
        }
    }

    /// Tells how these stand, in sums that only grow.
    pub(super) fn tell(&self, me: &str, session: &str, changed: &[Changed<'_>]) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.tell.digest).arg(changed.len());
        for changed in changed {
            call.arg(match changed {
                Changed::Book(book) => &book.name,
                Changed::Pace(pace) => &pace.name,
            });
        }
        call.arg(me).arg(session);
        for changed in changed {
            match changed {
                Changed::Book(book) => {
                    // In this order: of what is given back, nothing is missing from what is settled.
                    let released = book.known().tally.tell_released();
                    call.arg("purse").arg(book.tell_settled()).arg(released).arg(book.keep_s).arg(book.base())
                }
                Changed::Pace(pace) => {
                    let mut pace = pace.known();
                    let Correction { more_us, unused_us } = pace.correction();
                    call.arg("pace").arg(pace.tally.tell_released()).arg(more_us).arg(unused_us).arg(0)
                }
            };
        }
        call
    }

    /// Begins a session with a purse: what this replica has open in it, what it and others have settled.
    /// `before`: the session that was before it.
    pub(super) fn begin_book(&self, pipe: &mut Pipeline, me: &str, before: &str, session: (u64, &str), book: &Book) {
        let open = book.known().tally.begin(session.0);
        self.put_book(pipe, me, (before, session.1), open, book);
    }

    /// Tells again what was forgotten of a purse; the session goes on.
    pub(super) fn mend_book(&self, pipe: &mut Pipeline, me: &str, session: &str, book: &Book) {
        let taken = book.known().tally.least();
        self.put_book(pipe, me, ("", session), taken, book);
    }

    fn put_book(&self, pipe: &mut Pipeline, me: &str, sessions: (&str, &str), taken: i64, book: &Book) {
        let call = pipe.cmd("EVALSHA").arg(&self.begin.digest).arg(1).arg(&book.name);
        call.arg(sessions.0).arg(sessions.1).arg("r:").arg("d:").arg(taken).arg(book.keep_s * 1_000);
        call.arg(book.base()).arg(i32::from(book.is_base_certain()));
        call.arg(me).arg(book.settled());
        for (replica, settled) in book.settled_by().iter().filter(|(replica, _)| **replica != me) {
            call.arg(replica).arg(settled);
        }
        call.ignore();
    }

    /// The same with a pace that ever had a request in work.
    pub(super) fn begin_pace(&self, pipe: &mut Pipeline, before: &str, session: (u64, &str), pace: &Pace) {
        let tally = &mut pace.known().tally;
        if tally.is_used() {
            let open = tally.begin(session.0);
            self.put_pace(pipe, (before, session.1), open, pace);
        } else {
            tally.begin(session.0);
        }
    }

    /// Tells again what was forgotten of a pace; the session goes on.
    pub(super) fn mend_pace(&self, pipe: &mut Pipeline, session: &str, pace: &Pace) {
        let taken = pace.known().tally.least();
        self.put_pace(pipe, ("", session), taken, pace);
    }

    fn put_pace(&self, pipe: &mut Pipeline, sessions: (&str, &str), taken: i64, pace: &Pace) {
        let call = pipe.cmd("EVALSHA").arg(&self.begin.digest).arg(1).arg(&pace.name);
        call.arg(sessions.0).arg(sessions.1).arg("a:").arg("b:").arg(taken).arg(90_000_000).arg("").arg(0).ignore();
    }

    /// Asks how long to wait until others have told what they know.
    pub(super) fn hello(&self, born: &str, grant_ms: u64) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hello.digest).arg(1).arg(born).arg(grant_ms);
        call
    }
}
