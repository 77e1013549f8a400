//! What is known of sources while the server runs, and how they look from
//! outside.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::state::Visible;
use crate::{
    clock::Micros,
    records::{Failure, Source, SourceMark},
};

/// A source as callers see it.
#[derive(Clone, Debug)]
pub struct View {
    /// What it is.
    pub record: Source,
    /// What it does.
    pub state: Visible,
    /// Why it is in ERROR, or what the last scan met.
    pub error: Option<Failure>,
    /// What it has done, durably.
    pub mark: SourceMark,
    /// Objects that were found and not yet read.
    pub pending: u64,
    /// When the last scan ended.
    pub last_scan_time: Option<Micros>,
    /// It is gone.
    pub deleted: bool,
}

/// The task of a source.
#[derive(Clone, Debug)]
pub(super) struct Task {
    /// Asks it to end.
    pub stop: CancellationToken,
    /// Cancelled when it has ended.
    pub ended: CancellationToken,
}

#[derive(Debug, Default)]
struct Live {
    task: Option<Task>,
    mark: Option<SourceMark>,
    /// Set by the first scan.
    pending: Option<u64>,
    last_scan_time: Option<Micros>,
    error: Option<Failure>,
    /// There is no such source any more.
    is_gone: bool,
}

impl Live {
    /// One of the objects found is no longer to come.
    fn settle(&mut self) {
        if let Some(pending) = self.pending.as_mut() {
            *pending = pending.saturating_sub(1);
        }
    }
}

/// All of them, by uid.
#[derive(Debug, Default)]
pub(super) struct Lives(Mutex<HashMap<Uuid, Live>>);

impl Lives {
    /// A task for a source, unless it has one.
    pub fn start(&self, uid: Uuid, service: &CancellationToken) -> Option<Task> {
        let mut lives = self.0.lock();
        let live = lives.entry(uid).or_default();
        if live.task.is_some() {
            return None;
        }
        let task = Task { stop: service.child_token(), ended: CancellationToken::new() };
        live.pending = None;
        live.task = Some(task.clone());
        Some(task)
    }

    /// The task has ended.
    pub fn ended(&self, uid: Uuid) {
        let mut lives = self.0.lock();
        match lives.get_mut(&uid) {
            Some(live) if live.is_gone => drop(lives.remove(&uid)),
            Some(live) => live.task = None,
            None => {}
        }
    }

    /// Asks the task of a source to end; returns what tells that it has.
    pub fn stop(&self, uid: Uuid) -> Option<CancellationToken> {
        let lives = self.0.lock();
        let task = lives.get(&uid)?.task.as_ref()?;
        task.stop.cancel();
        Some(task.ended.clone())
    }

    /// Whether a source has a task.
    pub fn is_busy(&self, uid: Uuid) -> bool {
        self.0.lock().get(&uid).is_some_and(|live| live.task.is_some())
    }

    /// Whether its counters are known.
    pub fn is_loaded(&self, uid: Uuid) -> bool {
        self.0.lock().get(&uid).is_some_and(|live| live.mark.is_some())
    }

    /// Notes counters that were read beside its task, which knows better.
    pub fn load(&self, uid: Uuid, mark: SourceMark) {
        self.0.lock().entry(uid).or_default().mark.get_or_insert(mark);
    }

    /// Notes its counters.
    pub fn counted(&self, uid: Uuid, mark: &SourceMark) {
        self.0.lock().entry(uid).or_default().mark = Some(mark.clone());
    }

    /// Notes its counters, and in the same moment that an object was read, if it was:
    /// nobody sees it as done and as one to come.
    pub fn landed(&self, uid: Uuid, mark: &SourceMark, done: bool) {
        let mut lives = self.0.lock();
        let live = lives.entry(uid).or_default();
        live.mark = Some(mark.clone());
        if done {
            live.settle();
        }
    }

    /// Notes what a scan found.
    pub fn scanned(&self, uid: Uuid, pending: usize, now: Micros) {
        let mut lives = self.0.lock();
        let live = lives.entry(uid).or_default();
        live.pending = Some(pending as u64);
        live.last_scan_time = Some(now);
    }

    /// One more object is to come than the scan has found.
    pub fn expected(&self, uid: Uuid) {
        if let Some(pending) = self.0.lock().get_mut(&uid).and_then(|live| live.pending.as_mut()) {
            *pending += 1;
        }
    }

    /// One of the objects found was read, or is gone.
    pub fn settled(&self, uid: Uuid) {
        if let Some(live) = self.0.lock().get_mut(&uid) {
            live.settle();
        }
    }

    /// Notes what the last scan met; true if that is news.
    pub fn met(&self, uid: Uuid, error: Option<Failure>) -> bool {
        let mut lives = self.0.lock();
        let live = lives.entry(uid).or_default();
        let news = live.error != error;
        live.error = error;
        news
    }

    /// Forgets a source that is no more. One whose task has not ended is forgotten then.
    pub fn forget(&self, uid: Uuid) {
        let mut lives = self.0.lock();
        match lives.get_mut(&uid) {
            Some(live) if live.task.is_some() => live.is_gone = true,
            _ => drop(lives.remove(&uid)),
        }
    }

    /// Forgets those that are no more: one may have been read before it went, and noted
    /// behind that.
    pub fn keep(&self, is_known: impl Fn(Uuid) -> bool) {
        self.0.lock().retain(|uid, live| live.task.is_some() || is_known(*uid));
    }

    /// A source as callers see it.
    pub fn view(&self, record: Source) -> View {
        let lives = self.0.lock();
        let unknown = Live::default();
        let live = lives.get(&record.uid).unwrap_or(&unknown);
        View {
            state: Visible::of(record.state, live.pending),
            error: record.error.clone().or_else(|| live.error.clone()),
            mark: live.mark.clone().unwrap_or_default(),
            pending: live.pending.unwrap_or_default(),
            last_scan_time: live.last_scan_time,
            deleted: false,
            record,
        }
    }
}
