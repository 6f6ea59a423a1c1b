//! Credentials that run out: kept until shortly before, then had again, once for all who wait.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Credentials are renewed so long before they run out: a request must not reach its provider with dead ones.
const MARGIN: Duration = Duration::from_secs(60);

/// A renewal that failed is not tried again so soon while the value still holds: each try may take seconds.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// A value and when it runs out; none for never.
pub(crate) type Until<T> = (T, Option<SystemTime>);

/// Holds one value at a time.
pub(crate) struct Renewing<T> {
    held: Mutex<Held<T>>,
    /// Whose turn it is to renew.
    turn: tokio::sync::Mutex<()>,
}

struct Held<T> {
    value: Option<Until<T>>,
    /// When the last renewal failed, and why.
    failed: Option<(Instant, String)>,
}

impl<T: Clone> Renewing<T> {
    pub(crate) const fn new() -> Self {
        Self { held: Mutex::new(Held { value: None, failed: None }), turn: tokio::sync::Mutex::const_new(()) }
    }

    /// The value, renewed where it is time. `renew` is polled only then. Whoever has no value waits for the renewal that is
    /// under way, and fails as it fails: one by one, each would wait for all before it. What still holds is used meanwhile, and
    /// to its end when the renewal fails.
    pub(crate) async fn get(&self, renew: impl Future<Output = Result<Until<T>, String>>) -> Result<T, String> {
        if let Some(value) = self.good(MARGIN) {
            return Ok(value);
        }
        let holds = self.good(Duration::ZERO).filter(|_| self.turn.try_lock().is_err() || self.failed_lately());
        if let Some(value) = holds {
            return Ok(value);
        }
        let came = Instant::now();
        let _turn = self.turn.lock().await;
        if let Some(value) = self.good(MARGIN) {
            return Ok(value);
        }
        if let Some(cause) = self.failed_since(came) {
            return self.good(Duration::ZERO).ok_or(cause);
        }
        let renewed = renew.await;
        let mut held = self.held();
        match renewed {
            Ok(fresh) => {
                let value = fresh.0.clone();
                *held = Held { value: Some(fresh), failed: None };
                Ok(value)
            }
            Err(cause) => {
                held.failed = Some((Instant::now(), cause.clone()));
                drop(held);
                self.good(Duration::ZERO).ok_or(cause)
            }
        }
    }

    /// The value, whether it still holds or not.
    pub(crate) fn held_now(&self) -> Option<T> {
        self.held().value.as_ref().map(|(value, _)| value.clone())
    }

    /// The value, if it holds for so long from now on.
    fn good(&self, margin: Duration) -> Option<T> {
        let moment = SystemTime::now() + margin;
        let held = self.held();
        let (value, until) = held.value.as_ref()?;
        until.is_none_or(|until| moment < until).then(|| value.clone())
    }

    fn failed_lately(&self) -> bool {
        self.held().failed.as_ref().is_some_and(|(at, _)| at.elapsed() < TRY_AGAIN_AFTER)
    }

    /// Why the last renewal failed, if that was after this moment.
    fn failed_since(&self, moment: Instant) -> Option<String> {
        self.held().failed.as_ref().filter(|(at, _)| *at >= moment).map(|(_, cause)| cause.clone())
    }

    fn held(&self) -> MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// A server of tokens that says nothing: who still has a token does not wait for it.
    #[tokio::test]
    async fn nobody_waits_for_a_renewal_while_the_old_value_holds() {
        let renewing = Renewing::new();
        let soon = || Some(SystemTime::now() + Duration::from_secs(30));
        assert_eq!(renewing.get(async { Ok((1, soon())) }).await, Ok(1));
        let mut hanging = std::pin::pin!(renewing.get(std::future::pending()));
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(hanging.as_mut().poll(cx).is_pending())).await);
        assert_eq!(renewing.get(async { Ok((2, soon())) }).await, Ok(1));
    }

    /// A server of tokens that fails late: all who wait for it hear so at once, and whoever comes later asks again.
    #[tokio::test]
    async fn who_waited_for_a_renewal_that_failed_does_not_try_it_again() {
        let (renewing, count) = (Renewing::<u32>::new(), AtomicU32::new(0));
        let ask = async || {
            let renew = async {
                count.fetch_add(1, Relaxed);
                // The others come to wait meanwhile.
                tokio::task::yield_now().await;
                Err("no more".to_owned())
            };
            renewing.get(renew).await
        };
        let waited = futures_util::future::join_all((0..5).map(|_| ask())).await;
        assert_eq!((waited, count.load(Relaxed)), (vec![Err("no more".to_owned()); 5], 1));
        assert_eq!((ask().await, count.load(Relaxed)), (Err("no more".to_owned()), 2));
    }

    #[tokio::test]
    async fn a_renewal_that_failed_is_left_alone_for_a_while() {
        let renewing = Renewing::new();
        let until = Some(SystemTime::now() + Duration::from_secs(30));
        assert_eq!(renewing.get(async { Ok((1, until)) }).await, Ok(1));
        assert_eq!(renewing.get(async { Err("no more".to_owned()) }).await, Ok(1));
        assert_eq!(renewing.get(async { Ok((2, None)) }).await, Ok(1));
    }
}
