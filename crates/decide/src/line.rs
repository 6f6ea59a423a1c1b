//! Who is next among those who wait: the callers in turn, so that one who asks much does not keep out the others.
//!
//! Bounded; pure: what waits is the caller's business.

use std::collections::VecDeque;

/// Those who wait, by caller.
#[derive(Debug)]
pub struct Line<T> {
    /// Callers in the order of their turns; none without somebody who waits.
    callers: VecDeque<(String, VecDeque<T>)>,
    waiting: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { callers: VecDeque::new(), waiting: 0 }
    }
}

impl<T> Line<T> {
    /// Stands in line behind others of the same caller, unless `most` wait already: then it is given back.
    ///
    /// # Errors
    /// What does not fit.
    pub fn join(&mut self, caller: &str, waits: T, most: usize) -> Result<(), T> {
        if self.waiting >= most {
            return Err(waits);
        }
        self.waiting += 1;
        match self.callers.iter_mut().find(|(name, _)| name == caller) {
            Some((_, all)) => all.push_back(waits),
            None => self.callers.push_back((caller.to_owned(), VecDeque::from([waits]))),
        }
        Ok(())
    }

    /// Whose turn it is: the longest waiting of the next caller.
    pub fn take_turn(&mut self) -> Option<T> {
        let (caller, mut all) = self.callers.pop_front()?;
        let next = all.pop_front()?;
        self.waiting -= 1;
        if !all.is_empty() {
            self.callers.push_back((caller, all));
        }
        Some(next)
    }

    /// Drops those who are not there any more.
    pub fn tidy(&mut self, is_there: impl Fn(&T) -> bool) {
        self.callers.iter_mut().for_each(|(_, all)| all.retain(&is_there));
        self.callers.retain(|(_, all)| !all.is_empty());
        self.waiting = self.callers.iter().map(|(_, all)| all.len()).sum();
    }

    /// How many wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.waiting
    }

    /// Nobody waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a1` is the first request of caller `a`.
    #[track_caller]
    fn check(joining: &str, most: usize, want: &str) {
        let mut line = Line::default();
        let mut turned_away = Vec::new();
        for name in joining.split_whitespace() {
            turned_away.extend(line.join(&name[..1], name, most).err());
        }
        let mut order: Vec<_> = std::iter::from_fn(|| line.take_turn()).collect();
        order.push("|");
        order.extend(turned_away);
        assert_eq!(order.join(" "), want);
        assert!(line.is_empty());
    }

    #[test]
    fn callers_take_turns_however_much_one_of_them_asks() {
        check("a1 a2 a3 a4 b1 c1 c2", 9, "a1 b1 c1 a2 c2 a3 a4 |");
        check("a1", 9, "a1 |");
        check("", 9, "|");
    }

    #[test]
    fn no_more_wait_than_may() {
        check("a1 a2 b1 c1 a3", 3, "a1 b1 a2 | c1 a3");
        check("a1", 0, "| a1");
    }

    #[test]
    fn who_left_keeps_nobody_waiting() {
        let mut line = Line::default();
        for name in ["a1", "a2", "b1"] {
            line.join(&name[..1], name, 9).unwrap();
        }
        line.tidy(|name| *name != "a1" && *name != "b1");
        assert_eq!((line.len(), line.take_turn(), line.take_turn()), (1, Some("a2"), None));
    }
}
