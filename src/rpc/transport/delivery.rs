//! Until when an answer may wait for its client.
//!
//! HTTP/2 lets a client take an answer as slowly as it likes, and nothing of it is polled
//! meanwhile. So the task of the call itself watches: when the client takes nothing for too
//! long, or may not have it any more, the call is dropped, which resets its stream and gives
//! back what waited.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::sleep};

/// So much of an answer must be taken within the patience for it, or its end.
pub const PACE: usize = 64 << 10;

/// What an answer and its watch have in common: how much the client has been given, and how
/// much of it has been taken.
#[derive(Clone, Debug, Default)]
pub struct Taken(Arc<Bytes>);

#[derive(Debug, Default)]
struct Bytes {
    given: AtomicUsize,
    taken: AtomicUsize,
}

impl Taken {
    /// So many more bytes are to be taken.
    pub fn gives(&self, bytes: usize) {
        self.0.given.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many more have been.
    pub fn takes(&self, bytes: usize) {
        self.0.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    fn bytes(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Whether something has been given that is not taken.
    pub fn is_waiting(&self) -> bool {
        self.0.given.load(Ordering::Relaxed) > self.bytes()
    }
}

/// How an answer must be taken.
pub struct Watched {
    /// What is taken of it.
    pub taken: Taken,
    /// So many bytes, or all that there are,
    pub pace: usize,
    /// in this time.
    pub patience: Duration,
}

/// How an answer may wait.
pub struct Terms {
    /// For its client to take it.
    pub watched: Watched,
    /// Until nobody may have it any more.
    pub ended: BoxFuture<'static, ()>,
}

/// Where a call says that its answer waits; among the extensions of its request.
#[derive(Clone)]
pub struct Delivery(Arc<Mutex<Option<oneshot::Sender<Terms>>>>);

/// The other end, of the task of the call.
pub struct Overdue(oneshot::Receiver<Terms>);

/// Both ends.
pub fn delivery() -> (Delivery, Overdue) {
    let (begun, begins) = oneshot::channel();
    (Delivery(Arc::new(Mutex::new(Some(begun)))), Overdue(begins))
}

impl Delivery {
    /// From now on the answer waits for its client.
    pub fn begin(&self, terms: Terms) {
        if let Some(begun) = self.0.lock().take() {
            // Without anybody at the other end there is no call.
            let _ = begun.send(terms);
        }
    }
}

impl Overdue {
    /// Waits until the call is to be dropped.
    pub async fn wait(self) {
        // A call whose answer never waits ends by itself.
        let Ok(Terms { watched, ended }) = self.0.await else { return std::future::pending().await };
        tokio::select! {
            () = ended => {}
            () = untaken(watched) => tracing::debug!("an answer was not taken in time"),
        }
    }
}

async fn untaken(Watched { taken, pace, patience }: Watched) {
    loop {
        let before = taken.bytes();
        sleep(patience).await;
        if taken.is_waiting() && taken.bytes() < before + pace {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    async fn passes(overdue: &mut (impl Future<Output = ()> + Unpin), time: Duration) -> bool {
        tokio::time::advance(time).await;
        overdue.now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_must_be_taken_at_a_pace() {
        let (delivery, overdue) = delivery();
        let mut overdue = Box::pin(overdue.wait());
        assert!(!passes(&mut overdue, 100 * PATIENCE).await);
        let taken = Taken::default();
        let watched = Watched { taken: taken.clone(), pace: PACE, patience: PATIENCE };
        delivery.begin(Terms { watched, ended: Box::pin(std::future::pending()) });
        assert!(!passes(&mut overdue, Duration::ZERO).await);
        // Nothing is there to be taken.
        assert!(!passes(&mut overdue, PATIENCE).await);
        taken.gives(100 * PACE);
        for _ in 0..10 {
            taken.takes(PACE);
            assert!(!passes(&mut overdue, PATIENCE).await);
        }
        taken.takes(PACE - 1);
        assert!(passes(&mut overdue, PATIENCE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_nobody_may_have_it() {
        let (delivery, overdue) = delivery();
        let (end, ended) = oneshot::channel::<()>();
        let watched = Watched { taken: Taken::default(), pace: PACE, patience: PATIENCE };
        delivery.begin(Terms { watched, ended: Box::pin(ended.map(drop)) });
        let mut overdue = Box::pin(overdue.wait());
        assert!(!passes(&mut overdue, 100 * PATIENCE).await);
        end.send(()).unwrap();
        assert!(passes(&mut overdue, Duration::ZERO).await);
    }
}
