//! The one place that spawns tasks: named, supervised, drained.
//!
//! A background task that ends early stops the service rather than leaving it half alive.
//! One that panics begins again: it goes by what is recorded, so that is like a start of
//! the service. A stop waits for all of them, up to a deadline.

mod slice;

use std::{
    any::Any, collections::BTreeMap, fmt::Write, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration,
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::Notify,
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::slice::{SLICE, Slice};
use crate::{clock::words, error::Error};

/// Until a background task that has panicked begins again.
const PAUSE: Duration = Duration::from_secs(1);

/// The service's background tasks.
#[derive(Clone)]
pub struct Tasks {
    stop: CancellationToken,
    failed: CancellationToken,
    services: Arc<Mutex<JoinSet<&'static str>>>,
    work: TaskTracker,
    /// Where work runs that says nothing else, whoever begins it; absent: where it is begun.
    main: Option<Handle>,
    running_services: Arc<Running>,
    running_work: Arc<Running>,
}

/// How many tasks of each name run.
#[derive(Default)]
struct Running(Mutex<BTreeMap<&'static str, usize>>);

/// Counts a task for as long as it lives, whether or not it runs to its end.
struct Counted {
    name: &'static str,
    among: Arc<Running>,
}

impl Running {
    fn count(self: &Arc<Self>, name: &'static str) -> Counted {
        *self.0.lock().entry(name).or_default() += 1;
        Counted { name, among: Arc::clone(self) }
    }

    /// Their names, for people.
    fn names(&self) -> String {
        let mut names = String::new();
        for (name, count) in self.0.lock().iter().filter(|(_, count)| **count > 0) {
            let comma = if names.is_empty() { "" } else { ", " };
            let times = if *count > 1 { format!(" ({count})") } else { String::new() };
            let _ = write!(names, "{comma}{name}{times}");
        }
        names
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(count) = self.among.0.lock().get_mut(self.name) {
            *count -= 1;
        }
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            stop: CancellationToken::new(),
            failed: CancellationToken::new(),
            services: Arc::default(),
            work: TaskTracker::new(),
            main: Handle::try_current().ok(),
            running_services: Arc::default(),
            running_work: Arc::default(),
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
    #[error("still running {} after the stop: {names}", words(*.grace))]
    Late {
        /// How long was waited for them.
        grace: Duration,
        /// Which they are.
        names: String,
    },
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
        let counted = self.running_services.count(name);
        self.services.lock().spawn(async move {
            future.await;
            drop(counted);
            name
        });
    }

    /// Runs a task that lives as long as the service, and begins it again when it has panicked,
    /// with what it had at first.
    pub fn worker<S, F>(&self, name: &'static str, state: S, begin: impl Fn(S, CancellationToken) -> F + Send + 'static)
    where
        S: Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.service(name, async move {
            loop {
                let worker = AssertUnwindSafe(begin(state.clone(), stop.clone()));
                let Err(panic) = worker.catch_unwind().await else { return };
                tracing::error!(name, panic = panic_message(&*panic), "a background task panicked; it begins again");
                if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                    return;
                }
            }
        });
    }

    /// Runs a piece of work that ends by itself, on the runtime that these tasks were made on:
    /// a database that is opened for background work is everybody's. A stop waits for it.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn work<F>(&self, name: &'static str, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.main {
            Some(main) => self.work_on(main, name, future),
            None => self.work.spawn(self.counted(name, future)),
        }
    }

    /// The same, on another runtime.
    pub fn work_on<F>(
        &self,
        runtime: &tokio::runtime::Handle,
        name: &'static str,
        future: F,
    ) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.work.spawn_on(self.counted(name, future), runtime)
    }

    /// Runs a blocking call off the async threads; a stop waits for it.
    #[allow(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn blocking<F, T>(&self, name: &'static str, call: F) -> tokio::task::JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let counted = self.running_work.count(name);
        self.work.spawn_blocking(move || {
            let _counted = counted;
            call()
        })
    }

    fn counted<F: Future>(&self, name: &'static str, future: F) -> impl Future<Output = F::Output> + use<F> {
        let counted = self.running_work.count(name);
        async move {
            let _counted = counted;
            future.await
        }
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
                let names = self.running_services.names();
                services.shutdown().await;
                Err(TaskError::Late { grace, names })
            }
        }
    }

    /// Waits for the pieces of work, at most for `grace`.
    pub async fn drain_work(&self, grace: Duration) -> Result<(), TaskError> {
        self.work.close();
        let drained = tokio::time::timeout(grace, self.work.wait()).await;
        drained.map_err(|_| TaskError::Late { grace, names: self.running_work.names() })
    }
}

/// Work whose panic is an error of its own: INTERNAL. Behind it nothing may be used that it
/// may have left half done, but for records and files, which are good at any moment.
pub async fn caught<T, E: From<Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let message = panic_message(&*panic);
        Err(Error::internal(format!("it panicked: {message}")).into())
    })
}

/// What a panic says.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// Computes for long on the thread of a task, and has another thread go on with the other
/// tasks of it meanwhile. The task itself gets on with nothing else.
pub fn in_place<T>(compute: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(compute),
        // There is no other thread.
        _ => compute(),
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

/// What a worker looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// All that there may be to do.
    AtAll,
    /// What the bell was rung for.
    AtWhatRang,
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
        self.next_of(bell).await.is_some()
    }

    /// The same, and what it is for; a sweep comes in its time however often the bell rings.
    pub async fn next_of(&mut self, bell: &Notify) -> Option<Look> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            _ = self.sweep.tick() => Some(Look::AtAll),
            () = bell.notified() => Some(Look::AtWhatRang),
        }
    }
}
