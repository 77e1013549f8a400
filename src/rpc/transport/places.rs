//! The places that connections take.
//!
//! There are so many, and a connection keeps its place until it is closed and its calls have
//! ended. Whoever has not been let in yet, because it has shown no key, has its place on
//! sufferance: it goes when the last one was taken, so that newcomers with a key get in,
//! and when nothing has been heard of it for a while.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::windows::Windows;
use crate::{
    error::Error,
    share::{Budget, Division, Share, Tenant},
};

/// So long a newcomer has to show its key, whoever else wants to come in.
const AT_LEAST: Duration = Duration::from_millis(500);

/// All of them.
#[derive(Clone, Debug)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    free: Arc<Semaphore>,
    /// Those of clients with a key: one that has many leaves some to others.
    known: Arc<Budget>,
    /// Those on sufferance, the oldest first.
    strangers: Mutex<Strangers>,
    windows: Windows,
}

#[derive(Debug, Default)]
struct Strangers {
    next: u64,
    waiting: BTreeMap<u64, Stranger>,
}

#[derive(Debug)]
struct Stranger {
    since: Instant,
    taken_away: CancellationToken,
}

/// One of them, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    number: u64,
    kept: AtomicBool,
    /// The part of a key's tenant in all connections.
    share: Mutex<Option<Share>>,
    taken_away: CancellationToken,
    places: Arc<Inner>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many.
    pub fn new(count: usize) -> Self {
        let known = Budget::new("connections", Division::of(count));
        let (free, strangers, windows) = (Arc::new(Semaphore::new(count)), Mutex::default(), Windows::default());
        Self(Arc::new(Inner { free, known, strangers, windows }))
    }

    /// The next free one. If there is none, a stranger's is taken away, the oldest of them.
    pub async fn take(&self) -> Place {
        loop {
            let free = Arc::clone(&self.0.free);
            let oldest = self.0.strangers.lock().waiting.values().next().map(|stranger| stranger.since + AT_LEAST);
            let outdo = async {
                match oldest {
                    Some(due) => tokio::time::sleep_until(due).await,
                    // Somebody may have come meanwhile who has shown no key.
                    None => tokio::time::sleep(AT_LEAST).await,
                }
            };
            tokio::select! {
                biased;
                permit = free.acquire_owned() => if let Ok(permit) = permit {
                    return self.0.clone().place(permit);
                },
                () = outdo => self.0.outdo(),
            }
        }
    }
}

impl Inner {
    fn place(self: Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        let taken_away = CancellationToken::new();
        let mut strangers = self.strangers.lock();
        let number = strangers.next;
        strangers.next += 1;
        strangers.waiting.insert(number, Stranger { since: Instant::now(), taken_away: taken_away.clone() });
        drop(strangers);
        Place {
            number,
            kept: AtomicBool::new(false),
            share: Mutex::default(),
            taken_away,
            places: self,
            _permit: permit,
        }
    }

    /// Takes the oldest stranger's place away, if it has had its time.
    fn outdo(&self) {
        let mut strangers = self.strangers.lock();
        if let Some(oldest) = strangers.waiting.first_entry()
            && oldest.get().since.elapsed() >= AT_LEAST
        {
            oldest.remove().taken_away.cancel();
        }
    }
}

impl Place {
    /// Whoever has it has been let in: it is nobody else's any more. A tenant that has too many
    /// is refused; where nobody needs a key there are none.
    pub fn keep(&self, tenant: Option<&Tenant>) -> Result<(), Error> {
        if self.is_kept() {
            return Ok(());
        }
        let mut share = self.share.lock();
        if share.is_none() {
            *share = tenant.map(|tenant| self.places.known.take(tenant, 1)).transpose()?;
        }
        self.kept.store(true, Ordering::Relaxed);
        self.places.strangers.lock().waiting.remove(&self.number);
        Ok(())
    }

    /// Whether somebody has been let in.
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// Whose key it is kept for, if for any.
    pub fn tenant(&self) -> Option<Tenant> {
        self.share.lock().as_ref().map(|share| share.tenant().clone())
    }

    /// The room for what connections are sent ahead of its being taken.
    pub fn windows(&self) -> &Windows {
        &self.places.windows
    }

    /// Cancelled when it is somebody else's.
    pub fn taken_away(&self) -> CancellationToken {
        self.taken_away.clone()
    }

    /// Somebody has come to take it, for whom it may have waited for long.
    pub fn since_now(self) -> Self {
        if let Some(stranger) = self.places.strangers.lock().waiting.get_mut(&self.number) {
            stranger.since = Instant::now();
        }
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.strangers.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_takes_the_oldest_strangers_place_after_its_time() {
        let places = Places::new(3);
        let known = places.take().await;
        known.keep(None).unwrap();
        let first = places.take().await;
        tokio::time::advance(AT_LEAST / 2).await;
        let second = places.take().await;
        let mut newcomer = Box::pin(places.take());
        tokio::time::sleep(AT_LEAST * 49 / 100).await;
        assert!((&mut newcomer).now_or_never().is_none());
        assert!(!first.taken_away().is_cancelled());
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!((&mut newcomer).now_or_never().is_none());
        assert!(first.taken_away().is_cancelled());
        assert!(!second.taken_away().is_cancelled());
        drop(first);
        let newcomer = newcomer.await;
        // Whoever is known stays, however many come.
        newcomer.keep(None).unwrap();
        second.keep(None).unwrap();
        let mut next = Box::pin(places.take());
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!((&mut next).now_or_never().is_none());
        assert!([&known, &second, &newcomer].iter().all(|place| !place.taken_away().is_cancelled()));
        drop(second);
        next.await;
    }

    #[tokio::test]
    async fn a_key_leaves_some_to_others() {
        let places = Places::new(8);
        let (one, other) = (Tenant::new("a", Some("a")), Tenant::new("b", Some("b")));
        let mut of_one = Vec::new();
        let refused = loop {
            let place = places.take().await;
            match place.keep(Some(&one)) {
                Ok(()) => of_one.push(place),
                Err(_) => break place,
            }
        };
        // Three quarters of three quarters.
        assert_eq!((of_one.len(), refused.is_kept()), (5, false));
        refused.keep(Some(&other)).unwrap();
    }

    #[tokio::test]
    async fn a_place_that_is_given_back_leaves_nothing() {
        let places = Places::new(1);
        for _ in 0..3 {
            drop(places.take().await);
        }
        assert!(places.0.strangers.lock().waiting.is_empty());
        assert_eq!(places.0.free.available_permits(), 1);
    }
}
