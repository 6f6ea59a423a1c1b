//! What was found about quality as judged outcomes: what `calibrate` learns from and proves on.
//!
//! Only samples whose texts are kept can teach. Each line is an outcome as documented, with its `weight`: the least chance
//! of being looked at over its own. Lines are thinned by it (one of weight 0.25 stays with a chance of a quarter, by its id),
//! so that what remains was drawn evenly from the traffic, whatever the chances were on which day: a proof wants that.

use crate::exit::Failed;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tierway_decide::quality::{JudgeRates, Preference};
use tierway_decide::{Chance, RequestId};
use tierway_ledger::quality::Pair;
use tierway_ledger::{Location, Reader, State};
use tierway_wire::splice::Fields;
use tierway_wire::{EncodeOptions, Format};

/// The outcomes of a ledger.
pub(crate) struct Log {
    /// An even sample of the traffic, in the order in which it was judged.
    pub(crate) outcomes: Vec<Value>,
    /// Judged pairs with texts that they were drawn from.
    pub(crate) pairs: usize,
    /// How often the judge errs; none while people checked too few of its verdicts, or when nobody asked.
    pub(crate) judge: Option<JudgeRates>,
    /// How many verdicts of the judge people checked, of those that were asked about.
    pub(crate) checks: u64,
    /// When the first and the last request of them came, Unix milliseconds; none without outcomes.
    pub(crate) between: Option<(i64, i64)>,
}

/// What was judged since a moment and still has its texts. With a `confidence` for them the judge's error rates are learned from
/// what people said of any of its verdicts since then, also of those whose texts are gone. Where they are known the judge's word
/// stays, because they are right for all pairs together and people see split ones first; else a person's word takes its place.
pub(crate) fn read(state: &mut State, from_ms: i64, confidence: Option<f64>) -> Result<Log, Failed> {
    let verdicts = confidence.map(|_| state.verdicts(from_ms, i64::MAX)).transpose().map_err(Failed::told)?;
    let verdicts = verdicts.unwrap_or_default();
    let judge = confidence.and_then(|sure| JudgeRates::learn(&verdicts, sure));
    let pairs = state.pairs_with_texts(from_ms).map_err(Failed::told)?;
    let least = pairs.iter().map(|pair| pair.chance).fold(1.0, f64::min);
    let weighted = pairs.iter().map(|pair| (pair, least / pair.chance));
    let even = weighted.filter(|(pair, weight)| stays(pair.id, *weight));
    let (times, outcomes): (Vec<i64>, Vec<Value>) =
        even.filter_map(|(pair, weight)| Some((pair.id.unix_ms(), outcome(pair, weight, judge.is_none())?))).unzip();
    let between = times.iter().min().copied().zip(times.iter().max().copied());
    Ok(Log { outcomes, pairs: pairs.len(), judge, checks: JudgeRates::checks(&verdicts), between })
}

/// The state of a ledger for who only asks: it may be one that nobody here can change.
pub(crate) fn state_to_read(location: Location) -> Result<State, Failed> {
    State::open_to_read(location).map_err(Failed::told)
}

/// The state of a ledger that is there, to change it: a slip of the pen makes none.
pub(crate) fn state(location: Location) -> Result<State, Failed> {
    drop(Reader::open(location.clone()).map_err(Failed::told)?);
    State::open(location).map_err(Failed::told)
}

/// One pair as an outcome; none when its request cannot be read any more. `people`: a person's word takes the judge's place.
fn outcome(pair: &Pair, weight: f64, people: bool) -> Option<Value> {
    let [request, ..] = pair.texts.as_ref()?;
    let format = Format::named(&pair.format)?;
    let chat = as_chat(format, request)?;
    let fields = Fields::parse(&chat).ok()?;
    let part = |name: &str| fields.get(name).and_then(|json| RawValue::from_string(json.to_owned()).ok());
    let by_check = pair.judge.is_empty();
    let person = pair.person.filter(|_| people || by_check);
    let judged_by = match person {
        Some(_) => "person",
        None if by_check => "check",
        None => "judge",
    };
    // A judge's two looks count for half each.
    let looks = person.map_or([pair.comparison.one, pair.comparison.other], |word| [word; 2]);
    let share = |good: fn(Preference) -> bool| looks.iter().filter(|word| good(**word)).count() as f64 / 2.0;
    let scores = [share(|word| word != Preference::Baseline), share(|word| word != Preference::Cheap)];
    let answer = |side: usize| {
        let mut answer = json!({"score": scores[side]});
        if let Some(tokens) = pair.tokens[side] {
            // What providers report holds the hidden ones, too.
            (answer["output_tokens"], answer["reasoning_tokens"]) = (tokens.into(), 0.into());
        }
        answer
    };
    let mut outcome = json!({
        "id": pair.id.to_string(), "source": "log", "weight": weight, "judged_by": judged_by,
        "task_type": pair.cell.task_type,
        "messages": part("messages")?,
        "answers": {model(&pair.models[0]): answer(0), model(&pair.models[1]): answer(1)},
    });
    for name in ["tools", "response_format"] {
        if let Some(json) = part(name) {
            outcome[name] = serde_json::to_value(json).ok()?;
        }
    }
    Some(outcome)
}

/// Whether a line stays when lines are thinned by their weights.
fn stays(id: RequestId, weight: f64) -> bool {
    Chance::new(id.as_i64().cast_unsigned() ^ 0x7468_696e_6e65_6421).share() <= weight
}

/// The model without its provider: outcomes name models.
fn model(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_, model)| model)
}

fn as_chat(format: Format, request: &str) -> Option<Vec<u8>> {
    if format == Format::OpenaiChat {
        return Some(request.as_bytes().to_vec());
    }
    let fields = Fields::parse(request.as_bytes()).ok()?;
    let neutral = tierway_wire::decode_request(format, &fields).ok()?;
    let options = EncodeOptions::new("auto");
    tierway_wire::encode_request(Format::OpenaiChat, &neutral, &options).ok().map(|encoded| encoded.body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierway_decide::TaskType;
    use tierway_decide::quality::{CellKey, Comparison, Kind};
    use tierway_learn::Outcome;

    fn pair(format: &str, request: &str, looks: [Preference; 2], judge: &str, person: Option<Preference>) -> Pair {
        Pair {
            id: RequestId::from_i64(7),
            kind: Kind::Down,
            cell: CellKey { task_type: TaskType::Qa, tier: "nano".into() },
            format: format.into(),
            comparison: Comparison { one: looks[0], other: looks[1] },
            judge: judge.into(),
            why: String::new(),
            models: ["p/small".into(), "q/large/v2".into()],
            tokens: [Some(5), None],
            chance: 0.5,
            texts: Some([request.into(), "a".into(), "b".into()]),
            person,
        }
    }

    #[track_caller]
    fn check(format: &str, request: &str, looks: [Preference; 2], person: Option<Preference>, want: [f32; 2]) {
        let pair = pair(format, request, looks, "", person);
        let outcome = Outcome::parse(&outcome(&pair, 0.5, true).unwrap().to_string()).unwrap();
        let scores = ["small", "large/v2"].map(|model| outcome.answers[model].score);
        assert_eq!((scores, outcome.length), (want, 2), "{request}");
    }

    #[test]
    fn pairs_of_every_api_are_outcomes() {
        use Preference::{Baseline, Cheap, Tie};
        let chat = r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#;
        check("openai_chat", chat, [Tie, Tie], None, [1.0, 1.0]);
        check("openai_chat", chat, [Cheap, Baseline], None, [0.5, 0.5]);
        check("openai_chat", chat, [Cheap, Baseline], Some(Baseline), [0.0, 1.0]);
        check("openai_responses", r#"{"model":"auto","input":"hi"}"#, [Baseline, Tie], None, [0.5, 1.0]);
        let messages = r#"{"model":"auto","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
        check("anthropic_messages", messages, [Cheap, Tie], None, [1.0, 0.5]);
    }

    #[test]
    fn a_person_goes_before_the_judge_unless_its_errors_are_taken_out() {
        use Preference::{Baseline, Tie};
        let chat = r#"{"model":"auto","messages":[{"role":"user","content":"hi"}]}"#;
        for (judge, person, people, want, by_judge) in [
            ("p/judge", None, true, 0.0, true),
            ("p/judge", Some(Tie), true, 1.0, false),
            ("p/judge", Some(Tie), false, 0.0, true),
            ("", None, false, 0.0, false),
            ("", Some(Tie), false, 1.0, false),
        ] {
            let pair = pair("openai_chat", chat, [Baseline, Baseline], judge, person);
            let outcome = Outcome::parse(&outcome(&pair, 1.0, people).unwrap().to_string()).unwrap();
            assert_eq!(
                (outcome.answers["small"].score, outcome.by_judge),
                (want, by_judge),
                "{judge} {person:?} {people}"
            );
        }
    }

    #[test]
    fn thinning_keeps_a_share_of_the_weight() {
        let kept = (0..20_000).filter(|n| stays(RequestId::from_i64(*n), 0.25)).count();
        assert!((4_700..5_300).contains(&kept), "{kept}");
        assert!((0..2_000).all(|n| stays(RequestId::from_i64(n), 1.0)));
    }
}
