//! The one place that spawns tasks: named, supervised, drained.
//!
//! A background task that ends early (error, panic) stops the service rather
//! than leaving it half alive; a stop waits for all of them, up to a deadline.

use std::{future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The service's background tasks.
#[derive(Clone)]
pub struct Tasks {
    stop: CancellationToken,
    failed: CancellationToken,
    services: Arc<Mutex<JoinSet<&'static str>>>,
    work: TaskTracker,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            stop: CancellationToken::new(),
            failed: CancellationToken::new(),
            services: Arc::default(),
            work: TaskTracker::new(),
        }
    }
}

/// Why the service ended, or what stopping it met.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A task that should run as long as the service came to its end.
    #[error("the background task {0} stopped")]
    Stopped(&'static str),
    /// The service cannot go on safely; the reason is in the log.
    #[error("the service failed")]
    Failed,
    /// A task panicked; the panic is in the log.
    #[error("a background task panicked")]
    Panicked,
    /// Tasks were still running at the deadline and were aborted.
    #[error("tasks were still running {0:?} after the stop")]
    Late(Duration),
}

impl Tasks {
    /// Cancelled when the service stops.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a task that lives as long as the service.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn service<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.services.lock().spawn(async move {
            future.await;
            name
        });
    }

    /// Runs a piece of work that ends by itself; a stop waits for it.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn work<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.work.spawn(future)
    }

    /// The same, on another runtime.
    pub fn work_on<F>(&self, runtime: &tokio::runtime::Handle, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.work.spawn_on(future, runtime)
    }

    /// Runs a blocking call off the async threads; a stop waits for it.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn blocking<F, T>(&self, call: F) -> tokio::task::JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.work.spawn_blocking(call)
    }

    /// Returns when `shutdown` is done or a service task ended before it.
    pub async fn until(&self, shutdown: impl Future<Output = ()>) -> Result<(), TaskError> {
        let ended = async {
            loop {
                let next = std::future::poll_fn(|context| self.services.lock().poll_join_next(context)).await;
                match next {
                    Some(Ok(name)) => return TaskError::Stopped(name),
                    Some(Err(error)) => {
                        tracing::error!(%error, "a background task panicked");
                        return TaskError::Panicked;
                    }
                    None => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = shutdown => Ok(()),
            () = self.failed.cancelled() => Err(TaskError::Failed),
            error = ended => Err(error),
        }
    }

    /// Says that the service cannot go on safely.
    pub fn fail(&self) {
        self.failed.cancel();
    }

    /// Asks everything to stop.
    pub fn cancel(&self) {
        self.stop.cancel();
    }

    /// Waits for the service tasks, at most for `grace`.
    pub async fn drain_services(&self, grace: Duration) -> Result<(), TaskError> {
        let mut services = std::mem::take(&mut *self.services.lock());
        let mut panicked = false;
        let drained = tokio::time::timeout(grace, async {
            while let Some(ended) = services.join_next().await {
                panicked |= ended.is_err();
            }
        });
        match drained.await {
            Ok(()) if panicked => Err(TaskError::Panicked),
            Ok(()) => Ok(()),
            Err(_) => {
                services.shutdown().await;
                Err(TaskError::Late(grace))
            }
        }
    }

    /// Waits for the pieces of work, at most for `grace`.
    pub async fn drain_work(&self, grace: Duration) -> Result<(), TaskError> {
        self.work.close();
        tokio::time::timeout(grace, self.work.wait()).await.map_err(|_| TaskError::Late(grace))
    }
}

/// Runs a blocking call off the async threads, for those that have no tasks: whoever
/// waits for it is waited for.
#[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
pub async fn off_thread<T, F>(call: F) -> Result<T, tokio::task::JoinError>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    tokio::task::spawn_blocking(call).await
}

/// When a worker looks through its records: when its doorbell rings, and every
/// so often. The first look is immediate: that is crash recovery.
pub struct Looks {
    sweep: tokio::time::Interval,
    stop: CancellationToken,
}

impl Looks {
    /// Looks every `sweep_every`, until `stop`.
    #[must_use]
    pub fn new(sweep_every: Duration, stop: CancellationToken) -> Self {
        let mut sweep = tokio::time::interval(sweep_every);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self { sweep, stop }
    }

    /// Waits for the next look; false when the service stops, which wins.
    pub async fn next(&mut self, bell: &Notify) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = bell.notified() => true,
            _ = self.sweep.tick() => true,
        }
    }
}
