//! The latest value of things that are watched, for as long as they change.
//! A watcher costs one value; whoever is slow sees the newest, not a backlog.

use std::{collections::HashMap, hash::Hash};

use parking_lot::Mutex;
use tokio::sync::watch;

/// Watched values by key.
#[derive(Debug)]
pub struct Hub<K, V> {
    live: Mutex<HashMap<K, watch::Sender<V>>>,
}

impl<K, V> Default for Hub<K, V> {
    fn default() -> Self {
        Self { live: Mutex::default() }
    }
}

impl<K: Eq + Hash, V: Clone> Hub<K, V> {
    /// Announces a value. A `last` one ends all watches behind it.
    pub fn publish(&self, key: K, value: V, last: bool) {
        let mut live = self.live.lock();
        if last {
            // Dropping the sender ends the streams, after they have read.
            if let Some(sender) = live.remove(&key) {
                sender.send_replace(value);
            }
        } else if let Some(sender) = live.get(&key) {
            if sender.receiver_count() == 0 {
                live.remove(&key);
            } else {
                sender.send_replace(value);
            }
        }
    }

    /// The latest value, while somebody watches.
    pub fn latest(&self, key: &K) -> Option<V> {
        self.live.lock().get(key).map(|sender| sender.borrow().clone())
    }

    /// Watches a value from what `current` reads. It is read again behind the
    /// subscription, so that a last value announced in between is not missed;
    /// `None` means that there is nothing more to come.
    pub fn watch<E>(
        &self,
        key: K,
        mut current: impl FnMut() -> Result<(V, bool), E>,
    ) -> Result<(V, Option<watch::Receiver<V>>), E> {
        let (value, last) = current()?;
        if last {
            return Ok((value, None));
        }
        let receiver = {
            let mut live = self.live.lock();
            live.retain(|_, sender| sender.receiver_count() > 0);
            live.entry(key).or_insert_with(|| watch::channel(value).0).subscribe()
        };
        let (value, last) = current()?;
        Ok((value, (!last).then_some(receiver)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_sees_the_newest_value_and_the_last() {
        let hub = Hub::default();
        let (first, receiver) = hub.watch("a", || Ok::<_, ()>((1, false))).unwrap();
        let mut receiver = receiver.unwrap();
        assert_eq!(first, 1);
        hub.publish("a", 2, false);
        hub.publish("a", 3, false);
        receiver.changed().await.unwrap();
        assert_eq!(*receiver.borrow_and_update(), 3);
        hub.publish("a", 4, true);
        receiver.changed().await.unwrap();
        assert_eq!(*receiver.borrow_and_update(), 4);
        assert!(receiver.changed().await.is_err(), "the last value ends the watch");
        assert_eq!(hub.latest(&"a"), None);
    }

    #[test]
    fn what_nobody_watches_any_more_is_forgotten() {
        let hub = Hub::default();
        drop(hub.watch("a", || Ok::<_, ()>((1, false))).unwrap());
        hub.publish("a", 2, false);
        assert_eq!(hub.latest(&"a"), None);
    }

    #[test]
    fn a_last_value_announced_while_subscribing_is_not_missed() {
        let hub = Hub::default();
        let mut reads = [(1, false), (2, true)].into_iter();
        let (value, receiver) = hub.watch("a", || reads.next().ok_or(())).unwrap();
        assert_eq!(value, 2);
        assert!(receiver.is_none());
    }
}
