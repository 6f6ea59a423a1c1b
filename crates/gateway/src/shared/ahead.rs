//! Taking ahead: what this replica holds of a bound for requests that are still to come, so that far from the bound most of
//! them ask nobody.
//!
//! Along with what a request needs, the database lets it take the worth of some more, of each bound no more than a small part
//! of what is left there (`reserve.lua`), and no more than is asked for within a second or so; near a bound, or where few ask, nothing
//! is taken ahead, and each request asks. One takes ahead at a time; others that come meanwhile wait for what it brings, where
//! that could be enough for them ([`super::Ask::take_coming`]), and ask themselves where it is not. What is held is taken there
//! like that of a request in progress, so nobody can take it twice. Money and places that a request turns out not to
//! need come back here first; tokens do not, as what was taken of a minute is gone with it. It is no credit: what lies unused goes
//! back within two heartbeats, and it serves only under the limit that it was taken under.

/// Taken ahead at most: the worth of so many requests.
pub(super) const MOST: i64 = 128;
/// Fewer are not worth it, as `reserve.lua` has it: each request asks.
pub(super) const FEWEST: i64 = 4;
/// Sums beyond this are asked for one by one: Lua counts in doubles.
const LARGEST: i64 = 1 << 53;

/// Of what is left of a bound, one replica holds no more than one part in so many: all together one in a hundred.
pub(super) fn portion(replicas: u32) -> i64 {
    100 * i64::from(replicas.max(1))
}

/// Held of one bound. Amounts are units of 1e-12 dollars, requests, tokens, or places among requests in work.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    left: i64,
    /// No more than this is held: nothing near the bound, or while nothing is taken ahead.
    size: i64,
    /// This replica's portion of what was left of the bound when that was heard last.
    portion: i64,
    /// The limit under which it was taken.
    limit: i64,
    /// It was filled or something was taken of it since that was last asked.
    used: bool,
}

impl Ahead {
    pub(super) const fn left(&self) -> i64 {
        self.left
    }

    /// What is held when it is full.
    pub(super) const fn size(&self) -> i64 {
        self.size
    }

    pub(super) const fn limit(&self) -> i64 {
        self.limit
    }

    /// A request may have so much of it under this limit, once it is filled.
    pub(super) const fn may_have(&self, limit: i64, need: i64) -> bool {
        self.size > 0 && limit == self.limit && need <= self.size
    }

    /// A request could have so much of it now.
    pub(super) const fn fits(&self, limit: i64, need: i64) -> bool {
        need <= self.left && self.may_have(limit, need)
    }

    /// What [`Self::fits`] has allowed.
    pub(super) const fn take(&mut self, need: i64) {
        self.left -= need;
        self.used = true;
    }

    /// Taken under another limit it serves nobody; gives what of it goes back.
    pub(super) fn keep_only(&mut self, limit: Option<i64>) -> i64 {
        if limit == Some(self.limit) { 0 } else { self.keep(0) }
    }

    /// A request has no use for so much of what it had; gives how much of that is held on to.
    pub(super) fn put_back(&mut self, amount: i64) -> i64 {
        let kept = amount.min(self.size - self.left).max(0);
        self.left += kept;
        kept
    }

    /// So much `more` was taken ahead, to have the `worth` of some requests; this replica's portion of what is left is so much.
    /// Gives what is held beyond that.
    pub(super) fn fill(&mut self, limit: i64, more: i64, worth: i64, portion: i64) -> i64 {
        // Needs differ, and so do the bounds beside this one: a small one takes nothing away from those that need more.
        self.size = if limit == self.limit { worth.max(self.size) } else { worth };
        self.limit = limit;
        self.left += more;
        // A beat that comes right now leaves it for those that it was taken for.
        self.used |= more > 0;
        self.keep(portion)
    }

    /// Of what is left this replica's portion is so much, and it holds no more from now on; gives what it does beyond that.
    pub(super) fn keep(&mut self, portion: i64) -> i64 {
        self.portion = portion.max(0);
        self.shrink(self.portion)
    }

    fn shrink(&mut self, most: i64) -> i64 {
        self.size = self.size.min(most);
        let over = (self.left - self.size).max(0);
        self.left -= over;
        over
    }

    /// Gives what lies unused since this was last asked.
    pub(super) fn unused(&mut self) -> i64 {
        if std::mem::take(&mut self.used) { 0 } else { self.shrink(0) }
    }

    /// So much is to be told at once: near the bound anything is.
    pub(super) const fn is_due(&self, untold: i64) -> bool {
        untold != 0 && untold.saturating_abs() >= self.portion
    }

    pub(super) const fn portion(&self) -> i64 {
        self.portion
    }
}

/// For how many requests to come was taken along with one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub(super) came: i64,
    pub(super) wanted: i64,
    /// Of what is left no more than one part in so many is held.
    pub(super) portion: i64,
}

/// What one request takes ahead of one bound.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extra {
    /// What it needs itself, and what is held already.
    pub(super) need: i64,
    pub(super) held: i64,
}

impl Extra {
    /// Beyond its own need, to have the worth of `count` requests: as `reserve.lua` has it.
    pub(super) fn more(self, count: i64) -> i64 {
        (count.saturating_mul(self.need) - self.held).max(0)
    }

    /// The most that may be taken where the worth of `wanted` more requests is asked for.
    pub(super) fn asked(self, wanted: i64) -> i64 {
        self.need + self.more(wanted)
    }

    /// Exact in Lua.
    pub(super) fn is_exact(self) -> bool {
        self.need < LARGEST / (MOST + 1) && self.held < LARGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Held, of a limit of 1,000: for `count` of those wanted, each of which needs 10.
    fn ahead(count: i64) -> Ahead {
        let mut ahead = Ahead::default();
        assert_eq!(ahead.fill(1_000, 10 * count, 10 * count, 10 * count), 0);
        ahead
    }

    #[test]
    fn it_serves_what_is_there_under_its_own_limit() {
        let mut held = ahead(4);
        assert!(held.fits(1_000, 40) && !held.fits(1_000, 41) && !held.fits(999, 10));
        held.take(30);
        assert!(held.fits(1_000, 10) && !held.fits(1_000, 11));
        assert!(!ahead(0).fits(1_000, 0), "near the bound each request asks");
    }

    #[test]
    fn what_comes_back_fills_it_up_and_no_further() {
        let mut held = ahead(4);
        held.take(30);
        assert_eq!((held.put_back(25), held.put_back(25), held.put_back(1), held.left()), (25, 5, 0, 40));
        assert_eq!(ahead(0).put_back(5), 0);
    }

    #[test]
    fn a_small_need_takes_nothing_away_but_a_near_bound_does() {
        let mut held = ahead(32);
        assert_eq!((held.fill(1_000, 0, 32, 500), held.left()), (0, 320));
        assert_eq!((held.fill(1_000, 0, 0, 500), held.left()), (0, 320), "another bound is near");
        assert_eq!((held.fill(1_000, 0, 32, 50), held.left()), (270, 50));
        assert_eq!((held.keep(20), held.keep(30), held.left()), (30, 0, 20));
        assert_eq!((held.fill(1_000, 0, 0, 0), held.left()), (20, 0));
        assert_eq!(ahead(32).fill(500, 0, 32, 500), 288, "of another limit it is none of the old one's");
    }

    #[test]
    fn what_lies_for_two_beats_goes_back() {
        let mut held = ahead(4);
        assert_eq!((held.unused(), held.unused(), held.unused()), (0, 40, 0), "it was just filled");
        let mut held = ahead(4);
        assert_eq!(held.unused(), 0);
        held.take(10);
        assert_eq!((held.unused(), held.unused(), held.unused()), (0, 30, 0));
        assert_eq!(held.put_back(10), 0, "nor is it filled again");
    }

    #[test]
    fn little_waits_to_be_told_and_near_the_bound_nothing_does() {
        let due = |ahead: &Ahead| [-50, -40, -39, 0, 1, 39, 40].map(|untold| ahead.is_due(untold));
        let mut held = ahead(4);
        assert_eq!(due(&held), [true, true, false, false, false, false, true]);
        assert_eq!((held.unused(), held.unused()), (0, 40));
        assert_eq!(due(&held), [true, true, false, false, false, false, true], "nothing is held, and the bound is far");
        held.keep(39);
        assert_eq!(due(&held), [true, true, true, false, false, true, true]);
        held.keep(0);
        assert_eq!(due(&held), [true, true, true, false, true, true, true]);
    }
}
