//! A line in the log for each request, with the id under which `tierway explain` knows it: a warning where it failed, information
//! otherwise. Nothing of what was asked or answered.

use std::fmt::Write as _;
use tierway_decide::{CallRecord, CallStatus};

pub(crate) fn note(record: &CallRecord) {
    match record.status {
        CallStatus::Failed => tracing::warn!(
            request = %record.id, status = record.http_status, key = record.key.as_str(), tier = record.tier.as_str(),
            reason = %record.reason.summary(), attempts = attempts(record), took_ms = record.total_ms, "request failed"
        ),
        CallStatus::Answered | CallStatus::Cancelled | CallStatus::Refused => tracing::info!(
            request = %record.id, status = record.http_status, key = record.key.as_str(), tier = record.tier.as_str(),
            model = record.served_model.as_str(), reason = %record.reason.summary(), attempts = record.attempts.len(),
            took_ms = record.total_ms, "request"
        ),
    }
}

/// `provider/model: how it ended`, one after the other.
fn attempts(record: &CallRecord) -> String {
    let mut told = String::new();
    for attempt in &record.attempts {
        let between = if told.is_empty() { "" } else { "; " };
        // Writing to memory cannot fail.
        let _ = write!(told, "{between}{}/{}: {:?}", attempt.provider, attempt.model, attempt.end);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tierway_decide::AttemptEnd;

    /// What the log says of one request.
    fn said(status: CallStatus) -> String {
        let mut record = crate::log::blank(tierway_decide::RequestId::from_i64(77), tierway_wire::Format::OpenaiChat);
        record.status = status;
        record.served_model = "m\n2026 ERROR forged".into();
        record.attempts.push(tierway_decide::Attempt {
            tier: "nano".into(),
            provider: "p".into(),
            model: "m".into(),
            started_ms: 0,
            took_ms: 1,
            end: AttemptEnd::Stalled,
            usage: tierway_wire::Usage::default(),
            paid: None,
        });
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = {
            let lines = lines.clone();
            move || Lines(lines.clone())
        };
        let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || note(&record));
        let lines = lines.lock().unwrap();
        String::from_utf8(lines.clone()).unwrap()
    }

    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failed_request_is_a_warning_with_its_id_and_every_attempt() {
        let id = tierway_decide::RequestId::from_i64(77).to_string();
        let failed = said(CallStatus::Failed);
        assert!(failed.contains("WARN") && failed.contains(&id) && failed.contains("p/m: Stalled"), "{failed}");
        let answered = said(CallStatus::Answered);
        assert!(answered.contains("INFO") && answered.contains(&id), "{answered}");
        // A client may name any model.
        assert_eq!(answered.lines().count(), 1, "{answered}");
    }
}
