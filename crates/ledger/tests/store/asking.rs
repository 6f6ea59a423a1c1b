//! Sums equal a recount of the records, lists equal a search through them.

use crate::scratch::{Scratch, on_both};
use crate::synthetic::{Chance, HOUR_MS, MONDAY_MS, traffic};
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;
use tierway_decide::{CallRecord, CallStatus, Complexity, Reason, TaskType, Usd, savings};
use tierway_ledger::{Filter, Ledger, Line, OWN, Options, Reader, ReasonKind, Span, Step};

/// Sixty hours of traffic, offered out of order as real answers end.
fn filled(store: &Scratch, count: u64) -> (Reader, Vec<CallRecord>) {
    let mut calls: Vec<_> = traffic(11, count, MONDAY_MS + HOUR_MS / 3, 60 * HOUR_MS).collect();
    // Some are the router's own.
    for (at, call) in calls.iter_mut().enumerate().step_by(9) {
        call.reason = if at % 2 == 0 { Reason::Shadow } else { Reason::Judge };
    }
    let mut chance = Chance(1);
    for at in 0..calls.len() {
        let other = (at + usize::try_from(chance.below(50)).unwrap()).min(calls.len() - 1);
        calls.swap(at, other);
    }
    let ledger =
        Ledger::open(store.location(), Options { group_every: Duration::from_millis(5), ..Options::default() })
            .unwrap();
    for (at, call) in calls.iter().enumerate() {
        assert!(ledger.offer(call.clone()));
        if at % 700 == 0 {
            ledger.flush(Duration::from_secs(20)).unwrap();
        }
    }
    ledger.close().unwrap();
    calls.sort_by_key(|call| call.id);
    (store.reader(), calls)
}

/// What a person would count.
#[derive(Debug, Default, PartialEq)]
struct Recount {
    calls: u64,
    failed: u64,
    output_tokens: u64,
    paid: i64,
    baseline: i64,
    unpriced: u64,
}

fn recount<'a>(calls: impl IntoIterator<Item = &'a CallRecord>) -> Recount {
    let mut sum = Recount::default();
    for call in calls {
        sum.calls += 1;
        sum.failed += u64::from(call.status == CallStatus::Failed);
        sum.output_tokens += call.usage.output_tokens;
        sum.paid += call.paid.map_or(0, Usd::picos) + call.classifier_paid.picos();
        if call.reason == Reason::RequestedModel || call.status == CallStatus::Refused {
            sum.unpriced += u64::from(call.paid.is_none() && call.status != CallStatus::Refused);
            continue;
        }
        // A call that failed would have cost nothing; one that was left saves nothing.
        match (call.paid, call.baseline, call.status) {
            (Some(_), _, CallStatus::Failed) => {}
            (Some(paid), Some(baseline), CallStatus::Cancelled) => sum.baseline += baseline.min(paid).picos(),
            (Some(_), Some(baseline), _) => sum.baseline += baseline.picos(),
            _ => sum.unpriced += 1,
        }
    }
    sum
}

fn of_line(figures: &tierway_ledger::Figures) -> Recount {
    Recount {
        calls: figures.calls,
        failed: figures.failed,
        output_tokens: figures.output_tokens,
        paid: figures.savings.paid_in_all().picos(),
        baseline: figures.savings.baseline.picos(),
        unpriced: figures.savings.unpriced_calls,
    }
}

/// Each line is the recount of the calls that have its name, and there is one for each name.
#[track_caller]
fn check_lines(lines: &[Line], calls: &[&CallRecord], name: impl Fn(&CallRecord) -> String) {
    let mut groups: BTreeMap<String, Vec<&CallRecord>> = BTreeMap::new();
    for call in calls {
        groups.entry(name(call)).or_default().push(call);
    }
    let got: BTreeMap<_, _> = lines.iter().map(|line| (line.name.clone(), of_line(&line.figures))).collect();
    let want: BTreeMap<_, _> = groups.into_iter().map(|(name, calls)| (name, recount(calls))).collect();
    assert_eq!(got, want);
    assert!(lines.is_sorted_by(|left, right| left.figures.calls >= right.figures.calls), "most calls first");
}

fn tier_of(call: &CallRecord) -> &str {
    if call.served_tier.is_empty() { &call.tier } else { &call.served_tier }
}

fn sums_of_any_span_equal_a_recount(store: &Scratch) {
    let (mut reader, calls) = filled(store, 6_000);
    let hour = |at: i64| MONDAY_MS + at * HOUR_MS;
    for (from, to) in [(0, 100), (0, 24), (5, 24), (5, 31), (23, 25), (30, 33), (24, 48), (3, 59), (61, 70), (-9, -3)] {
        let span = Span { from_ms: hour(from) + 1, to_ms: hour(to) - 1 };
        let inside: Vec<_> = calls.iter().filter(|call| (hour(from)..hour(to)).contains(&call.id.unix_ms())).collect();
        let summary = reader.summary(span).unwrap();
        assert_eq!(summary.span, Span { from_ms: hour(from), to_ms: hour(to) });
        assert_eq!(of_line(&summary.totals), recount(inside.iter().copied()), "{from}..{to}");
        let own_or = |call: &CallRecord, name: &str| {
            if ReasonKind::of(&call.reason).is_own() { OWN.to_owned() } else { name.to_owned() }
        };
        check_lines(&summary.tiers, &inside, |call| own_or(call, tier_of(call)));
        check_lines(&summary.models, &inside, |call| match call.provider.as_str() {
            "" => String::new(),
            provider => format!("{provider}/{}", call.served_model),
        });
        check_lines(&summary.task_types, &inside, |call| own_or(call, call.prediction.task_type.name()));
        check_lines(&summary.complexities, &inside, |call| own_or(call, call.prediction.complexity.name()));
        check_lines(&summary.reasons, &inside, |call| ReasonKind::of(&call.reason).name().into());
        check_lines(&summary.teams, &inside, |call| call.team.to_string());
        check_lines(&summary.keys, &inside, |call| call.key.to_string());
        let of_clients = inside.iter().filter(|call| !ReasonKind::of(&call.reason).is_own()).count();
        assert_eq!(summary.routes.iter().map(|route| route.calls).sum::<u64>(), of_clients as u64);
    }
}

fn latencies_are_of_answered_calls_and_within_a_bucket(store: &Scratch) {
    let (mut reader, calls) = filled(store, 5_000);
    let summary = reader.summary(Span::ALL).unwrap();
    let mut exact: Vec<_> =
        calls.iter().filter(|call| call.status == CallStatus::Answered).map(|call| call.total_ms).collect();
    exact.sort_unstable();
    let mean = exact.iter().map(|ms| f64::from(*ms)).sum::<f64>() / exact.len() as f64;
    assert!((summary.totals.mean_ms().unwrap() - mean).abs() < 1e-6);
    for (share, at) in [(0.5, exact.len() / 2), (0.95, exact.len() * 95 / 100), (0.99, exact.len() * 99 / 100)] {
        let (got, want) = (summary.totals.total.quantile(share).unwrap(), f64::from(exact[at]));
        assert!((got / want - 1.0).abs() < 0.06, "p{share}: {got} for {want}");
    }
}

fn series_have_a_point_for_each_hour_or_day_with_calls(store: &Scratch) {
    let (mut reader, calls) = filled(store, 3_000);
    for (step, width) in [(Step::Hour, HOUR_MS), (Step::Day, 24 * HOUR_MS)] {
        let points = reader.series(Span::ALL, step).unwrap();
        let mut want: BTreeMap<i64, u64> = BTreeMap::new();
        for call in &calls {
            *want.entry(call.id.unix_ms().div_euclid(width) * width).or_default() += 1;
        }
        let got: BTreeMap<i64, u64> = points
            .iter()
            .map(|point| (point.start_ms, point.tiers.iter().map(|line| line.figures.calls).sum()))
            .collect();
        assert_eq!(got, want, "{step:?}");
    }
}

fn bills_by_tier_and_kind_of_work_are_those_of_the_records(store: &Scratch) {
    let (mut reader, calls) = filled(store, 3_000);
    for (step, width) in [(Step::Hour, HOUR_MS), (Step::Day, 24 * HOUR_MS)] {
        let mut want: BTreeMap<_, i64> = BTreeMap::new();
        let mut paid: BTreeMap<i64, i64> = BTreeMap::new();
        for call in &calls {
            let start = call.id.unix_ms().div_euclid(width) * width;
            let counts = call.status != CallStatus::Refused && savings::saved(call).is_some();
            let amount = savings::baseline_of(call).filter(|_| counts);
            *want.entry((start, tier_of(call).to_owned(), call.prediction.task_type)).or_default() +=
                amount.map_or(0, Usd::picos);
            let known = amount.and(call.paid).map_or(0, |paid| (paid + call.classifier_paid).picos());
            *paid.entry(start).or_default() += known;
        }
        let bills = reader.bills(Span::ALL, step).unwrap();
        let got: BTreeMap<i64, i64> = bills.iter().map(|bill| (bill.start_ms, bill.paid.picos())).collect();
        assert_eq!(got, paid, "{step:?}");
        let line =
            |start, (tier, task, amount): &(String, TaskType, Usd)| ((start, tier.clone(), *task), amount.picos());
        let got: BTreeMap<_, i64> =
            bills.iter().flat_map(|bill| bill.baseline.iter().map(|one| line(bill.start_ms, one))).collect();
        assert_eq!(got, want, "{step:?}");
    }
}

fn matches(call: &CallRecord, filter: &Filter) -> bool {
    fn same<T: PartialEq<U> + ?Sized, U: ?Sized>(wanted: Option<&T>, got: &U) -> bool {
        wanted.is_none_or(|wanted| wanted == got)
    }
    let rule = match &call.reason {
        Reason::Rule { rule, .. } | Reason::LockedRule { rule, .. } => rule.as_str(),
        _ => "",
    };
    same(filter.tier.as_deref(), tier_of(call))
        && same(filter.model.as_deref(), call.served_model.as_str())
        && same(filter.provider.as_deref(), call.provider.as_str())
        && same(filter.team.as_deref(), call.team.as_str())
        && same(filter.key.as_deref(), call.key.as_str())
        && same(filter.user.as_deref(), call.user.as_str())
        && same(filter.session.as_deref(), call.session.as_str())
        && same(filter.status.as_ref(), &call.status)
        && same(filter.task_type.as_ref(), &call.prediction.task_type)
        && same(filter.complexity.as_ref(), &call.prediction.complexity)
        && same(filter.reason.as_ref(), &ReasonKind::of(&call.reason))
        && same(filter.rule.as_deref(), rule)
        && filter.slower_than_ms.is_none_or(|least| call.total_ms >= least)
        && (!filter.retried || call.attempts.len() > 1)
        && (!filter.of_clients || !savings::is_own(&call.reason))
}

fn pages_together_hold_every_match_once_the_newest_first(store: &Scratch) {
    let (mut reader, calls) = filled(store, 4_000);
    let some = |text: &str| Some(text.to_owned());
    let session = calls[1_234].session.clone();
    let filters = [
        Filter::default(),
        Filter { tier: some("nano"), ..Filter::default() },
        Filter { tier: some(""), ..Filter::default() },
        Filter { tier: some("no such tier"), ..Filter::default() },
        Filter { model: some("o1-mini"), team: some("team-1"), ..Filter::default() },
        Filter { provider: some("openai"), key: some("key-5"), ..Filter::default() },
        Filter { status: Some(CallStatus::Failed), ..Filter::default() },
        Filter { status: Some(CallStatus::Refused), key: some("key-3"), ..Filter::default() },
        Filter { task_type: Some(TaskType::Coding), complexity: Some(Complexity::Reasoning), ..Filter::default() },
        Filter { reason: Some(ReasonKind::LockedRule), ..Filter::default() },
        Filter { of_clients: true, ..Filter::default() },
        Filter { of_clients: true, team: some("team-1"), ..Filter::default() },
        Filter { rule: some("translation"), ..Filter::default() },
        Filter { user: some("u000001"), ..Filter::default() },
        Filter { session: Some(session.to_string()), ..Filter::default() },
        Filter { slower_than_ms: Some(9_000), retried: true, ..Filter::default() },
    ];
    let spans = [Span::ALL, Span { from_ms: MONDAY_MS + 20 * HOUR_MS + 77, to_ms: MONDAY_MS + 30 * HOUR_MS + 99 }];
    for (filter, span) in filters.iter().flat_map(|filter| spans.map(|span| (filter, span))) {
        let mut got = Vec::new();
        let mut before = None;
        loop {
            let page = reader.list(filter, span, before, 37).unwrap();
            assert!(page.calls.len() <= 37);
            got.extend(page.calls);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let inside = |call: &&CallRecord| (span.from_ms..span.to_ms).contains(&call.id.unix_ms());
        let want: Vec<_> = calls.iter().rev().filter(inside).filter(|call| matches(call, filter)).collect();
        assert_eq!(
            got.iter().map(|call| call.id).collect::<Vec<_>>(),
            want.iter().map(|call| call.id).collect::<Vec<_>>()
        );
        assert_eq!(got.iter().collect::<Vec<_>>(), want, "{filter:?}");
    }
}

/// Many quiet days before a busy one: how much is looked at at once must not lose what lies behind.
fn pages_over_quiet_days_lose_nothing(store: &Scratch) {
    let day = 24 * HOUR_MS;
    let quiet = (1..=112).flat_map(|at| traffic(20, 1, MONDAY_MS + at * day, HOUR_MS));
    let calls: Vec<_> = traffic(11, 1_000, MONDAY_MS, HOUR_MS).chain(quiet).collect();
    let ledger = Ledger::open(store.location(), Options::default()).unwrap();
    calls.iter().for_each(|call| assert!(ledger.offer(call.clone())));
    ledger.close().unwrap();
    let mut reader = Reader::open(store.location()).unwrap();
    let (mut got, mut before) = (Vec::new(), None);
    loop {
        let page = reader.list(&Filter::default(), Span::ALL, before, 500).unwrap();
        got.extend(page.calls.iter().map(|call| call.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let mut want: Vec<_> = calls.iter().map(|call| call.id).collect();
    want.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(got, want);
}

fn some_requests_are_read_by_id_in_the_order_of_the_question(store: &Scratch) {
    let (mut reader, calls) = filled(store, 2_000);
    let mut chance = Chance(3);
    let mut wanted: Vec<_> = (0..300).map(|_| &calls[usize::try_from(chance.below(2_000)).unwrap()]).collect();
    let mut seen = HashSet::new();
    wanted.retain(|call| seen.insert(call.id));
    let mut ids: Vec<_> = wanted.iter().map(|call| call.id).collect();
    let missing = tierway_decide::RequestId::first_at(MONDAY_MS + 1_000 * HOUR_MS);
    ids.insert(7, missing);
    let got = reader.calls(&ids).unwrap();
    assert!(got.iter().map(|stored| &stored.call).eq(wanted));
    assert!(got.iter().all(|stored| stored.intact));
    assert_eq!((reader.calls(&[]).unwrap(), reader.calls(&[missing]).unwrap()), (Vec::new(), Vec::new()));
    assert_eq!(reader.call(calls[5].id).unwrap().map(|stored| stored.call), Some(calls[5].clone()));
}

fn the_newest_of_some_spans_are_those_of_each(store: &Scratch) {
    let (mut reader, calls) = filled(store, 2_000);
    let hour = |at: i64| MONDAY_MS + at * HOUR_MS;
    // Before all, a part of an hour, over midnight, two of which one is in the other, an empty one, behind all.
    let spans = [(-9, -3), (4, 5), (20, 30), (40, 50), (45, 50), (31, 31), (70, 90)]
        .map(|(from, to)| Span { from_ms: hour(from) + 77, to_ms: hour(to) });
    for most in [1, 15, 5_000] {
        let mut want: Vec<&CallRecord> = Vec::new();
        for span in &spans {
            let inside = |call: &&CallRecord| (span.from_ms..span.to_ms).contains(&call.id.unix_ms());
            want.extend(calls.iter().rev().filter(inside).take(most));
        }
        want.sort_by_key(|call| call.id);
        assert_eq!(reader.newest(&spans, most).unwrap().iter().collect::<Vec<_>>(), want, "{most}");
    }
    assert_eq!(reader.newest(&[], 5).unwrap(), Vec::new());
}

fn everything_can_be_read_in_order_and_left_early(store: &Scratch) {
    let (mut reader, calls) = filled(store, 500);
    let mut seen = Vec::new();
    reader
        .each(Span::ALL, |stored| {
            seen.push(stored.unwrap().call);
            if seen.len() == 300 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, calls[..300]);
}

on_both![
    sums_of_any_span_equal_a_recount,
    latencies_are_of_answered_calls_and_within_a_bucket,
    series_have_a_point_for_each_hour_or_day_with_calls,
    bills_by_tier_and_kind_of_work_are_those_of_the_records,
    pages_together_hold_every_match_once_the_newest_first,
    pages_over_quiet_days_lose_nothing,
    some_requests_are_read_by_id_in_the_order_of_the_question,
    the_newest_of_some_spans_are_those_of_each,
    everything_can_be_read_in_order_and_left_early,
];

#[test]
fn sums_are_read_whatever_a_database_makes_of_backslashes_in_strings() {
    let store = Scratch::postgres();
    let calls: Vec<_> = traffic(3, 300, MONDAY_MS, 30 * HOUR_MS).collect();
    let ledger = Ledger::open(store.location(), Options::default()).unwrap();
    calls.iter().for_each(|call| assert!(ledger.offer(call.clone())));
    ledger.close().unwrap();
    let want = store.reader().summary(Span::ALL).unwrap();
    let name = store.address().rsplit('/').next().unwrap();
    store.batch(&format!("ALTER DATABASE {name} SET standard_conforming_strings = off"));
    assert_eq!(store.reader().summary(Span::ALL).unwrap(), want);
}
