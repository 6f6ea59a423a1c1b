//! What this replica has taken of something that all share, and given back: sums that only grow, in one session with the
//! database.
//!
//! A session begins with everything that is open and ends when anything goes wrong; the next one has another name there, so
//! that whatever is still on its way from before counts for nothing. An answer that comes too late for its session counts as
//! taken alone, as does what was taken while nobody could be asked; that is told by the keeper.

/// Amounts of one purse (units of 1e-12 dollars) or places among requests in work.
#[derive(Debug, Default)]
pub(super) struct Tally {
    session: u64,
    /// Granted by the database in this session, with what was open when it began.
    granted: i64,
    /// Asked of it, and not answered yet.
    asking: i64,
    /// Taken in this session without it.
    alone: i64,
    /// Given back in this session.
    released: i64,
    /// As much of that as was told.
    told: i64,
}

impl Tally {
    /// Begins a session: gives what is open, which is to be told.
    pub(super) const fn begin(&mut self, session: u64) -> i64 {
        let open = self.open();
        *self = Self { session, granted: open, asking: 0, alone: 0, released: 0, told: 0 };
        open
    }

    pub(super) const fn open(&self) -> i64 {
        self.granted + self.alone - self.released
    }

    pub(super) const fn released(&self) -> i64 {
        self.released
    }

    /// Gives what was given back, to be told.
    pub(super) const fn tell_released(&mut self) -> i64 {
        self.told = self.released;
        self.released
    }

    /// Given back, and not told yet.
    pub(super) const fn untold(&self) -> i64 {
        self.released - self.told
    }

    /// Anything was taken in this session, or before it and not given back.
    pub(super) const fn is_used(&self) -> bool {
        self.granted != 0 || self.asking != 0 || self.alone != 0
    }

    pub(super) const fn ask(&mut self, session: u64, amount: i64) {
        if session == self.session {
            self.asking += amount;
        }
    }

    pub(super) const fn refused(&mut self, session: u64, amount: i64) {
        if session == self.session {
            self.asking -= amount;
        }
    }

    /// So much was asked for; it gave `amount`, and so much `more` to be held ahead. Gives how much is: what comes too late is none.
    pub(super) const fn granted(&mut self, session: u64, asked: i64, amount: i64, more: i64) -> i64 {
        self.refused(session, asked);
        if session == self.session {
            self.granted += amount + more;
            more
        } else {
            self.alone += amount;
            0
        }
    }

    pub(super) const fn take_alone(&mut self, amount: i64) {
        self.alone += amount;
    }

    pub(super) const fn release(&mut self, amount: i64) {
        self.released += amount;
    }

    /// Gives what was taken alone, for the database to add; from now on it is granted by it.
    pub(super) const fn tell_alone(&mut self) -> i64 {
        let alone = std::mem::replace(&mut self.alone, 0);
        self.granted += alone;
        alone
    }

    /// The least that the database can know to be taken, of those that it answers from now on.
    pub(super) const fn least(&self) -> i64 {
        self.granted
    }

    /// The most that it can have known until now.
    pub(super) const fn most(&self) -> i64 {
        self.granted + self.asking
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use expect_test::{Expect, expect};

    /// Steps: `begin 2`, `ask 1 5` (session, amount), `granted 1 5`, `ahead 1 9 5 3` (session, asked, amount, more), `refused 1 5`, `alone 5`, `release 5`, `tell`.
    #[track_caller]
    fn check(steps: &str, want: &Expect) {
        let (mut tally, mut told) = (Tally::default(), Vec::new());
        for step in steps.split(", ") {
            let words: Vec<&str> = step.split(' ').collect();
            let number = |at: usize| words[at].parse::<i64>().unwrap();
            match words[0] {
                "begin" => told.push(tally.begin(number(1).unsigned_abs())),
                "ask" => tally.ask(number(1).unsigned_abs(), number(2)),
                "granted" => _ = tally.granted(number(1).unsigned_abs(), number(2), number(2), 0),
                "ahead" => told.push(tally.granted(number(1).unsigned_abs(), number(2), number(3), number(4))),
                "refused" => tally.refused(number(1).unsigned_abs(), number(2)),
                "alone" => tally.take_alone(number(1)),
                "release" => tally.release(number(1)),
                "tell" => told.push(tally.tell_alone()),
                other => panic!("{other}"),
            }
        }
        let got = format!(
            "open {}, known {}..={}, released {}, told {told:?}",
            tally.open(),
            tally.least(),
            tally.most(),
            tally.released()
        );
        want.assert_eq(&got);
    }

    #[test]
    fn what_is_under_way_may_be_known_already() {
        check("begin 1, ask 1 5, ask 1 3, granted 1 5", &expect!["open 5, known 5..=8, released 0, told [0]"]);
        check("begin 1, ask 1 5, refused 1 5", &expect!["open 0, known 0..=0, released 0, told [0]"]);
        check("begin 1, ask 1 5, granted 1 5, release 5", &expect!["open 0, known 5..=5, released 5, told [0]"]);
    }

    #[test]
    fn what_is_held_ahead_is_open_unless_it_comes_too_late() {
        check("begin 1, ask 1 9, ahead 1 9 5 3", &expect!["open 8, known 8..=8, released 0, told [0, 3]"]);
        check("begin 1, ask 1 9, begin 2, ahead 1 9 5 3", &expect!["open 5, known 0..=0, released 0, told [0, 0, 0]"]);
    }

    #[test]
    fn a_session_begins_with_what_is_open() {
        check(
            "begin 1, ask 1 5, granted 1 5, alone 7, release 2, begin 2",
            &expect!["open 10, known 10..=10, released 0, told [0, 10]"],
        );
    }

    #[test]
    fn what_comes_too_late_for_its_session_was_taken_alone() {
        check(
            "begin 1, ask 1 5, ask 1 4, begin 2, granted 1 5, refused 1 4, release 5",
            &expect!["open 0, known 0..=0, released 5, told [0, 0]"],
        );
        check(
            "begin 1, ask 1 5, begin 2, granted 1 5, tell, release 5",
            &expect!["open 0, known 5..=5, released 5, told [0, 0, 5]"],
        );
    }
}
