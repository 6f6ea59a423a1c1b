//! Samples, verdicts, words of people, cells, alarms, evidence: written and read again.

use crate::scratch::{Scratch, on_both};
use crate::synthetic::{HOUR_MS, MONDAY_MS, traffic};
use tierway_decide::quality::{CellKey, CellState, Comparison, Interval, Kind, Preference};
use tierway_decide::{Complexity, RequestId, TaskType, Usd};
use tierway_ledger::quality::{
    AlarmRow, CellChange, Compared, EvidenceVersion, Feedback, Sample, SampleCounts, SampleText, Shadowed, Spent,
    Verdict,
};
use tierway_ledger::{Ledger, Options, State};

fn open(store: &Scratch) -> State {
    State::open(store.location()).unwrap()
}

fn id(n: i64) -> RequestId {
    RequestId::new(RequestId::EPOCH_MS + n, 1, 0)
}

fn sample(n: i64, kind: Kind, text: bool) -> Sample {
    Sample {
        id: id(n),
        taken_ms: n,
        kind,
        task_type: TaskType::Qa,
        complexity: Complexity::Simple,
        tier: "small".into(),
        served_model: "p/served".into(),
        format: "openai_chat".into(),
        key: "app".into(),
        chance: 0.5,
        weight: 0.25,
        served_tokens: 7,
        text: text.then(|| SampleText { request: "{}".into(), served: "served".into(), until_ms: n + 100 }),
    }
}

fn verdict(n: i64, one: Preference, other: Preference) -> Verdict {
    Verdict {
        done_ms: n,
        comparison: Comparison { one, other },
        judge: "p/judge".into(),
        why: "because".into(),
        shadow: Some(id(n + 1)),
        shadow_model: "p/second".into(),
        shadow_tokens: 9,
        served_answer: "shown".into(),
        shadow_answer: "second".into(),
        cost: Usd::from_picos(11),
    }
}

/// A pair with its verdict and a person's word, a change of a cell, and evidence.
pub(crate) fn fill(state: &mut State) {
    state.keep_sample(&sample(10, Kind::Down, true)).unwrap();
    assert!(state.judge_sample(id(10), &verdict(20, Preference::Tie, Preference::Cheap)).unwrap());
    state.label(id(10), "me", Preference::Tie, 30).unwrap();
    let quality = Interval { value: 0.5, low: 0.25, high: 0.75 };
    let (from, to) = (CellState::Open, CellState::Held);
    let (author, why) = ("evidence".to_owned(), "fell".to_owned());
    let change = CellChange { version: 0, at_ms: 40, cell: cell(), from, to, author, why, verdicts: 5, quality };
    assert_eq!(state.change_cell(&change).unwrap(), 1);
    let (author, why) = ("calibrate".to_owned(), "proven".to_owned());
    let kept = EvidenceVersion { version: 0, at_ms: 50, author, why, outcomes: 60, in_force: true };
    assert_eq!(state.keep_evidence(&kept, "{}").unwrap(), 1);
}

fn cell() -> CellKey {
    CellKey { task_type: TaskType::Qa, tier: "small".into() }
}

fn verdicts_are_summed_up_by_what_was_compared_and_a_person_goes_first(store: &Scratch) {
    use Preference::{Baseline, Cheap, Tie};
    let mut state = open(store);
    for (n, kind, one) in [(10, Kind::Down, Cheap), (20, Kind::Down, Cheap), (30, Kind::Down, Tie), (40, Kind::Up, Tie)]
    {
        state.keep_sample(&sample(n, kind, true)).unwrap();
        assert!(state.judge_sample(id(n), &verdict(n + 50, one, one)).unwrap());
    }
    state.label(id(30), "eve", Baseline, 99).unwrap();
    let mut told = |last: u64| -> Vec<String> {
        let line = |own: Compared| {
            let Comparison { one, other } = own.comparison;
            format!("{} {} {} {one:?} {other:?} {}", own.tier, own.models[0], own.models[1], own.weight)
        };
        let mut lines: Vec<String> = state.compared(last).unwrap().into_iter().map(line).collect();
        lines.sort();
        lines
    };
    let up = "small p/second p/served Tie Tie 0.25";
    let labelled = "small p/served p/second Baseline Baseline 0.25";
    assert_eq!(told(9), [up, labelled, "small p/served p/second Cheap Cheap 0.5"]);
    assert_eq!(told(2), [up, labelled], "the last ones only");
}

fn samples_become_verdicts_and_both_answers_know_their_side(store: &Scratch) {
    use Preference::{Baseline, Cheap, Tie};
    let mut state = open(store);
    for (n, kind) in [(10, Kind::Down), (20, Kind::Held), (30, Kind::Up)] {
        state.keep_sample(&sample(n, kind, true)).unwrap();
    }
    state.keep_sample(&sample(40, Kind::Down, false)).unwrap();
    assert_eq!(state.sample_counts(0, 100).unwrap(), SampleCounts { waiting: 4, judged: 0, given_up: 0 });
    state.give_up_lost_samples(50).unwrap();
    let waiting = state.waiting_samples(9).unwrap();
    assert_eq!(waiting, [(10, Kind::Down), (20, Kind::Held), (30, Kind::Up)].map(|(n, kind)| sample(n, kind, true)));
    assert_eq!(state.sample_counts(0, 100).unwrap(), SampleCounts { waiting: 3, judged: 0, given_up: 1 });

    assert!(state.judge_sample(id(30), &verdict(60, Tie, Tie)).unwrap());
    assert!(!state.judge_sample(id(30), &verdict(60, Cheap, Tie)).unwrap(), "there is one");
    state.judge_sample(id(10), &verdict(61, Cheap, Baseline)).unwrap();
    state.judge_sample(id(20), &verdict(62, Baseline, Baseline)).unwrap();
    state.give_up_sample(id(20), "too late", Usd::from_picos(99), 63).unwrap();
    let verdicts = state.verdicts(0, 100).unwrap();
    let said: Vec<_> = verdicts.iter().map(|judged| (judged.kind, judged.comparison.one, judged.weight)).collect();
    assert_eq!(said, [(Kind::Up, Tie, 0.25), (Kind::Down, Cheap, 0.25), (Kind::Held, Baseline, 0.25)]);
    assert_eq!(state.verdicts(61, 62).unwrap().len(), 1);
    assert_eq!(verdicts.iter().map(|judged| judged.at_ms).collect::<Vec<_>>(), [60, 61, 62]);
    let spent = Spent { cost: Usd::from_picos(33), looks: 3, eligible: 8.0, first_ms: Some(10) };
    assert_eq!(state.quality_spent(0).unwrap(), spent);
    assert_eq!(state.quality_spent(99).unwrap(), Spent::default());

    let down = state.pair(id(10)).unwrap().unwrap();
    assert_eq!(
        (down.models, down.texts),
        (["p/served".into(), "p/second".into()], Some(["{}", "shown", "second"].map(String::from)))
    );
    let up = state.pair(id(30)).unwrap().unwrap();
    assert_eq!(
        (up.models, up.texts),
        (["p/second".into(), "p/served".into()], Some(["{}", "second", "shown"].map(String::from)))
    );
    assert!(state.pair(id(40)).unwrap().is_none());

    assert_eq!(state.unlabelled(9).unwrap(), [id(10), id(20), id(30)]);
    state.label(id(10), "me", Tie, 70).unwrap();
    state.label(id(10), "me", Baseline, 71).unwrap();
    assert_eq!(state.pair(id(10)).unwrap().unwrap().person, Some(Baseline));
    assert_eq!(state.unlabelled(9).unwrap(), [id(20), id(30)]);

    assert_eq!(state.forget_texts(125).unwrap(), 2);
    let forgotten = state.pair(id(10)).unwrap().unwrap();
    assert!(forgotten.texts.is_none() && forgotten.why.is_empty(), "what was said about the texts is kept");
    assert_eq!(state.pairs_with_texts(0).unwrap().len(), 1);
    assert_eq!(state.verdicts(0, 100).unwrap().len(), 3);
}

fn answers_of_the_baseline_are_known_by_their_tokens_when_the_texts_are_gone(store: &Scratch) {
    use Preference::Tie;
    let mut state = open(store);
    for (n, kind) in [(10, Kind::Down), (20, Kind::Rule), (30, Kind::Up), (40, Kind::Held), (50, Kind::Down)] {
        state.keep_sample(&sample(n, kind, false)).unwrap();
        if n < 50 {
            assert!(state.judge_sample(id(n), &verdict(n, Tie, Tie)).unwrap());
        }
    }
    let found = |n| Shadowed { id: id(n), task_type: TaskType::Qa, baseline_tokens: 9, chance: 0.5 };
    let at = |n| RequestId::EPOCH_MS + n;
    assert_eq!(state.shadowed(0, at(100), 9).unwrap(), [found(20), found(10)]);
    assert_eq!(state.shadowed(0, at(20), 9).unwrap(), [found(10)]);
    let told = |n| (state.pair(id(n)).unwrap().unwrap().why, n);
    assert_eq!([10].map(told), [(String::new(), 10)], "a judge's words are kept though texts are not");
}

fn the_last_change_of_a_cell_is_in_force_and_history_stays(store: &Scratch) {
    let mut state = open(store);
    let change = |at_ms, from, to| CellChange {
        version: 0,
        at_ms,
        cell: cell(),
        from,
        to,
        author: "evidence".into(),
        why: "fell".into(),
        verdicts: 5,
        quality: Interval { value: 0.5, low: 0.25, high: 0.75 },
    };
    assert_eq!(state.cells_version().unwrap(), 0);
    assert_eq!(state.change_cell(&change(1, CellState::Open, CellState::Held)).unwrap(), 1);
    assert_eq!(state.change_cell(&change(2, CellState::Held, CellState::Proven)).unwrap(), 2);
    let cells = state.cells().unwrap();
    assert_eq!(cells, [CellChange { version: 2, ..change(2, CellState::Held, CellState::Proven) }]);
    assert_eq!((state.cell_history(9).unwrap().len(), state.cells_version().unwrap()), (2, 2));

    let alarm = AlarmRow { id: 0, at_ms: 5, task_type: None, tier: String::new(), words: "w".into(), delivered: false };
    let number = state.raise_alarm(&alarm).unwrap();
    state.alarm_delivered(number).unwrap();
    assert_eq!(state.alarms(5, 9).unwrap(), [AlarmRow { id: number, delivered: true, ..alarm }]);
    assert!(state.alarms(6, 9).unwrap().is_empty());
}

fn one_version_of_evidence_is_in_force_and_all_can_be_read(store: &Scratch) {
    let mut state = open(store);
    let version = |author: &str| EvidenceVersion {
        version: 0,
        at_ms: 1,
        author: author.into(),
        why: "w".into(),
        outcomes: 3,
        in_force: true,
    };
    assert_eq!(state.newest_evidence().unwrap(), None);
    assert_eq!(state.keep_evidence(&version("calibrate"), "{1}").unwrap(), 1);
    assert_eq!(state.keep_evidence(&version("schedule"), "{2}").unwrap(), 2);
    let kept: Vec<_> = state.evidence_versions().unwrap().iter().map(|kept| (kept.version, kept.in_force)).collect();
    assert_eq!(kept, [(2, true), (1, false)]);
    assert_eq!(state.newest_evidence().unwrap().map(|kept| (kept.version, kept.in_force)), Some((2, true)));
    assert_eq!((state.evidence(1).unwrap().as_deref(), state.evidence(3).unwrap()), (Some("{1}"), None));
}

fn callers_words_are_summed_by_tier(store: &Scratch) {
    let mut state = open(store);
    for (n, score) in [(1, 1.0), (2, 0.0), (2, 0.5)] {
        state
            .keep_feedback(&Feedback { id: id(n), key: "app".into(), at_ms: n, score, comment: String::new() })
            .unwrap();
    }
    let sums = state.feedback(RequestId::EPOCH_MS, RequestId::EPOCH_MS + 100).unwrap();
    assert_eq!((sums.len(), &*sums[0].tier, sums[0].count, sums[0].mean), (1, "", 2, 0.75));

    // Where the record is there, it says who answered.
    let ledger = Ledger::open(store.location(), Options::default()).unwrap();
    let call = traffic(1, 1, MONDAY_MS, HOUR_MS).next().unwrap();
    assert!(ledger.offer(call.clone()));
    ledger.close().unwrap();
    // A letter that PostgreSQL has no room for.
    let comment = "no\0thing".to_owned();
    state.keep_feedback(&Feedback { id: call.id, key: "app".into(), at_ms: 1, score: 1.0, comment }).unwrap();
    let sums = state.feedback(MONDAY_MS, MONDAY_MS + HOUR_MS).unwrap();
    assert_eq!((sums.len(), sums[0].tier.as_str()), (1, call.served_tier.as_str()));
}

on_both!(
    samples_become_verdicts_and_both_answers_know_their_side,
    verdicts_are_summed_up_by_what_was_compared_and_a_person_goes_first,
    answers_of_the_baseline_are_known_by_their_tokens_when_the_texts_are_gone,
    the_last_change_of_a_cell_is_in_force_and_history_stays,
    one_version_of_evidence_is_in_force_and_all_can_be_read,
    callers_words_are_summed_by_tier,
);
