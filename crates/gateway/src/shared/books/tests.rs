use super::super::ahead::MOST;
use super::*;
use proptest::prelude::*;

const LIMIT: i64 = 3_000;
const REPLICAS: usize = 3;

fn usd(picos: i64) -> Usd {
    Usd::from_picos(picos)
}

fn open(book: &Book) -> i64 {
    book.known().tally.open()
}

fn book(spent: i64) -> Book {
    let (budget, window) = (Budget { limit: usd(LIMIT), period: Period::Total }, Window { start_ms: 0, end_ms: None });
    Book::new("purse".into(), budget, window, (usd(spent), true))
}

#[test]
fn who_began_alone_has_its_part_of_what_is_heard_to_be_left() {
    for (amount, fits) in [(1_485, true), (1_486, false)] {
        let book = book(10);
        // Nobody was asked before; 20 are spent, 10 reserved, and there are two.
        book.heard(0, 20, 10, 2);
        assert_eq!(book.take(usd(amount), usd(LIMIT), usd(20), (2, false)), fits, "{amount}");
    }
}

#[test]
fn what_is_held_is_no_part_of_what_a_smaller_budget_allows() {
    let mut house = House::new();
    assert!(house.ask(0, 10) && house.books[0].held(usd(LIMIT)) > 0);
    assert!(house.books[0].take_ahead(usd(LIMIT - 1), usd(10), Usd::ZERO).is_none());
    assert_eq!(house.books[0].take_ahead(usd(LIMIT), usd(10), Usd::ZERO), Some(Usd::ZERO));
    assert_eq!((house.books[0].held(usd(LIMIT - 1)), house.books[0].held(usd(LIMIT))), (0, 0), "it goes back");
    assert_eq!(open(&house.books[0]), 20);
}

#[test]
fn what_goes_back_while_others_can_be_told_is_nobodys_own() {
    for (is_up, fits) in [(false, true), (true, false)] {
        let mut house = House::new();
        assert!(house.ask(0, 10) && house.books[0].held(usd(LIMIT)) == 290);
        let own = (LIMIT - house.reserved()) / 3;
        assert_eq!(house.books[0].take(usd(own + 290), usd(LIMIT), Usd::ZERO, (3, is_up)), fits);
        assert!(house.books[0].take(usd(if fits { 0 } else { own }), usd(LIMIT), Usd::ZERO, (3, is_up)));
        assert_eq!(house.books[0].known().tally.untold(), 290);
    }
}

#[test]
fn what_is_known_to_be_spent_is_not_there_to_take() {
    let mut house = House::new();
    assert!(house.ask(0, 10));
    let take = |known: i64| house.books[0].take_ahead(usd(LIMIT), usd(10), usd(known)).is_some();
    assert!(!take(LIMIT - 9) && take(LIMIT - 10), "requests that cost more than they could have");
}

#[test]
fn settled_money_is_told_once_it_is_a_quarter_of_what_is_held_ahead() {
    let mut house = House::new();
    assert!(house.ask(0, 10) && house.books[0].held(usd(LIMIT)) == 290);
    for (paid, due) in [(10, false), (62, false), (1, true)] {
        house.books[0].settle(Usd::ZERO, usd(paid));
        assert_eq!(house.books[0].is_due(), due, "{paid} more");
    }
    house.tell(0);
    assert!(!house.books[0].is_due() && !house.books[0].is_untold());
}

#[test]
fn money_that_is_far_from_its_bound_is_told_in_sums_though_another_bound_is_near() {
    for (left, due) in [(400, false), (399, true)] {
        let book = book(0);
        let extra = Extra { need: 10, held: 0 };
        book.granted(0, usd(LIMIT), extra, Count { came: 0, wanted: MOST, portion: 10 }, left);
        book.settle(usd(10), usd(1));
        assert_eq!((book.is_due(), book.is_untold()), (due, true), "{left} are left");
    }
}

#[test]
fn settled_money_waits_for_the_worth_of_four_requests_where_little_is_held_ahead() {
    let book = book(0);
    book.granted(0, usd(LIMIT), Extra { need: 10, held: 0 }, Count { came: 0, wanted: MOST, portion: 10 }, LIMIT);
    for (paid, due) in [(40, false), (1, true)] {
        book.settle(Usd::ZERO, usd(paid));
        assert_eq!(book.is_due(), due, "{paid} more");
    }
}

/// What the database knows of one replica.
#[derive(Clone, Copy, Default)]
struct Known {
    taken: i64,
    back: i64,
    settled: i64,
}

/// Three replicas with one budget, and the database that they share, which may be away.
struct House {
    books: [Book; REPLICAS],
    /// What requests in progress hold.
    open: [Vec<i64>; REPLICAS],
    paid: i64,
    known: [Known; REPLICAS],
    session: u64,
    is_up: bool,
}

impl House {
    fn new() -> Self {
        let books = std::array::from_fn(|_| book(0));
        let known = [Known::default(); REPLICAS];
        let mut house = Self { books, open: Default::default(), paid: 0, known, session: 0, is_up: true };
        house.begin();
        house
    }

    fn spent(&self) -> i64 {
        self.known.iter().map(|known| known.settled).sum()
    }

    fn reserved(&self) -> i64 {
        self.known.iter().map(|known| known.taken - known.back).sum()
    }

    fn hear(&self, at: usize) -> i64 {
        self.books[at].heard(0, self.spent(), self.reserved(), 3)
    }

    /// As `reserve.lua` does, with more of what is left than it gives.
    fn ask(&mut self, at: usize, need: i64) -> bool {
        let book = &self.books[at];
        let extra = Extra { need, held: book.held(usd(LIMIT)) };
        let asked = need + extra.more(MOST);
        book.ask(self.session, asked, usd(LIMIT));
        let left = LIMIT - self.spent() - self.reserved() - need;
        if left < 0 {
            book.refused(self.session, asked);
            book.keep_ahead(0);
            return false;
        }
        let count = Some(left / 10 / need.max(1)).filter(|count| *count >= 4).unwrap_or(0).min(MOST);
        self.known[at].taken += need + extra.more(count);
        let left = LIMIT - self.spent() - self.reserved();
        book.granted(self.session, usd(LIMIT), extra, Count { came: count, wanted: MOST, portion: 10 }, left);
        self.hear(at);
        self.open[at].push(need);
        true
    }

    fn take(&mut self, at: usize, amount: i64) {
        let taken = match self.is_up {
            true => self.books[at].take_ahead(usd(LIMIT), usd(amount), Usd::ZERO).is_some(),
            false => self.books[at].take(usd(amount), usd(LIMIT), Usd::ZERO, (3, false)),
        };
        if taken {
            self.open[at].push(amount);
        }
    }

    fn end(&mut self, at: usize, paid: i64) {
        if let Some(held) = self.open[at].pop() {
            let paid = paid.min(held);
            self.books[at].settle(usd(held), usd(paid));
            self.paid += paid;
        }
    }

    fn tell(&mut self, at: usize) {
        let (book, known) = (&self.books[at], &mut self.known[at]);
        known.taken += book.known().tally.tell_alone();
        known.settled = known.settled.max(book.tell_settled());
        known.back = known.back.max(book.known().tally.tell_released().min(known.taken));
    }

    /// The database forgets everything, or is back: all tell first.
    fn begin(&mut self) {
        self.session += 1;
        for (book, known) in self.books.iter().zip(&mut self.known) {
            *known = Known { taken: book.known().tally.begin(self.session), back: 0, settled: book.settled() };
        }
        self.is_up = true;
    }

    /// All have just told and heard.
    fn lose(&mut self) {
        if self.is_up {
            (0..REPLICAS).for_each(|at| self.tell(at));
            (0..REPLICAS).for_each(|at| _ = self.hear(at));
            self.is_up = false;
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut all = 0;
        for at in 0..REPLICAS {
            let (book, known) = (&self.books[at], self.known[at]);
            let requests: i64 = self.open[at].iter().sum();
            prop_assert_eq!(open(book), requests + book.held(usd(LIMIT)), "what is open is in work or held");
            prop_assert_eq!(book.share.open(), usd(requests + book.held(usd(LIMIT))));
            if self.is_up {
                // What was taken alone and is not told yet nobody else was allowed, either.
                let said = known.taken - known.back + known.settled;
                prop_assert!(said >= open(book) + book.settled(), "{at} of {said}");
                prop_assert!(known.taken <= book.known().tally.most(), "more than {at} knows of");
            }
            all += requests + book.held(usd(LIMIT)) + book.settled();
        }
        prop_assert!(all <= LIMIT, "{all} are spent, in work or held");
        Ok(())
    }
}

proptest! {
    /// Whatever is taken ahead, used, given back or told, and whenever the database is lost and found again: no dollar is
    /// there twice, and in the end none is missing.
    #[test]
    fn what_is_held_ahead_is_spent_once_or_given_back(
        steps in proptest::collection::vec((0u8..16, 0usize..REPLICAS, 0i64..120, 0i64..120), 1..200),
    ) {
        let mut house = House::new();
        for (what, at, amount, paid) in steps {
            match what {
                0..3 if house.is_up => _ = house.ask(at, amount),
                0..7 => house.take(at, amount),
                7..11 => house.end(at, paid),
                11 | 12 if house.is_up => house.tell(at),
                13 => house.books[at].beat(),
                14 if house.is_up => {
                    house.tell(at);
                    let most = house.hear(at);
                    house.books[at].keep_ahead(most + amount);
                }
                15 if paid < 60 => house.lose(),
                15 => house.begin(),
                _ => {}
            }
            house.check()?;
        }
        for at in 0..REPLICAS {
            while !house.open[at].is_empty() {
                house.end(at, 1);
            }
            house.books[at].keep_ahead(0);
        }
        if !house.is_up {
            house.begin();
        }
        (0..REPLICAS).for_each(|at| house.tell(at));
        prop_assert_eq!((house.reserved(), house.spent()), (0, house.paid));
    }
}
