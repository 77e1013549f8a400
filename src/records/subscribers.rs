//! What follows from a commit, in the order of the log: who subscribes to a kind of
//! records is told of each change of one, when it can be read and before the caller has
//! its answer.

use std::sync::Arc;

use parking_lot::RwLock;

use super::{Record, index::Raw};
use crate::stored::RecordWrite;

/// Tells a subscriber: the record before, and after.
type Tell = dyn Fn(Option<&Raw>, Option<&[u8]>) + Send + Sync;

/// Who is told of what is committed.
#[derive(Default)]
pub struct Subscribers(RwLock<Vec<(&'static str, Arc<Tell>)>>);

impl Subscribers {
    /// From now on `each` is told of every change of a record of kind `R`: what it was
    /// and what it is, none where there is none. It must neither wait nor commit.
    pub fn add<R: Record>(&self, each: impl Fn(Option<&R>, Option<&R>) + Send + Sync + 'static) {
        let tell = move |before: Option<&Raw>, after: Option<&[u8]>| {
            // What was committed can be read: the secondary indexes have read it.
            let before = before.and_then(|raw| R::decode(raw.value()).ok());
            let after = after.and_then(|value| R::decode(value).ok());
            each(before.as_ref(), after.as_ref());
        };
        self.0.write().push((R::PREFIX, Arc::new(tell)));
    }

    /// Tells of the writes of an entry, and of what was there before.
    pub(super) fn tell(&self, writes: &[RecordWrite], before: &[Option<Raw>]) {
        let subscribers = self.0.read().clone();
        for (RecordWrite { key, value }, before) in writes.iter().zip(before) {
            for (_, tell) in subscribers.iter().filter(|(prefix, _)| key.starts_with(prefix.as_bytes())) {
                tell(before.as_ref(), value.as_deref());
            }
        }
    }
}
