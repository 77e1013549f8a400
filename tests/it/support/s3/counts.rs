//! What was requested, since each request is billed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

#[derive(Default)]
pub struct Counts {
    requests: Mutex<BTreeMap<String, u64>>,
    /// From the first copy of a data file to the end of the last.
    copies: Mutex<Option<(Instant, Instant)>>,
}

impl Counts {
    pub fn count(&self, label: &str) {
        *self.requests.lock().entry(label.to_owned()).or_default() += 1;
    }

    /// Notes a request that has been done.
    pub fn done(&self, label: &str, began: Instant) {
        if label == "COPY compacted" {
            let ended = Instant::now();
            let mut copies = self.copies.lock();
            *copies = Some(copies.map_or((began, ended), |(first, last)| (first.min(began), last.max(ended))));
        }
    }

    pub fn take_copy_time(&self) -> Duration {
        self.copies.lock().take().map_or(Duration::ZERO, |(first, last)| last - first)
    }

    pub fn take_requests(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.requests.lock())
    }
}
