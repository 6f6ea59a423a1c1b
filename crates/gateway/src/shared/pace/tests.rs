use super::super::ahead::MOST;
use super::*;

const LIMITS: Limits = [Some(6_000), Some(60_000), Some(500)];

fn open(pace: &Pace) -> i64 {
    pace.known().tally.open()
}

/// A pace that holds what four requests need, of ten tokens each, with so much left of a minute as was heard.
fn pace() -> Pace {
    let (pace, heard) = (Pace::new("pace".into()), Standing { remaining: 5_000, reset_ms: 0 });
    pace.known().tally.begin(1);
    let extras = [1, 10, 1].map(|need| Extra { need, held: 0 });
    pace.known().tally.ask(1, 33);
    let standings =
        pace.granted(1, LIMITS, extras, Count { came: 4, wanted: MOST, portion: 100 }, [Some(heard), Some(heard)]);
    assert_eq!(standings.map(|standing| standing.unwrap().remaining), [5_004, 5_040]);
    pace
}

#[test]
fn a_request_takes_of_all_bounds_or_of_none() {
    let pace = pace();
    assert!(pace.take_ahead(LIMITS, [1, 41, 1]).is_none());
    assert!(pace.take_ahead([Some(6_000), Some(60_000), Some(499)], [1, 10, 1]).is_none(), "another limit");
    assert_eq!(pace.held(LIMITS), [4, 40, 4]);
    let standings = pace.take_ahead(LIMITS, [1, 40, 1]).unwrap();
    assert_eq!(standings.map(|standing| standing.unwrap().remaining), [5_003, 5_000]);
    assert!(pace.take_ahead(LIMITS, [1, 1, 1]).is_none() && pace.take_ahead([None; 3], [1; 3]).is_some());
    pace.put_back(LIMITS, [1, 40, 1]);
    assert_eq!(pace.held(LIMITS), [4, 40, 4]);
}

#[test]
fn what_a_request_did_not_need_is_for_the_next() {
    let pace = pace();
    pace.take_ahead(LIMITS, [1, 10, 1]).unwrap();
    pace.leave();
    pace.correct(60_000, 10, 2);
    assert_eq!((pace.held(LIMITS), open(&pace)), ([3, 30, 4], 5));
    assert_eq!(pace.known().correction().more_us, -8_000, "no token is used in a later minute than it was taken in");
    assert!(!pace.known().is_untold());
    // No more than was held: the rest is told.
    pace.leave();
    pace.correct(60_000, 10, 5);
    assert_eq!((pace.held(LIMITS), open(&pace)), ([3, 30, 4], 4));
    assert_eq!(pace.known().tally.untold(), 1);
    assert_eq!([0; 2].map(|_| pace.known().correction().more_us), [-5_000, 0]);
    assert!(!pace.is_due());
}

#[test]
fn what_is_not_used_goes_back() {
    let pace = pace();
    pace.take_ahead(LIMITS, [1, 10, 1]).unwrap();
    pace.beat();
    assert!(!pace.known().is_untold());
    pace.beat();
    assert_eq!(
        pace.known().correction(),
        Correction { more_us: -30_000, unused_us: 30_000 },
        "three requests of 6,000 a minute flow out in 30 ms, and so do their 30 tokens of 60,000"
    );
    assert_eq!((pace.held(LIMITS), open(&pace)), ([0; 3], 2), "two are in work");
    assert!(pace.known().is_untold() && !pace.is_due(), "the heartbeat tells it");
}

#[test]
fn what_was_taken_under_another_limit_goes_back_at_its_own_price() {
    let (pace, lowered) = (pace(), [Some(60), Some(600), Some(5)]);
    assert_eq!(pace.held(lowered), [0; 3], "no discount for what is asked for under the new limits");
    assert_eq!(pace.known().correction(), Correction { more_us: -40_000, unused_us: 40_000 });
    assert_eq!(open(&pace), 1);
}

#[test]
fn one_bound_that_is_near_leaves_alone_what_is_held_of_the_others() {
    for (left, came, held) in [(5_000, 0, [4, 40, 4]), (300, 0, [3, 3, 4]), (5_000, 4, [4, 40, 4])] {
        let pace = pace();
        let extras = [1, 10, 1].map(|need| Extra { need, held: came * need });
        pace.known().tally.ask(1, 33);
        let standings = [Some(Standing { remaining: left, reset_ms: 7 }); 2];
        pace.granted(1, LIMITS, extras, Count { came, wanted: MOST, portion: 100 }, standings);
        assert_eq!(pace.held(LIMITS), held, "{left}");
    }
}

#[test]
fn no_more_places_are_held_than_a_part_of_those_that_are_left() {
    // Of 500: what this one holds is among those that are taken.
    for (taken, replicas, held) in [(5, 1, 4), (104, 1, 4), (105, 1, 3), (204, 1, 3), (5, 2, 2), (5, 3, 1), (504, 1, 0)]
    {
        let pace = pace();
        pace.known().keep_places(taken, replicas);
        assert_eq!((pace.held(LIMITS), open(&pace)), ([4, 40, held], 1 + held), "{taken} of {replicas}");
    }
}

#[test]
fn requests_that_never_came_are_told_at_once_when_they_are_many() {
    let pace = pace();
    // A hundredth of the 5,000 that are left.
    pace.put_back(LIMITS, [49, 0, 0]);
    assert!(!pace.is_due());
    pace.put_back(LIMITS, [1, 0, 0]);
    assert!(pace.is_due());
}

#[test]
fn a_minute_that_was_heard_flows_on() {
    let heard = Standing { remaining: 10, reset_ms: 50_000 };
    for (since_ms, held, remaining, reset_ms) in
        [(0, 0, 10, 50_000), (0, 5, 15, 50_000), (10_000, 5, 25, 40_000), (50_000, 0, 60, 0), (90_000, 5, 60, 0)]
    {
        assert_eq!(aged(heard, 60, since_ms, held), Standing { remaining, reset_ms }, "{since_ms} {held}");
    }
}

#[test]
fn alone_it_counts_what_it_held_as_its_own() {
    let pace = pace();
    assert!(!pace.enter(1), "one is in work");
    assert!(pace.enter(2));
    assert_eq!((pace.held(LIMITS)[PLACES], open(&pace)), (0, 2));
}
