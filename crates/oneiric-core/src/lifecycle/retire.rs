//! Instances out of service: stopped once, after their last user has left.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;

use super::Inner;
use super::live::Retired;
use super::timeouts::within;

/// Instances that are out of service and not stopped yet.
#[derive(Debug, Default)]
pub(super) struct Retirement {
    waiting: Mutex<Vec<Retired>>,
    news: Notify,
}

impl Retirement {
    pub(super) fn push(&self, retired: Retired) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(retired);
        self.news.notify_one();
    }

    fn take(&self) -> Vec<Retired> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One that is being put down. Given back where that is given up, unless its stop had begun: an
/// instance is asked to stop once.
struct Leaving<'a> {
    retirement: &'a Retirement,
    retired: Option<Retired>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(retired) = self.retired.take() {
            self.retirement.push(retired);
        }
    }
}

/// What to do with an instance that is still in use when the wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Leave it; somebody comes back to it.
    Leave,
    /// Stop it all the same.
    Stop,
}

impl Inner {
    /// Puts down what is out of service and not in use any more.
    pub(super) async fn sweep(&self) {
        let all = self.retirement.take().into_iter();
        join_all(all.map(|retired| self.put_down(retired, Some(Duration::ZERO), Then::Leave))).await;
    }

    /// Puts down whatever goes out of service, as soon as nobody uses it. Never returns.
    pub(super) async fn tend(&self) {
        let mut leaving = FuturesUnordered::new();
        loop {
            leaving.extend(
                self.retirement.take().into_iter().map(|retired| self.put_down(retired, None, Then::Leave)),
            );
            tokio::select! {
                () = self.retirement.news.notified() => {}
                Some(_) = leaving.next() => {}
            }
        }
    }

    /// Puts down what is out of service, users or not, by the end of `limit`.
    pub(super) async fn sweep_all(&self, limit: Duration) -> bool {
        let all = self.retirement.take();
        let gone = join_all(all.into_iter().map(|retired| self.put_down(retired, Some(limit), Then::Stop)));
        gone.await.into_iter().all(|gone| gone)
    }

    /// Waits for the users of an instance, then stops it. Without a limit the wait is as long as its
    /// last user takes. Returns whether it was stopped, and with no user left.
    pub(super) async fn put_down(&self, retired: Retired, limit: Option<Duration>, then: Then) -> bool {
        let mut leaving = Leaving { retirement: &self.retirement, retired: Some(retired) };
        let retired = leaving.retired.as_mut().expect("it was put there a line ago");
        let unused = match limit {
            None => {
                retired.unused_by_now().await;
                true
            }
            Some(limit) => tokio::select! {
                biased;
                () = retired.unused_by_now() => true,
                () = self.clock.sleep(limit) => false,
            },
        };
        if !unused {
            if then == Then::Leave {
                return false;
            }
            let descriptor = &retired.descriptor;
            tracing::warn!(
                domain = %descriptor.domain, key = %descriptor.key, provider = %descriptor.provider,
                "component is stopped while it is in use"
            );
        }
        let retired = leaving.retired.take().expect("nobody else takes it");
        self.stop_instance(&retired).await;
        unused
    }

    async fn stop_instance(&self, retired: &Retired) {
        let descriptor = &retired.descriptor;
        let (domain, key, provider) = (&descriptor.domain, &descriptor.key, &descriptor.provider);
        let component = retired.instance.component();
        if let Err(fault) = within(&*self.clock, self.timeouts.cleanup, component.stop()).await {
            tracing::warn!(%domain, %key, %provider, %fault, "component did not stop cleanly");
        }
        for hook in &self.hooks {
            let side = retired.side();
            if let Err(fault) = within(&*self.clock, self.timeouts.hook, hook.stopped(&side)).await {
                tracing::warn!(%domain, %key, %provider, hook = hook.name(), %fault, "hook failed after a stop");
            }
        }
        tracing::debug!(%domain, %key, %provider, "component stopped");
    }
}
