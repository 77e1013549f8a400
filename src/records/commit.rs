//! Group commit: the changes that wait together share one entry of the log.
//!
//! Entries are written one at a time, since each stands on the one before. Whoever
//! finds nobody at it sets a task to it, which goes on until nothing waits: a
//! change is settled even if its caller goes away.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    change::{Change, CommitError},
    checksum::Checksum,
    compact::Compactor,
    entry::{self, Hash, Tip},
    index::{Index, Version},
    log::{Log, Refused},
};
use crate::{
    clock::{Clock, new_uid},
    error::Error,
    stored::{LogEntry, RecordWrite},
    tasks::Tasks,
};

/// The most that an entry holds, by our estimate of its changes.
const MAX_ENTRY_BYTES: usize = 4 << 20;
/// How long a change waits for its turn. One whose entry is being written waits for as
/// long as that takes: nobody may undo an effect whose record can still appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes changes in and writes them to the log.
pub struct Committer {
    index: Index,
    log: Log,
    clock: Clock,
    tasks: Tasks,
    compactor: Compactor,
    /// Names this process in the entries that it writes.
    writer: Uuid,
    queue: Mutex<Queue>,
    /// Of the newest entry; changed only by the task that writes.
    tip: Mutex<Tip>,
    tickets: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// A task is at it.
    busy: bool,
    /// Nothing is written any more.
    closed: bool,
}

struct Waiting {
    ticket: u64,
    change: Change,
    answer: oneshot::Sender<Result<(), CommitError>>,
}

/// The changes of one entry.
#[derive(Default)]
struct Group {
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
    made: Vec<oneshot::Sender<Result<(), CommitError>>>,
    /// Those that are told of a conflict, when what they conflict with can be read.
    refused: Vec<(oneshot::Sender<Result<(), CommitError>>, CommitError)>,
}

impl Committer {
    /// Goes on behind `tip`, which the index has reached.
    pub fn new(index: Index, log: Log, clock: Clock, tasks: Tasks, compactor: Compactor, tip: Tip) -> Self {
        Self {
            index,
            log,
            clock,
            tasks,
            compactor,
            writer: new_uid(),
            queue: Mutex::default(),
            tip: Mutex::new(tip),
            tickets: AtomicU64::new(0),
        }
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.tip.lock().revision
    }

    /// Over all records.
    pub fn checksum(&self) -> Checksum {
        self.tip.lock().checksum
    }

    /// Makes a change durable, or says that it was not made, or that nobody knows.
    pub async fn commit(this: &Arc<Self>, change: Change) -> Result<(), CommitError> {
        change.check_size()?;
        if change.size() > MAX_ENTRY_BYTES {
            return Err(Error::internal("a change is larger than an entry of the log").into());
        }
        let ticket = this.tickets.fetch_add(1, Ordering::Relaxed);
        let (answer, mut answered) = oneshot::channel();
        {
            let mut queue = this.queue.lock();
            if queue.closed {
                return Err(Error::ShuttingDown.into());
            }
            queue.waiting.push_back(Waiting { ticket, change, answer });
            if !std::mem::replace(&mut queue.busy, true) {
                this.tasks.work(Arc::clone(this).run());
            }
        }
        let answer = match tokio::time::timeout(PATIENCE, &mut answered).await {
            Ok(answer) => answer,
            Err(_) if this.withdraw(ticket) => {
                let cause = std::io::Error::other("the record log cannot be written");
                return Err(Error::Unavailable(Arc::new(cause)).into());
            }
            Err(_) => answered.await,
        };
        answer.unwrap_or_else(|_| Err(unknown("the task that commits ended").into()))
    }

    /// Takes back a change that has waited for too long; false if it is under way.
    fn withdraw(&self, ticket: u64) -> bool {
        let mut queue = self.queue.lock();
        let place = queue.waiting.iter().position(|waiting| waiting.ticket == ticket);
        place.is_some_and(|place| queue.waiting.remove(place).is_some())
    }

    async fn run(self: Arc<Self>) {
        loop {
            let mut waiting = {
                let mut queue = self.queue.lock();
                if queue.waiting.is_empty() {
                    queue.busy = false;
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            let group = self.group(&mut waiting);
            {
                // Those that did not fit are still before all others.
                let mut queue = self.queue.lock();
                waiting.append(&mut queue.waiting);
                queue.waiting = waiting;
            }
            if !self.settle(group).await {
                let mut queue = self.queue.lock();
                queue.closed = true;
                for Waiting { answer, .. } in queue.waiting.drain(..) {
                    let _ = answer.send(Err(Error::ShuttingDown.into()));
                }
                return;
            }
        }
    }

    /// Takes as many changes as an entry holds.
    fn group(&self, waiting: &mut VecDeque<Waiting>) -> Group {
        let mut group = Group::default();
        while let Some(next) = waiting.front() {
            let bytes = next.change.size();
            if group.bytes > 0 && group.bytes + bytes > MAX_ENTRY_BYTES {
                break;
            }
            let Some(Waiting { change, answer, .. }) = waiting.pop_front() else { break };
            match self.check(&change, &group.writes) {
                Ok(()) => {
                    group.bytes += bytes;
                    group.writes.extend(change.writes);
                    group.made.push(answer);
                }
                Err(error) => group.refused.push((answer, error)),
            }
        }
        group
    }

    /// Compares what a change has read with the records, and with what is written
    /// before it in the same entry.
    fn check(&self, change: &Change, under_way: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), CommitError> {
        for (key, expected) in &change.expected {
            let is_same = match under_way.get(key) {
                // Nobody has read a record that is still to be written.
                Some(Some(_)) => false,
                Some(None) => expected.is_none(),
                None => self.version(key)? == *expected,
            };
            if !is_same {
                return Err(CommitError::Conflict);
            }
        }
        Ok(())
    }

    fn version(&self, key: &[u8]) -> Result<Option<Version>, Error> {
        Ok(self.index.get(key)?.map(|raw| raw.version()))
    }

    /// Writes the entry, applies it, and answers: effect, record, announcement.
    /// False if nothing more can be written.
    async fn settle(&self, group: Group) -> bool {
        let Group { writes, made, refused, .. } = group;
        let written = if writes.is_empty() { Ok(()) } else { self.write(writes).await };
        let goes_on = written.is_ok();
        for answer in made {
            let _ = answer.send(written.clone().map_err(CommitError::from));
        }
        for (answer, error) in refused {
            let _ = answer.send(Err(error));
        }
        goes_on
    }

    async fn write(&self, writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>) -> Result<(), Error> {
        let before = *self.tip.lock();
        let revision = before.revision + 1;
        let listed = writes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        let checksum =
            self.index.checksum_after(before.checksum, revision, listed).map_err(|error| self.give_up(error))?;
        let instance = self.log.instance();
        let entry = LogEntry {
            instance: instance.as_bytes().to_vec(),
            revision,
            previous: before.hash.to_stored(),
            writer: self.writer.as_bytes().to_vec(),
            time: self.clock.now(),
            writes: writes.into_iter().map(|(key, value)| RecordWrite { key, value }).collect(),
            checksum: Some(checksum.into()),
        };
        let object = entry::encode(&entry);
        match self.log.append(revision, &object, &self.tasks.stop_token()).await {
            Ok(()) => {}
            Err(Refused::Taken) => {
                tracing::error!(revision, "another server writes the record log of this storage root; this one stops");
                self.tasks.fail();
                return Err(Error::ShuttingDown);
            }
            Err(Refused::Unknown(error)) => {
                tracing::error!(?error, revision, "the service stopped before a change of the records was settled");
                return Err(Error::OutcomeUnknown(Arc::new(error)));
            }
        }
        let tip = Tip { revision, hash: Hash::of(&object), checksum };
        // It is made, whatever happens here: without the index nobody can read it.
        let applied = self.index.apply(instance, &tip, &entry.writes);
        applied.map_err(|error| Error::OutcomeUnknown(Arc::new(self.give_up(error))))?;
        *self.tip.lock() = tip;
        self.compactor.wrote(&self.tasks, &self.log, &self.index, tip, object.len());
        Ok(())
    }

    /// Reading and writing the index must not fail: the next start makes it again.
    fn give_up(&self, error: Error) -> Error {
        tracing::error!(?error, "the index of the records cannot be used; the service stops");
        self.tasks.fail();
        error
    }
}

fn unknown(why: &'static str) -> Error {
    Error::OutcomeUnknown(Arc::new(std::io::Error::other(why)))
}
