//! Credentials that run out: kept until shortly before, then had again, once for all who wait.

use std::future::Future;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// Credentials are renewed so long before they run out: a request must not reach its provider with dead ones.
const MARGIN: Duration = Duration::from_secs(60);

/// A value and when it runs out; none for never.
pub(crate) type Until<T> = (T, Option<SystemTime>);

/// Holds one value at a time.
pub(crate) struct Renewing<T> {
    held: Mutex<Option<Until<T>>>,
}

impl<T: Clone> Renewing<T> {
    pub(crate) const fn new() -> Self {
        Self { held: Mutex::const_new(None) }
    }

    /// The value, renewed where it is time. `renew` is polled only then. Whoever comes meanwhile waits for the same
    /// renewal. When it fails, what still holds is used to its end.
    pub(crate) async fn get(&self, renew: impl Future<Output = Result<Until<T>, String>>) -> Result<T, String> {
        let mut held = self.held.lock().await;
        let now = SystemTime::now();
        let good_at = |moment: SystemTime| held.as_ref().filter(|(_, until)| until.is_none_or(|until| moment < until));
        if let Some((value, _)) = good_at(now + MARGIN) {
            return Ok(value.clone());
        }
        match renew.await {
            Ok(fresh) => {
                let value = fresh.0.clone();
                *held = Some(fresh);
                Ok(value)
            }
            Err(cause) => good_at(SystemTime::now()).map(|(value, _)| value.clone()).ok_or(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// Asks several times in a row; each renewal gives the next number, or fails where it is told to.
    async fn check(lives_s: Option<u64>, fails_from: u32, want: &[Result<u32, &str>]) {
        let (renewing, count) = (Renewing::new(), AtomicU32::new(0));
        for want in want {
            let got = renewing
                .get(async {
                    let number = count.fetch_add(1, Relaxed);
                    let until = lives_s.map(|seconds| SystemTime::now() + Duration::from_secs(seconds));
                    if number < fails_from { Ok((number, until)) } else { Err("no more".to_owned()) }
                })
                .await;
            assert_eq!(got.as_ref().map_err(String::as_str), want.as_ref().map_err(|cause| *cause));
        }
    }

    #[tokio::test]
    async fn what_holds_is_kept_and_what_ends_soon_is_had_again() {
        check(None, 1, &[Ok(0), Ok(0), Ok(0)]).await;
        check(Some(3_600), 9, &[Ok(0), Ok(0)]).await;
        check(Some(30), 9, &[Ok(0), Ok(1), Ok(2)]).await;
        // Within the last minute it cannot be renewed any more: it is used to its end.
        check(Some(30), 1, &[Ok(0), Ok(0)]).await;
        check(Some(0), 1, &[Ok(0), Err("no more")]).await;
    }
}
