//! The trace of one request on a simulated clock, and what must hold whatever goes wrong.

use super::*;
use crate::{TargetId, TierId};
use FailureKind::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;

/// `nano:0 nano:1 | standard:0 ...`; a letter for the model, digits for the window, `+` for prefill.
fn candidates(spec: &str) -> Vec<Candidate> {
    let tiers = spec.split('|').enumerate();
    tiers
        .flat_map(|(tier, targets)| {
            targets.split_whitespace().enumerate().map(move |(index, word)| {
                let digits: String = word.chars().filter(char::is_ascii_digit).collect();
                Candidate {
                    id: TargetId { tier: TierId(tier as u8), index: index as u8 },
                    provider: u32::from(word.as_bytes()[1]),
                    model: u32::from(word.as_bytes()[0]),
                    window: digits.parse().ok(),
                    prefill: word.contains('+'),
                    late_after_ms: Some(900),
                }
            })
        })
        .collect()
}

fn limited(seconds: u64) -> FailureKind {
    RateLimited { retry_after_ms: Some(seconds * 1_000) }
}

/// Runs the request; each call fails at once with the next failure; with none left it answers.
fn trace(plan: &str, limits: DispatchLimits, failures: &[(FailureKind, bool)]) -> String {
    let (mut failures, mut now, mut said) = (failures.iter(), 0, Vec::new());
    let mut dispatch = Dispatch::new(candidates(plan), limits, 7);
    let mut step = dispatch.next(now);
    loop {
        step = match step {
            Step::Wait { until_ms } => {
                // Jitter: what matters is that it stays within its bounds.
                said.push(format!("wait <={}s", (until_ms - now).div_ceil(1_000)));
                now = until_ms;
                dispatch.next(now)
            }
            Step::GiveUp { failure } => {
                said.push(format!("give up: {}", failure.name()));
                return said.join(", ");
            }
            Step::Call { target, .. } | Step::Continue { target, .. } | Step::Hedge { target } => {
                said.push(match step {
                    Step::Continue { same_model: true, .. } => format!("continue {target}"),
                    Step::Continue { .. } => format!("continue {target} in another voice"),
                    _ => format!("call {target}"),
                });
                match failures.next() {
                    Some(&(kind, committed)) => dispatch.on_failure(now, kind, committed),
                    None => return said.join(", "),
                }
            }
        }
    }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better at the call")]
fn check(plan: &str, failures: &[FailureKind], want: Expect) {
    let failures: Vec<_> = failures.iter().map(|kind| (*kind, false)).collect();
    want.assert_eq(&trace(plan, DispatchLimits::until(60_000), &failures));
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better at the call")]
fn check_after_first_byte(plan: &str, failures: &[FailureKind], want: Expect) {
    let failures: Vec<_> = failures.iter().map(|kind| (*kind, true)).collect();
    want.assert_eq(&trace(plan, DispatchLimits::until(60_000), &failures));
}

#[test]
fn nothing_wrong_is_one_call() {
    check("aA bB | cC", &[], expect!["call 0"]);
}

#[test]
fn a_rate_limit_asks_the_sibling_at_once() {
    check("aA bB", &[limited(2)], expect!["call 0, call 1"]);
}

#[test]
fn a_short_pause_is_cheaper_than_a_dearer_tier() {
    check("aA | bB", &[limited(1)], expect!["call 0, wait <=2s, call 0"]);
}

#[test]
fn a_long_pause_goes_a_tier_up() {
    check("aA | bB", &[limited(20)], expect!["call 0, call 1"]);
}

#[test]
fn a_long_pause_is_waited_out_when_there_is_nobody_else() {
    check("aA", &[limited(20)], expect!["call 0, wait <=21s, call 0"]);
}

#[test]
fn a_pause_beyond_the_deadline_is_not_waited_for() {
    check("aA", &[limited(61)], expect!["call 0, give up: rate_limited"]);
    check("aA | bB", &[limited(61)], expect!["call 0, call 1"]);
}

#[test]
fn one_server_error_is_retried() {
    check("aA", &[ServerError { status: 500 }], expect!["call 0, wait <=1s, call 0"]);
}

#[test]
fn down_for_ever_ends_within_the_retries() {
    check(
        "aA",
        &[Overloaded { retry_after_ms: None }; 9],
        expect!["call 0, wait <=1s, call 0, wait <=1s, call 0, give up: overloaded"],
    );
}

#[test]
fn a_sick_tier_leaves_an_attempt_for_the_tier_above() {
    check("aA | bB", &[Connect; 9], expect!["call 0, wait <=1s, call 0, call 1, wait <=1s, call 0, give up: connect"]);
    check("aA bB | cC", &[Connect; 9], expect!["call 0, call 1, wait <=1s, call 1, call 2, give up: connect"]);
    check("aA bB cC dD eE | fF", &[Connect; 9], expect!["call 0, call 1, call 2, call 5, give up: connect"]);
}

#[test]
fn a_silent_target_is_not_asked_again() {
    check("aA", &[FirstByteTimeout], expect!["call 0, give up: first_byte_timeout"]);
    check("aA bB", &[Stalled, ServerError { status: 500 }], expect!["call 0, call 1, wait <=1s, call 1"]);
}

#[test]
fn too_long_moves_to_a_larger_window_only() {
    check("a8A b8B | c128C", &[ContextTooLong], expect!["call 0, call 2"]);
    check("a8A bB", &[ContextTooLong], expect!["call 0, give up: context_too_long"]);
}

#[test]
fn what_the_caller_did_is_passed_on() {
    check("aA bB", &[ContentFilter], expect!["call 0, give up: content_filter"]);
    check("aA bB", &[BadRequest { status: 400 }], expect!["call 0, give up: bad_request"]);
}

#[test]
fn a_refused_key_leaves_all_of_its_provider() {
    check("aA bA cB", &[Unauthorized], expect!["call 0, call 2"]);
    check("aA bA cB", &[QuotaExhausted], expect!["call 0, call 2"]);
}

#[test]
fn the_client_hears_what_it_can_act_on() {
    check("aA bB", &[limited(61), Unauthorized], expect!["call 0, call 1, give up: rate_limited"]);
}

#[test]
fn an_unfit_answer_goes_a_tier_up() {
    check("aA bB | cC", &[Unfit], expect!["call 0, call 2"]);
}

#[test]
fn after_the_first_byte_only_a_continuation() {
    check_after_first_byte("aA bB", &[Cut], expect!["call 0, give up: cut"]);
    check_after_first_byte("a+A bB", &[Cut], expect!["call 0, continue 0"]);
    check_after_first_byte("a+A a+B", &[Stalled], expect!["call 0, continue 1"]);
    check_after_first_byte("a+A b+B", &[Stalled], expect!["call 0, continue 1 in another voice"]);
    check_after_first_byte("a+A b+B", &[Cut, Cut], expect!["call 0, continue 0, give up: cut"]);
    check_after_first_byte("a+A b+B", &[ContentFilter], expect!["call 0, give up: content_filter"]);
}

#[test]
fn whoever_just_broke_is_the_last_of_its_voice_to_go_on() {
    check_after_first_byte("a+A a+B", &[Cut], expect!["call 0, continue 1"]);
    check_after_first_byte("a+A b+B a+C", &[Cut], expect!["call 0, continue 2"]);
}

#[test]
fn a_held_target_does_not_use_up_the_continuation() {
    for ready_at_ms in [Some(9_000), None] {
        let mut dispatch = Dispatch::new(candidates("a+A a+B b+C"), DispatchLimits::until(60_000), 7);
        dispatch.next(0);
        let goes_on = |target, same_model, again| Step::Continue { target, same_model, again };
        assert_eq!(dispatch.on_failure(0, Cut, true), goes_on(1, true, false));
        assert_eq!(dispatch.on_refused(0, ready_at_ms), goes_on(0, true, true));
        assert_eq!(dispatch.on_refused(0, ready_at_ms), goes_on(2, false, false));
        assert_eq!(dispatch.attempts(), 2);
        assert_eq!(dispatch.on_refused(0, ready_at_ms), Step::GiveUp { failure: Cut });
    }
}

#[test]
fn a_target_that_refuses_to_continue_is_left() {
    let limits = DispatchLimits { max_continues: 2, ..DispatchLimits::until(60_000) };
    let failures = [(Stalled, true), (BadRequest { status: 400 }, true)];
    expect!["call 0, continue 1 in another voice, continue 2 in another voice"].assert_eq(&trace(
        "a+A b+B c+C",
        limits,
        &failures,
    ));
}

#[test]
fn a_stream_may_be_told_to_end_instead() {
    let limits = DispatchLimits { stream_recovery: StreamRecovery::Error, ..DispatchLimits::until(60_000) };
    expect!["call 0, give up: cut"].assert_eq(&trace("a+A b+B", limits, &[(Cut, true)]));
}

#[test]
fn a_cooling_target_is_passed_over_and_waited_for() {
    let mut dispatch = Dispatch::new(candidates("aA bB"), DispatchLimits::until(60_000), 7);
    assert_eq!(dispatch.next(0), Step::Call { target: 0, again: false });
    assert_eq!(dispatch.on_refused(0, Some(900)), Step::Call { target: 1, again: false });
    assert_eq!(dispatch.on_refused(0, Some(5_000)), Step::Wait { until_ms: 900 });
    assert_eq!(dispatch.next(900), Step::Call { target: 0, again: false });
    assert_eq!(dispatch.attempts(), 1);
}

#[test]
fn with_all_cooling_for_long_the_client_hears_when_to_come_back() {
    let mut dispatch = Dispatch::new(candidates("aA"), DispatchLimits::until(600_000), 7);
    dispatch.next(0);
    let failure = CoolingDown { retry_after_ms: 45_000 };
    assert_eq!(dispatch.on_refused(0, Some(45_000)), Step::GiveUp { failure });
    assert_eq!(dispatch.next(50_000), Step::GiveUp { failure });
}

/// What becomes of a call that is late.
enum Late {
    /// The hedge is refused by the target's breaker, or (none) by its budget.
    Refused(Option<u64>),
    /// The call to this target fails while the other is under way.
    One(usize, FailureKind),
    /// This target answers first.
    Wins(usize),
    /// The only call under way fails.
    Fails(FailureKind),
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better at the call")]
fn check_late(plan: &str, then: &[Late], want: Expect) {
    let mut dispatch = Dispatch::new(candidates(plan), DispatchLimits::until(60_000), 7);
    let say = |step: Step| match step {
        Step::Call { target, again } => format!("call {target}{}", if again { " again" } else { "" }),
        Step::Hedge { target } => format!("hedge {target}"),
        Step::GiveUp { failure } => format!("give up: {}", failure.name()),
        Step::Wait { .. } => "wait".to_owned(),
        Step::Continue { target, .. } => format!("continue {target}"),
    };
    let mut said = vec![say(dispatch.next(0))];
    said.push(match dispatch.late_after_ms(0) {
        Some(ms) => format!("late after {ms}"),
        None => "never late".to_owned(),
    });
    let hedge = |step: Option<Step>| step.map_or_else(|| "wait for it".to_owned(), say);
    said.push(hedge(dispatch.on_late(900)));
    for event in then {
        match event {
            Late::Refused(until) => said.push(hedge(dispatch.on_hedge_refused(900, *until))),
            Late::One(target, kind) => dispatch.on_one_failed(1_000, *target, *kind),
            Late::Wins(target) => dispatch.on_outrun(*target),
            Late::Fails(kind) => said.push(say(dispatch.on_failure(1_000, *kind, false))),
        }
    }
    want.assert_eq(&format!("{}; {} attempts", said.join(", "), dispatch.attempts()));
}

#[test]
fn a_late_call_gets_a_sibling_beside_it() {
    check_late("aA bB", &[Late::Wins(1)], expect!["call 0, late after 900, hedge 1; 2 attempts"]);
    check_late("aA bA cB", &[], expect!["call 0, late after 900, hedge 2; 2 attempts"]);
    check_late("aA bA", &[], expect!["call 0, late after 900, hedge 1; 2 attempts"]);
}

#[test]
fn a_dearer_tier_is_not_asked_for_speed() {
    check_late("aA | bB", &[], expect!["call 0, never late, wait for it; 1 attempts"]);
}

#[test]
fn a_hedge_that_is_refused_goes_to_another_or_nowhere() {
    check_late(
        "aA bB cC",
        &[Late::Refused(Some(5_000))],
        expect!["call 0, late after 900, hedge 1, hedge 2; 2 attempts"],
    );
    check_late(
        "aA bB cC",
        &[Late::Refused(None), Late::Fails(Connect)],
        expect!["call 0, late after 900, hedge 1, wait for it, call 1; 2 attempts"],
    );
}

#[test]
fn of_two_calls_one_may_fail() {
    check_late(
        "aA bB cC",
        &[Late::One(1, Connect), Late::Fails(Stalled)],
        expect!["call 0, late after 900, hedge 1, call 2; 3 attempts"],
    );
    check_late(
        "aA bB",
        &[Late::One(0, Stalled), Late::Fails(Connect)],
        expect!["call 0, late after 900, hedge 1, wait; 2 attempts"],
    );
    // The other may still answer; but whoever refused the content has spoken for all others.
    check_late(
        "aA bB cC",
        &[Late::One(1, ContentFilter), Late::Fails(Connect)],
        expect!["call 0, late after 900, hedge 1, give up: content_filter; 2 attempts"],
    );
}

#[test]
fn the_winner_of_two_is_who_may_go_on() {
    let mut dispatch = Dispatch::new(candidates("aA a+B"), DispatchLimits::until(60_000), 7);
    dispatch.next(0);
    assert_eq!(dispatch.on_late(900), Some(Step::Hedge { target: 1 }));
    dispatch.on_outrun(1);
    assert_eq!(dispatch.on_failure(2_000, Cut, true), Step::Continue { target: 1, same_model: true, again: true });
}

fn any_failure() -> impl Strategy<Value = FailureKind> {
    let pause = || prop_oneof![Just(None), (0u64..40_000).prop_map(Some)];
    prop_oneof![
        Just(Connect),
        Just(Tls),
        Just(FirstByteTimeout),
        Just(Stalled),
        Just(Cut),
        Just(Garbled),
        Just(MissingEnd),
        Just(InBand),
        pause().prop_map(|retry_after_ms| RateLimited { retry_after_ms }),
        pause().prop_map(|retry_after_ms| Overloaded { retry_after_ms }),
        Just(QuotaExhausted),
        Just(ServerError { status: 500 }),
        Just(Unauthorized),
        Just(BadRequest { status: 400 }),
        Just(ContextTooLong),
        Just(ContentFilter),
        Just(ModelNotFound),
        Just(Unfit),
    ]
}

fn any_plan() -> impl Strategy<Value = Vec<Candidate>> {
    let target = (0u8..3, 0u32..3, 0u32..4, prop_oneof![Just(None), (1u32..4).prop_map(Some)], any::<bool>());
    proptest::collection::vec(target, 0..7).prop_map(|targets| {
        let mut plan: Vec<_> = targets
            .into_iter()
            .zip(0u8..)
            .map(|((tier, provider, model, window, prefill), index)| Candidate {
                id: TargetId { tier: TierId(tier), index },
                provider,
                model,
                window,
                prefill,
                late_after_ms: (model != 3).then_some(500),
            })
            .collect();
        plan.sort_by_key(|target| target.id.tier);
        plan
    })
}

/// What happens to one call: refused before it started, or a failure after some time, perhaps after the first byte.
#[derive(Clone, Debug)]
enum Fate {
    Refused(Option<u64>),
    Failed {
        after_ms: u64,
        kind: FailureKind,
        committed: bool,
    },
    /// It is late; then its sibling is refused, or one of both fails, or the sibling wins.
    Late {
        refused: Option<Option<u64>>,
        first_fails: Option<bool>,
        kind: FailureKind,
    },
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        1 => prop_oneof![Just(None), (0u64..5_000).prop_map(Some)].prop_map(Fate::Refused),
        6 => (0u64..4_000, any_failure(), proptest::bool::weighted(0.15))
            .prop_map(|(after_ms, kind, committed)| Fate::Failed { after_ms, kind, committed }),
        3 => (proptest::option::weighted(0.2, proptest::option::of(0u64..5_000)), any::<Option<bool>>(), any_failure())
            .prop_map(|(refused, first_fails, kind)| Fate::Late { refused, first_fails, kind }),
    ]
}

/// An own, simpler account of who must not be called again.
fn left_by(kind: FailureKind, failed: &Candidate, other: &Candidate, is_same: bool) -> bool {
    match kind.recovery() {
        Recovery::Again { .. } => false,
        Recovery::NextTarget => is_same,
        Recovery::NextProvider => other.provider == failed.provider,
        Recovery::LargerWindow => !other.larger_than(failed),
        Recovery::NextTier => other.id.tier <= failed.id.tier,
        Recovery::Stop => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_goes_wrong_the_bounds_hold(
        plan in any_plan(),
        fates in proptest::collection::vec(any_fate(), 0..24),
        seed: u64,
        deadline_ms in prop_oneof![1u64..6_000, 1u64..60_000],
        max_attempts in 1u32..6,
        max_retries in 0u32..4,
        max_continues in 0u32..3,
        go_on: bool,
    ) {
        let limits = DispatchLimits {
            max_attempts, max_retries, max_continues,
            stream_recovery: if go_on { StreamRecovery::Continue } else { StreamRecovery::Error },
            ..DispatchLimits::until(deadline_ms)
        };
        let mut dispatch = Dispatch::new(plan.clone(), limits, seed);
        let (mut now, mut calls, mut again_calls, mut continues) = (0u64, 0u32, 0u32, 0u32);
        let mut called = vec![false; plan.len()];
        let mut hedges = 0;
        let mut left = vec![false; plan.len()];
        let mut not_before = vec![0u64; plan.len()];
        let mut committed = false;
        let mut fates = fates.into_iter();
        let mut step = dispatch.next(now);
        for _ in 0..200 {
            step = match step {
                Step::GiveUp { .. } => {
                    prop_assert_eq!(dispatch.next(now), step, "the end is the end");
                    return Ok(());
                }
                Step::Wait { until_ms } => {
                    prop_assert!(!committed, "no waiting after the first byte");
                    prop_assert!(until_ms > now && until_ms < deadline_ms && until_ms - now <= limits.max_wait_ms);
                    now = until_ms;
                    dispatch.next(now)
                }
                Step::Hedge { .. } => unreachable!("only asked for when a call is late"),
                Step::Call { target, .. } | Step::Continue { target, .. } => {
                    let goes_on = matches!(step, Step::Continue { .. });
                    prop_assert!(now < deadline_ms, "called after the deadline");
                    prop_assert!(!left[target], "called an excluded target");
                    prop_assert!(now >= not_before[target], "Retry-After was not honoured");
                    prop_assert_eq!(goes_on, committed, "after the first byte continuations only, before it none");
                    prop_assert!(!goes_on || (go_on && plan[target].prefill));
                    let Some(fate) = fates.next() else { return Ok(()) };
                    let mut target = target;
                    let fate = match fate {
                        Fate::Late { refused, first_fails, kind } => {
                            called[target] = true;
                            let watched = dispatch.late_after_ms(now);
                            prop_assert!(watched.is_none() || watched == plan[target].late_after_ms);
                            now += watched.unwrap_or_default();
                            let mut late = watched.and_then(|_| dispatch.on_late(now));
                            if let (Some(Step::Hedge { target: hedge }), Some(until)) = (late, refused) {
                                not_before[hedge] = not_before[hedge].max(now + until.unwrap_or(0));
                                late = dispatch.on_hedge_refused(now, until.map(|pause| now + pause));
                                prop_assert!(late.is_none() || until.is_some(), "no budget, and hedged all the same");
                            }
                            if let Some(Step::Hedge { target: hedge }) = late {
                                hedges += 1;
                                calls += 1;
                                again_calls += 1;
                                prop_assert!(now < deadline_ms && !committed && !goes_on && hedges == 1);
                                prop_assert!(!left[hedge] && !called[hedge] && now >= not_before[hedge]);
                                prop_assert_eq!(plan[hedge].id.tier, plan[target].id.tier);
                                called[hedge] = true;
                                match first_fails {
                                    None => {
                                        dispatch.on_outrun(hedge);
                                        target = hedge;
                                    }
                                    Some(first) => {
                                        let failed = if first { target } else { hedge };
                                        dispatch.on_one_failed(now, failed, kind);
                                        for (at, other) in plan.iter().enumerate() {
                                            left[at] |= left_by(kind, &plan[failed], other, at == failed);
                                        }
                                        if let Some(pause) = kind.retry_after_ms() {
                                            not_before[failed] = now + pause;
                                        }
                                        target = if first { hedge } else { target };
                                    }
                                }
                            }
                            Fate::Failed { after_ms: 1, kind, committed: false }
                        }
                        fate => fate,
                    };
                    match fate {
                        Fate::Late { .. } => unreachable!("told above"),
                        Fate::Refused(until) => {
                            if until.is_none() { left[target] = true; }
                            not_before[target] = not_before[target].max(now + until.unwrap_or(0));
                            dispatch.on_refused(now, until.map(|pause| now + pause))
                        }
                        Fate::Failed { after_ms, kind, committed: now_committed } => {
                            called[target] = true;
                            calls += 1;
                            continues += u32::from(goes_on);
                            again_calls += u32::from(matches!(step, Step::Call { again: true, .. }));
                            prop_assert!(calls <= max_attempts && again_calls <= max_retries && continues <= max_continues);
                            prop_assert_eq!(dispatch.attempts(), calls);
                            now += after_ms;
                            committed |= now_committed;
                            if !committed {
                                for (at, other) in plan.iter().enumerate() {
                                    left[at] |= left_by(kind, &plan[target], other, at == target);
                                }
                            } else if kind.recovery() == Recovery::NextTarget {
                                left[target] = true;
                            }
                            if let Some(pause) = kind.retry_after_ms() { not_before[target] = now + pause; }
                            dispatch.on_failure(now, kind, now_committed)
                        }
                    }
                }
            };
        }
        prop_assert!(false, "it never ended");
    }

    /// All clients retry a target that is down: its load stays within calls x (1 + share) + reserve.
    #[test]
    fn no_retry_storm(requests in 1u32..400, share_mille in 0u16..500, reserve in 0u16..20, seed: u64) {
        let budget = RetryBudget::new(share_mille, reserve);
        let (mut first_calls, mut retries) = (0u64, 0u64);
        for request in 0..requests {
            let limits = DispatchLimits { max_attempts: 10, max_retries: 9, ..DispatchLimits::until(60_000) };
            let mut dispatch = Dispatch::new(candidates("aA"), limits, seed ^ u64::from(request));
            let mut now = 0;
            let mut step = dispatch.next(now);
            while !matches!(step, Step::GiveUp { .. }) {
                step = match step {
                    Step::Call { again: true, .. } if !budget.take_retry() => dispatch.on_refused(now, None),
                    Step::Call { again, .. } => {
                        if again { retries += 1; } else { first_calls += 1; budget.on_call(); }
                        dispatch.on_failure(now, ServerError { status: 500 }, false)
                    }
                    Step::Wait { until_ms } => { now = until_ms; dispatch.next(now) }
                    Step::Continue { .. } | Step::Hedge { .. } | Step::GiveUp { .. } => {
                        unreachable!("nothing was committed, nothing late")
                    }
                };
            }
        }
        prop_assert_eq!(first_calls, u64::from(requests));
        prop_assert!(retries * 1_000 <= u64::from(reserve) * 1_000 + first_calls * u64::from(share_mille));
    }
}
