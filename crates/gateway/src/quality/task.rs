//! A sample on its way: as the store keeps it, and as it is worked on. Either can be made from the other, so that a restart or
//! another process goes on with what waits.

use super::answers::Said;
use bytes::Bytes;
use tierway::Seen;
use tierway_config::Config;
use tierway_decide::quality::{CellKey, Kind};
use tierway_decide::{DAY_MS, RequestId};
use tierway_ledger::quality::{Sample, SampleText};
use tierway_wire::Format;

/// What a sample is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taken {
    pub(super) id: RequestId,
    pub(super) kind: Kind,
    pub(super) cell: CellKey,
    pub(super) weight: f64,
}

/// What has to be looked at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Task {
    pub(super) taken: Taken,
    pub(super) format: Format,
    pub(super) request: Bytes,
    pub(super) served: Said,
}

impl Task {
    /// Of an answered request, with what the store keeps of it. None when the answer cannot be read.
    pub(super) fn take(config: &Config, seen: Box<Seen>, now_ms: i64) -> Option<(Sample, Self)> {
        let record = &seen.record;
        let served = Said::read(seen.format, record.stream, &seen.answer)?;
        let text = (config.quality.text_days > 0).then(|| SampleText {
            request: String::from_utf8_lossy(&seen.request).into_owned(),
            served: served.kept(),
            until_ms: now_ms + i64::from(config.quality.text_days) * DAY_MS,
        });
        let sample = Sample {
            id: record.id,
            taken_ms: now_ms,
            kind: seen.wanted.kind,
            task_type: record.prediction.task_type,
            complexity: record.prediction.complexity,
            tier: seen.wanted.cheap_tier.to_string(),
            served_model: format!("{}/{}", record.provider, record.served_model),
            format: seen.format.name().to_owned(),
            key: record.key.to_string(),
            chance: seen.wanted.drawn.chance,
            weight: seen.wanted.drawn.weight,
            served_tokens: record.usage.output_tokens,
            text,
        };
        let task = Self { taken: taken(&sample), format: seen.format, request: seen.request, served };
        Some((sample, task))
    }

    /// Of a sample that waits in the store. None where its texts are gone, or nobody knows the API it came by.
    pub(super) fn resume(sample: Sample) -> Option<Self> {
        let (taken, format) = (taken(&sample), Format::named(&sample.format)?);
        let text = sample.text?;
        Some(Self { taken, format, request: text.request.into(), served: Said::of_kept(text.served) })
    }
}

fn taken(sample: &Sample) -> Taken {
    let cell = CellKey { task_type: sample.task_type, tier: sample.tier.clone() };
    Taken { id: sample.id, kind: sample.kind, cell, weight: sample.weight }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tierway_decide::{Complexity, TaskType};

    #[test]
    fn what_waits_in_the_store_is_gone_on_with_as_it_was() {
        let said = |text: &str, calls: &[(&str, &str)]| Said {
            text: text.into(),
            calls: calls.iter().map(|(name, arguments)| ((*name).into(), (*arguments).into())).collect(),
        };
        for served in [
            said("Lima.", &[]),
            said("", &[("find", r#"{"q": "a\nb"}"#), ("find", "")]),
            said("[calls find with {}]", &[("find", "{}")]),
            // What another build kept as it is shown.
            said(r#"{"text": 1}"#, &[]),
        ] {
            let text = SampleText { request: "{}".into(), served: served.kept(), until_ms: 9 };
            let sample = Sample {
                id: RequestId::from_i64(7),
                taken_ms: 1,
                kind: Kind::Down,
                task_type: TaskType::Qa,
                complexity: Complexity::Simple,
                tier: "nano".into(),
                served_model: "p/m".into(),
                format: "openai_chat".into(),
                key: String::new(),
                chance: 0.5,
                weight: 1.0,
                served_tokens: 1,
                text: Some(text),
            };
            let task = Task::resume(sample.clone()).unwrap();
            assert_eq!((&task.served, &*task.request), (&served, &b"{}"[..]));
            assert!(Task::resume(Sample { text: None, ..sample }).is_none());
        }
        assert_eq!(Said::of_kept("plain".into()), said("plain", &[]));
    }
}
