//! The one writer of a collection: group commit.
//!
//! It gathers what waits, applies it in order as one batch, and hands it to the
//! flusher, which makes it durable and answers; the next group is prepared
//! meanwhile. When anything fails the outcome is unknown: all that wait are told
//! so, and the engine has to be opened again.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use slatedb::{
    Db, WriteBatch, WriteHandle,
    config::{CheckpointOptions, CheckpointScope},
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    cutoff::Cutoff,
    flusher::{Flight, Flusher, Reply, in_time},
    group::{Group, Times},
};
use crate::{
    clock::Micros,
    documents::{
        checkpoints::checkpoint::{CutOutcome, UnfinishedCheckpoint},
        databases::{
            buffers::{LOOK_AGAIN, Room, Ticket},
            store::Store,
        },
        filter::IdFilter,
        keys::{self, Bucket},
        mark::Marking,
        patience::within,
        totals::{Dropped, Totals},
        truncation::floor::Floor,
        write::{BatchResult, Write},
    },
    error::Error,
    share::Share,
};

/// A group ends when it has this many bytes or writes.
const GROUP_BYTES: usize = 4 << 20;
const GROUP_WRITES: usize = 8_192;
/// Groups that are written but not yet durable.
const GROUPS_IN_FLIGHT: usize = 3;

/// A batch that waits for the writer.
pub(in crate::documents) struct Pending {
    pub writes: Vec<Write>,
    /// What it marks, with its documents or not at all.
    pub marking: Option<Box<dyn Marking>>,
    pub reply: oneshot::Sender<Result<BatchResult, Error>>,
    pub permit: Share,
    /// Cancelled when whoever has sent it, and others behind it, waits for none of them any
    /// more. Absent: who waits for the reply waits for it alone.
    pub given_up: Option<CancellationToken>,
}

impl Pending {
    /// The batch, if it is still to be applied. One for which nobody waits is not: its outcome
    /// is unknown to all, and its work would be for nobody. Neither is one that meets a stop,
    /// which must not wait for all that has been queued. What moves a mark is applied in any
    /// case: it is little, and who has sent it counts on it.
    fn if_wanted(self, stop: &CancellationToken) -> Option<Self> {
        if self.marking.is_some() {
            return Some(self);
        }
        if self.given_up.as_ref().map_or_else(|| self.reply.is_closed(), CancellationToken::is_cancelled) {
            return None;
        }
        if stop.is_cancelled() {
            let _ = self.reply.send(Err(Error::ShuttingDown));
            return None;
        }
        Some(self)
    }
}

/// What the writer is asked for.
pub(in crate::documents) enum Command {
    Write {
        batch: Pending,
        bytes: usize,
    },
    Cut {
        snapshot: Uuid,
        reuse: Option<Reusable>,
        reply: oneshot::Sender<Result<CutOutcome, Error>>,
    },
    SettleCut {
        snapshot: Uuid,
        created: bool,
    },
    /// Drops the intervals that have expired as a whole.
    Expire {
        reply: oneshot::Sender<Result<Dropped, Error>>,
    },
    Close {
        reply: oneshot::Sender<Totals>,
    },
}

/// The state of a collection that an earlier snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reusable {
    /// Its offset.
    pub offset: i64,
    /// Its floor: dropping an interval does not move the offset.
    pub floor: Bucket,
    /// Its marks of sources, for the same reason.
    pub marks: i64,
}

impl Reusable {
    /// The state that has these totals.
    #[must_use]
    pub fn of(totals: &Totals) -> Self {
        Self { offset: totals.offset, floor: totals.floor, marks: totals.marks }
    }
}

/// What a writer shares with those who read and compact.
pub(in crate::documents) struct Shared {
    pub filter: Arc<IdFilter>,
    pub floor: Arc<Floor>,
    pub cutoff: Arc<Cutoff>,
    pub failed: CancellationToken,
}

/// The writer.
pub(in crate::documents) struct Writer {
    buffer: Ticket,
    db: Db,
    store: Store,
    totals: Totals,
    /// The totals changed without a batch that stored them.
    unsaved: bool,
    filter: Arc<IdFilter>,
    floor: Arc<Floor>,
    cutoff: Arc<Cutoff>,
    failed: CancellationToken,
    stop: CancellationToken,
}

impl Writer {
    pub fn new(buffer: Ticket, db: Db, store: Store, totals: Totals, shared: Shared) -> Self {
        let Shared { filter, floor, cutoff, failed } = shared;
        let stop = store.tasks.stop_token();
        Self { buffer, db, store, totals, unsaved: false, filter, floor, cutoff, failed, stop }
    }

    /// Runs until it is closed, nobody is left, or a write failed.
    pub async fn run(mut self, mut queue: mpsc::Receiver<Command>, publish: watch::Sender<Totals>) {
        // Ended by a panic, it has failed as well.
        let ended_early = self.failed.clone().drop_guard();
        let (flights, landing) = mpsc::channel(GROUPS_IN_FLIGHT);
        let (db, floor, failed) = (self.db.clone(), Arc::clone(&self.floor), self.failed.clone());
        let (gap, patience) = (self.store.tuning.commit_gap, self.patience());
        let flusher = Flusher { db, publish, floor, failed, gap, patience };
        let flusher = self.store.tasks.work("flusher", flusher.run(landing));
        let mut left_over = VecDeque::new();
        let mut closing = None;
        while closing.is_none() {
            if self.failed.is_cancelled() {
                break;
            }
            let next = match left_over.pop_front() {
                Some(command) => Some(command),
                None => self.failed.clone().run_until_cancelled(queue.recv()).await.flatten(),
            };
            closing = match next {
                None => break,
                Some(Command::Close { reply }) => Some(reply),
                Some(Command::SettleCut { snapshot, created }) => {
                    self.settle_cut(snapshot, created);
                    None
                }
                Some(Command::Cut { snapshot, reuse, reply }) => {
                    // Nobody waits: the snapshot's worker will ask again.
                    let _ = reply.send(self.cut(snapshot, reuse).await);
                    None
                }
                Some(Command::Expire { reply }) => {
                    self.expire(reply, &flights).await;
                    None
                }
                Some(Command::Write { batch, bytes }) => {
                    let group = gather(&mut queue, &mut left_over, batch, bytes);
                    self.write(group, &flights).await;
                    None
                }
            };
        }
        drop(flights);
        // A panic there is the flusher's own, and logged; the replies are gone.
        let _ = flusher.await;
        if let Some(reply) = closing
            && !self.failed.is_cancelled()
        {
            if self.totals.retention.is_some() {
                // Readers may have seen it: it must not move back with the clock.
                let now = self.store.clock.now();
                self.hide_from_readers(now);
                self.totals.move_cutoff(now);
                self.unsaved = true;
            }
            self.save_totals().await;
            let _ = reply.send(self.totals);
        }
        drop(ended_early);
        // What somebody is just sending comes into the queue even when nobody receives any more,
        // and would stay there with its reply for as long as the engine lives.
        queue.close();
        while queue.recv().await.is_some() {}
    }

    async fn write(&mut self, group: Vec<Pending>, flights: &mpsc::Sender<Flight>) {
        let group: Vec<_> = group.into_iter().filter_map(|batch| batch.if_wanted(&self.stop)).collect();
        if group.is_empty() {
            return;
        }
        let (batch, replies) = match self.apply(group).await {
            Ok(applied) => applied,
            Err((error, waiting)) => return self.fail(&error, waiting),
        };
        let handle = match batch {
            None => None,
            Some((batch, bytes)) => match self.commit(batch, bytes).await {
                Ok(handle) => Some(handle),
                Err(error) => {
                    let waiting = replies.into_iter().map(|reply| reply.to);
                    return self.fail(&error, waiting.collect());
                }
            },
        };
        self.unsaved &= handle.is_none();
        let flight = Flight { handle, totals: self.totals.clone(), replies, dropped: None };
        if flights.send(flight).await.is_err() {
            self.failed.cancel();
        }
    }

    /// How long storage may take for a commit, and each step on the way to it.
    fn patience(&self) -> Duration {
        self.store.tuning.storage_patience.durable
    }

    /// Writes a batch to the database, when there is room for it in memory.
    async fn commit(&self, batch: WriteBatch, bytes: usize) -> Result<WriteHandle, Error> {
        self.take_room(bytes).await?;
        let handle = in_time(self.patience(), self.db.write(batch)).await.map_err(Error::OutcomeUnknown)?;
        self.store.flush(self.store.buffers.wrote(self.buffer, handle.seqnum(), bytes));
        Ok(handle)
    }

    /// Waits while the buffers of all databases take up too much.
    async fn take_room(&self, bytes: usize) -> Result<(), Error> {
        let room = async {
            while let Room::Full(largest) = self.store.buffers.take(self.buffer, bytes) {
                self.store.flush(largest);
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        match tokio::time::timeout(self.patience(), self.failed.run_until_cancelled(room)).await {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(Error::Unavailable(Arc::new(std::io::Error::other("an earlier write failed")))),
            Err(late) => Err(Error::Unavailable(Arc::new(late))),
        }
    }

    #[allow(clippy::type_complexity, reason = "a group that could not be read, and who waits for it")]
    async fn apply(
        &mut self,
        group: Vec<Pending>,
    ) -> Result<(Option<(WriteBatch, usize)>, Vec<Reply>), (Error, Vec<oneshot::Sender<Result<BatchResult, Error>>>)>
    {
        let writes: Vec<&[Write]> = group.iter().map(|batch| batch.writes.as_slice()).collect();
        let now = self.store.clock.now();
        self.hide_from_readers(now);
        let clock = &self.store.clock;
        let times = Times { now, stamp: clock.stamp(now), latest: clock.latest(now) };
        let patience = self.patience();
        let Some(first) = group.first() else { return Ok((None, Vec::new())) };
        let loaded = self.store.patched.share(first.permit.tenant());
        let prepared = Group::prepare(&self.db, Arc::clone(&self.filter), &mut self.totals, times, &writes, loaded);
        let prepared = tokio::time::timeout(patience, prepared).await;
        let prepared = prepared.unwrap_or_else(|late| Err(Error::Unavailable(Arc::new(late))));
        let mut prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err((error, group.into_iter().map(|batch| batch.reply).collect())),
        };
        let mut replies = Vec::with_capacity(group.len());
        for batch in group {
            // Those before it may have taken their time.
            let Some(batch) = batch.if_wanted(&self.stop) else { continue };
            let Pending { writes, marking, reply, permit, given_up: _ } = batch;
            let result =
                prepared.apply(permit.tenant(), writes, marking, &self.store.turns, &self.stop, patience).await;
            replies.push(Reply { to: reply, result, _permit: permit });
        }
        Ok((prepared.finish(), replies))
    }

    fn fail(&self, error: &Error, waiting: Vec<oneshot::Sender<Result<BatchResult, Error>>>) {
        tracing::error!(error = error.in_full(), "a write failed; the collection is opened again");
        self.failed.cancel();
        for reply in waiting {
            let _ = reply.send(Err(error.clone()));
        }
    }

    async fn cut(&mut self, snapshot: Uuid, reuse: Option<Reusable>) -> Result<CutOutcome, Error> {
        let time = self.store.clock.now();
        let now = Reusable::of(&self.totals);
        let checkpoint = if reuse == Some(now) {
            None
        } else {
            let hold = self.floor.hold(self.totals.floor);
            let options = CheckpointOptions { name: Some(snapshot.to_string()), ..CheckpointOptions::default() };
            let begun = self.db.begin_checkpoint(CheckpointScope::All, &options);
            let handle = within(self.patience(), begun).await?;
            Some(UnfinishedCheckpoint { handle, hold })
        };
        let incremental_bytes = self.totals.cut(snapshot);
        self.unsaved = true;
        Ok(CutOutcome { totals: self.totals.clone(), incremental_bytes, time, checkpoint })
    }

    /// Before the totals have the cutoff of this time: readers are never behind them.
    fn hide_from_readers(&self, now: Micros) {
        if let Some(retention) = self.totals.retention {
            self.cutoff.raise(retention.cutoff(now));
        }
    }

    /// Floor and totals move in one batch; when it is durable the files may go.
    /// A snapshot is cut before it or behind it.
    async fn expire(&mut self, reply: oneshot::Sender<Result<Dropped, Error>>, flights: &mpsc::Sender<Flight>) {
        let Some(now) = self.store.clock.confirmed() else {
            let _ = reply.send(Ok(Dropped::default()));
            return;
        };
        self.hide_from_readers(now);
        self.totals.move_cutoff(now);
        let (buckets, dropped) = self.totals.drop_expired();
        if buckets.is_empty() {
            let _ = reply.send(Ok(dropped));
            return;
        }
        let mut batch = WriteBatch::new();
        for bucket in buckets {
            batch.delete(keys::interval(bucket));
        }
        batch.put(keys::TOTALS, self.totals.encode());
        self.filter.forget_before(self.totals.floor);
        match in_time(self.patience(), self.db.write(batch)).await {
            Ok(handle) => {
                let (totals, dropped) = (self.totals.clone(), Some((reply, dropped)));
                let flight = Flight { handle: Some(handle), totals, replies: Vec::new(), dropped };
                if flights.send(flight).await.is_err() {
                    self.failed.cancel();
                }
            }
            Err(cause) => {
                self.fail(&Error::OutcomeUnknown(Arc::clone(&cause)), Vec::new());
                let _ = reply.send(Err(Error::OutcomeUnknown(cause)));
            }
        }
    }

    fn settle_cut(&mut self, snapshot: Uuid, created: bool) {
        if created {
            self.totals.keep_cut(snapshot);
        } else {
            self.totals.give_back(snapshot);
        }
        self.unsaved = true;
    }

    /// What no batch has stored would otherwise be settled again at each open.
    async fn save_totals(&mut self) {
        if !self.unsaved || self.failed.is_cancelled() {
            return;
        }
        let saved = in_time(self.patience(), self.db.put(keys::TOTALS, self.totals.encode())).await;
        if let Err(error) = saved {
            tracing::warn!(%error, "the totals were not saved; the next open settles them");
        }
    }
}

/// Takes along what else waits, up to a full group; anything but a write ends
/// it, and comes next.
fn gather(
    queue: &mut mpsc::Receiver<Command>,
    left_over: &mut VecDeque<Command>,
    first: Pending,
    first_bytes: usize,
) -> Vec<Pending> {
    let (mut total_bytes, mut total_writes) = (first_bytes, first.writes.len());
    let mut group = vec![first];
    while total_bytes < GROUP_BYTES && total_writes < GROUP_WRITES {
        match queue.try_recv() {
            Ok(Command::Write { batch, bytes }) => {
                total_bytes += bytes;
                total_writes += batch.writes.len();
                group.push(batch);
            }
            Ok(other) => {
                left_over.push_back(other);
                break;
            }
            Err(_) => break,
        }
    }
    group
}

#[cfg(test)]
mod tests;
