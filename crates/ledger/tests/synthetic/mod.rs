//! Traffic that never was, the same for the same seed: for tests, benches and examples.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::too_many_lines
)]

use tierway_decide::{
    Abstain, Attempt, AttemptEnd, CallRecord, CallStatus, Complexity, MAX_TIERS, Prediction, Reason, RejectWhy,
    Rejected, RequestId, TaskType, TierId, Usd, savings,
};
use tierway_wire::{ServiceTier, Usage};

/// 2026-03-02T00:00:00Z, a Monday.
pub const MONDAY_MS: i64 = 1_772_409_600_000;
pub const HOUR_MS: i64 = 3_600_000;

/// Name, provider, model, dollars per million tokens in and out.
const TIERS: [(&str, &str, &str, f64, f64); 3] = [
    ("nano", "openai", "gpt-4o-mini", 0.15, 0.60),
    ("standard", "openai", "gpt-4o", 5.0, 15.0),
    ("reasoning", "openai", "o1-mini", 3.0, 12.0),
];

/// splitmix64.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Many small, few large: up to `most`, median its square root.
    pub fn skewed(&mut self, most: f64) -> u64 {
        most.powf(self.unit()) as u64
    }
}

fn usd(tokens_in: u64, tokens_out: u64, tier: usize) -> Usd {
    let per_token = |per_mtok: f64| Usd::from_f64(per_mtok / 1e6);
    per_token(TIERS[tier].3).times(tokens_in) + per_token(TIERS[tier].4).times(tokens_out)
}

fn reason_and_tier(chance: &mut Chance, strong: f64) -> (Reason, usize) {
    let by_score = if strong < 0.55 { 0 } else { 1 + usize::from(strong > 0.93) };
    match chance.below(20) {
        0 => (Reason::LockedRule { rule: "health".into(), why: "patient data stays on one provider".into() }, 1),
        1 | 2 => (Reason::Rule { rule: "translation".into(), why: "short and easy".into() }, 0),
        3 => (Reason::RequestedTier, 1),
        4 => (Reason::RequestedModel, 1),
        5 | 6 => (Reason::Abstained, 1),
        7 => (Reason::SessionHeld, by_score),
        _ => (Reason::Predicted, by_score),
    }
}

/// One finished request that came at `unix_ms`; `count` tells those of one millisecond apart.
pub fn call(chance: &mut Chance, unix_ms: i64, count: u64) -> CallRecord {
    let strong = chance.unit();
    let (reason, tier) = reason_and_tier(chance, strong);
    let (name, provider, model, ..) = TIERS[tier];
    let status = match chance.below(200) {
        0 | 1 => CallStatus::Failed,
        2 => CallStatus::Cancelled,
        3 => CallStatus::Refused,
        _ => CallStatus::Answered,
    };
    let reached = status != CallStatus::Refused;
    let served = matches!(status, CallStatus::Answered | CallStatus::Cancelled);
    let usage = if served {
        let input_tokens = 20 + chance.skewed(20_000.0);
        let reasoning_tokens = if tier == 2 { chance.skewed(3_000.0) } else { 0 };
        let output_tokens = 5 + chance.skewed(2_000.0) + reasoning_tokens;
        Usage { input_tokens, output_tokens, reasoning_tokens, ..Usage::default() }
    } else {
        Usage::default()
    };
    let unpriced = chance.one_in(500);
    let first_byte_ms = 80 + chance.skewed(3_000.0) as u32;
    let total_ms = first_byte_ms + (usage.output_tokens * 9) as u32;
    let mut attempts = Vec::new();
    if reached && (status == CallStatus::Failed || chance.one_in(60)) {
        attempts.push(Attempt {
            tier: name.into(),
            provider: "azure".into(),
            model: model.into(),
            started_ms: 1,
            took_ms: 40,
            end: AttemptEnd::Http { status: 429, code: "rate_limit_exceeded".into() },
            usage: Usage::default(),
            paid: None,
        });
    }
    if served {
        attempts.push(Attempt {
            tier: name.into(),
            provider: provider.into(),
            model: model.into(),
            started_ms: 1,
            took_ms: total_ms - 1,
            end: if status == CallStatus::Cancelled { AttemptEnd::Cancelled } else { AttemptEnd::Ok },
            usage,
            paid: (!unpriced).then(|| usd(usage.input_tokens, usage.output_tokens, tier)),
        });
    }
    let paid = savings::paid(&attempts);
    let mut p_ok = [0.0; MAX_TIERS];
    let mut output_tokens = [0.0; MAX_TIERS];
    for (at, (p_ok, output)) in p_ok.iter_mut().zip(&mut output_tokens).take(TIERS.len()).enumerate() {
        *p_ok = (1.0 - strong * 0.3 / (at + 1) as f64) as f32;
        *output = 200.0 * (at + 1) as f32;
    }
    let served_name = |text: &str| if served { text.to_owned() } else { String::new() };
    let key = chance.skewed(40.0);
    CallRecord {
        id: RequestId::new(unix_ms, 7, count as u16),
        key: format!("key-{key}").into(),
        team: format!("team-{}", key % 8).into(),
        user: format!("u{:06x}", chance.skewed(100_000.0)).into(),
        session: format!("{:012x}", chance.next() >> 16).into(),
        format: "openai_chat".into(),
        stream: chance.one_in(2),
        requested_model: if reason == Reason::RequestedModel { model.into() } else { "auto".into() },
        tier: if reached { name.into() } else { "".into() },
        served_tier: served_name(name).into(),
        provider: served_name(provider).into(),
        served_model: served_name(model).into(),
        rejected: (0..TIERS.len() as u8)
            .filter(|other| usize::from(*other) != tier)
            .map(|other| Rejected {
                tier: TierId(other),
                target: None,
                why: if usize::from(other) > tier {
                    RejectWhy::Dearer
                } else {
                    RejectWhy::NotGoodEnough {
                        p_ok_mille: (p_ok[usize::from(other)] * 1000.0) as u16,
                        needed_mille: 985,
                    }
                },
            })
            .collect(),
        raised_from: "".into(),
        prediction: Prediction {
            p_ok,
            score_strong: strong as f32,
            complexity: Complexity::ALL[(strong * 3.99) as usize],
            task_type: TaskType::ALL[chance.below(9) as usize],
            novelty: chance.unit() as f32,
            abstain: (reason == Reason::Abstained).then_some(Abstain::NoSignal),
            output_tokens,
            calibrated: true,
        },
        reason,
        features: (0..96).map(|_| chance.next() as u8).collect(),
        table_version: 0x1234_5678_9abc_def0,
        adapted: if chance.one_in(30) { vec!["max_tokens".into()] } else { Vec::new() },
        attempts,
        usage,
        asked_service_tier: ServiceTier::Standard,
        usage_estimated: status == CallStatus::Cancelled,
        paid,
        classifier_paid: if chance.one_in(25) { Usd::from_picos(45_000_000) } else { Usd::ZERO },
        baseline: Some(usd(usage.input_tokens, usage.output_tokens - usage.reasoning_tokens, 1)),
        cheapest: Some(usd(usage.input_tokens, usage.output_tokens - usage.reasoning_tokens, 0)),
        http_status: match status {
            CallStatus::Answered => 200,
            CallStatus::Failed => 502,
            CallStatus::Cancelled => 499,
            CallStatus::Refused => 400,
        },
        status,
        finish: if status == CallStatus::Answered { "stop".into() } else { "".into() },
        first_byte_ms: served.then_some(first_byte_ms),
        total_ms,
        decide_us: 8 + chance.below(30) as u32,
    }
}

/// `count` requests, evenly from `from_ms` on for `span_ms`.
pub fn traffic(seed: u64, count: u64, from_ms: i64, span_ms: i64) -> impl Iterator<Item = CallRecord> {
    let mut chance = Chance(seed);
    (0..count).map(move |at| {
        let unix_ms = from_ms + (i128::from(span_ms) * i128::from(at) / i128::from(count.max(1))) as i64;
        call(&mut chance, unix_ms, at % 4096)
    })
}
