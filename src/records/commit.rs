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

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    change::{Change, CommitError, MAX_CHANGE_BYTES},
    checksum::Checksum,
    compact::Compactor,
    entry::{self, Hash, Tip},
    group::{Group, Refusal},
    index::Index,
    log::{Log, Refused, Standing},
    subscribers::{Subscribers, Told},
};
use crate::{
    clock::{Clock, new_uid},
    error::Error,
    stored::{LogEntry, RecordWrite},
    tasks::Tasks,
};

/// How long a change waits for its turn. One whose entry is being written waits for as
/// long as that takes: nobody may undo an effect whose record can still appear.
const PATIENCE: Duration = Duration::from_secs(30);
/// In less than this no other server writes so many entries behind ours that they are
/// collected: that takes two bases, each of thousands of entries or of 16 MiB.
const OVERTAKEN: Duration = Duration::from_secs(5);

/// The records as they will be, by key.
type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

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
    /// When this process began to write its newest entry, by the time that the machine has
    /// run: nobody was behind it then. None before the first.
    last_write: Mutex<Option<Duration>>,
    /// Another process may write the log as well.
    may_have_rivals: bool,
    subscribers: Subscribers,
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
    answer: Answer,
}

/// Who waits for the changes of one entry.
#[derive(Default)]
struct Callers {
    made: Vec<Answer>,
    /// Those that are told of a conflict, when what they conflict with can be read.
    refused: Vec<(Answer, CommitError)>,
    /// The same, of those that conflict with one of the changes which are made.
    beaten: Vec<Answer>,
}

type Answer = oneshot::Sender<Result<(), CommitError>>;

impl Committer {
    /// Goes on behind `tip`, which the index has reached.
    pub fn new(
        index: Index,
        log: Log,
        clock: Clock,
        tasks: Tasks,
        compactor: Compactor,
        tip: Tip,
        may_have_rivals: bool,
    ) -> Self {
        Self {
            index,
            log,
            clock,
            tasks,
            compactor,
            writer: new_uid(),
            queue: Mutex::default(),
            tip: Mutex::new(tip),
            last_write: Mutex::default(),
            may_have_rivals,
            subscribers: Subscribers::new(tip.revision),
            tickets: AtomicU64::new(0),
        }
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.tip.lock().revision
    }

    /// Whether nobody else has written behind our newest entry. Who has, and has collected what
    /// lies before, has left something newer.
    pub async fn is_newest(&self) -> Result<bool, Error> {
        let found = self.log.behind(self.revision()).await?;
        let Some(newest) = found.entries.last() else { return Ok(found.bases.is_empty()) };
        // It may be ours, on its way into the index.
        let entry = self.log.read(*newest).await?;
        Ok(entry.is_some_and(|entry| entry.writer == self.writer.as_bytes()))
    }

    /// Whether another process may write the log as well.
    pub fn may_have_rivals(&self) -> bool {
        self.may_have_rivals
    }

    /// Whether nobody else can write behind what this process has found at its start: a
    /// lock keeps them out, or an entry of ours is there.
    pub fn is_ours(&self) -> bool {
        !self.may_have_rivals || self.last_write.lock().is_some()
    }

    /// Looks whether another server has written behind our newest entry, and stops this one
    /// if so. False then.
    pub async fn look_for_rivals(&self) -> Result<bool, Error> {
        let next = self.revision() + 1;
        // Both cost less than a list: nobody has written the next revision, nor so many that
        // ours is collected. Else it may be ours that is being written.
        let is_quiet = !self.log.has(next).await? && self.log.goes_on_at(next).await?;
        if is_quiet || self.is_newest().await? {
            return Ok(true);
        }
        self.give_way(next);
        self.close();
        Ok(false)
    }

    /// Over all records.
    pub fn checksum(&self) -> Checksum {
        self.tip.lock().checksum
    }

    /// Who is told of what is committed.
    pub fn subscribers(&self) -> &Subscribers {
        &self.subscribers
    }

    /// Makes a change durable, or says that it was not made, or that nobody knows.
    pub async fn commit(this: &Arc<Self>, change: Change) -> Result<(), CommitError> {
        if change.is_empty() {
            return Ok(());
        }
        change.check_size()?;
        if change.size() > MAX_CHANGE_BYTES {
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
                this.tasks.work("record commit", Arc::clone(this).run());
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
        let mut attending = Attending { committer: &self, is_done: false };
        while self.settle_next().await {}
        attending.is_done = true;
    }

    /// Settles the next group; false if nothing waits, or nothing more can be written.
    async fn settle_next(&self) -> bool {
        let mut waiting = {
            let mut queue = self.queue.lock();
            if queue.waiting.is_empty() {
                queue.busy = false;
                return false;
            }
            std::mem::take(&mut queue.waiting)
        };
        let (writes, callers) = self.group(&mut waiting);
        {
            // Those that did not fit are still before all others.
            let mut queue = self.queue.lock();
            waiting.append(&mut queue.waiting);
            queue.waiting = waiting;
        }
        let goes_on = self.settle(writes, callers).await;
        if !goes_on {
            self.close();
        }
        goes_on
    }

    /// Takes nothing in any more.
    fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        for Waiting { answer, .. } in queue.waiting.drain(..) {
            let _ = answer.send(Err(Error::ShuttingDown.into()));
        }
    }

    /// Takes as many changes as an entry holds.
    fn group(&self, waiting: &mut VecDeque<Waiting>) -> (Writes, Callers) {
        let (mut group, mut callers) = (Group::new(&self.index), Callers::default());
        while let Some(next) = waiting.front() {
            if group.bytes() > 0 && group.bytes() + next.change.size() > MAX_CHANGE_BYTES {
                break;
            }
            let Some(Waiting { change, answer, .. }) = waiting.pop_front() else { break };
            match group.add(change) {
                Ok(()) => callers.made.push(answer),
                Err(Refusal::Records(error)) => callers.refused.push((answer, error)),
                Err(Refusal::Before) => callers.beaten.push(answer),
            }
        }
        (group.into_writes(), callers)
    }

    /// Writes the entry, applies it, and answers: effect, record, announcement.
    /// False if nothing more can be written.
    async fn settle(&self, writes: Writes, callers: Callers) -> bool {
        let Callers { made, refused, beaten } = callers;
        let written = if writes.is_empty() { Ok(()) } else { self.write(writes).await };
        let goes_on = written.is_ok();
        for answer in made {
            let _ = answer.send(written.clone().map_err(CommitError::from));
        }
        for (answer, error) in refused {
            let _ = answer.send(Err(error));
        }
        for answer in beaten {
            // Nobody can read what it conflicts with if that was not made.
            let refused = written.clone().map_or_else(CommitError::from, |()| CommitError::Conflict);
            let _ = answer.send(Err(refused));
        }
        goes_on
    }

    async fn write(&self, writes: Writes) -> Result<(), Error> {
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
        match self.append(revision, &object).await {
            Ok(()) => {}
            Err(Refused::Taken) => {
                self.give_way(revision);
                return Err(Error::ShuttingDown);
            }
            Err(Refused::Unknown(error)) => {
                tracing::error!(
                    error = error.in_full(),
                    revision,
                    "the service stopped before a change of the records was settled"
                );
                return Err(Error::OutcomeUnknown(Arc::new(error)));
            }
        }
        let tip = Tip { revision, hash: Hash::of(&object), checksum };
        // It is made, whatever happens here: without the index nobody can read it, but who
        // watches may see the last of it.
        let unknown = |error| Error::OutcomeUnknown(Arc::new(self.give_up(error)));
        let before = self.index.before(&entry.writes).map_err(unknown)?;
        let applied = self.index.apply(instance, &tip, &entry.writes, &before);
        if applied.is_ok() {
            *self.tip.lock() = tip;
        }
        self.subscribers.tell(Told { revision, writes: entry.writes, before });
        applied.map_err(unknown)?;
        self.compactor.wrote(&self.tasks, &self.log, &self.index, tip, object.len());
        Ok(())
    }

    /// Writes an entry. A server that has long written nothing, be it because storage did not
    /// answer or the machine slept, may have been overtaken by another, whose entry of that
    /// revision is collected by now. So that is asked when the entry is there, by how long
    /// it has taken until then.
    async fn append(&self, revision: u64, object: &Bytes) -> Result<(), Refused> {
        let (began, stop) = (self.clock.uptime(), self.tasks.stop_token());
        self.log.append(revision, object, &stop).await?;
        let known = *self.last_write.lock();
        let was_long = known.is_none_or(|known| self.clock.uptime().saturating_sub(known) >= OVERTAKEN);
        if self.may_have_rivals && was_long {
            match self.log.standing(revision, &stop).await? {
                Standing::Newest => {}
                Standing::Collected => return Err(Refused::Taken),
                Standing::Followed => {
                    self.give_way(revision + 1);
                    return Err(Refused::Unknown(Error::ShuttingDown));
                }
            }
        }
        *self.last_write.lock() = Some(began);
        Ok(())
    }

    fn give_way(&self, revision: u64) {
        tracing::error!(revision, "another server writes the record log of this storage root; this one stops");
        self.tasks.fail();
    }

    /// Reading and writing the index must not fail: the next start makes it again.
    fn give_up(&self, error: Error) -> Error {
        tracing::error!(error = error.in_full(), "the index of the records cannot be used; the service stops");
        self.tasks.fail();
        error
    }
}

/// Sees to it that nobody waits for a task that is gone.
struct Attending<'a> {
    committer: &'a Committer,
    is_done: bool,
}

impl Drop for Attending<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            tracing::error!("the task that commits changes of the records ended; the service stops");
            self.committer.close();
            self.committer.tasks.fail();
        }
    }
}

fn unknown(why: &'static str) -> Error {
    Error::OutcomeUnknown(Arc::new(std::io::Error::other(why)))
}

#[cfg(test)]
mod tests;
