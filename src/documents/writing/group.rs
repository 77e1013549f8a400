//! Applies a group of batches to the totals and to one SlateDB batch, in order;
//! several writes to one id see each other.

mod old;
mod patching;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use slatedb::{Db, WriteBatch};
use tokio_util::sync::CancellationToken;

use self::{
    old::{Body, Loaded, Old},
    patching::Patching,
};
use crate::{
    clock::Micros,
    digest::{self, Etag},
    documents::{
        entry::Entry,
        filter::{Candidates, IdFilter},
        keys::{self, Bucket, ONLY_BUCKET},
        mark::{Mark, Marking},
        patience::within,
        retention::Retention,
        totals::Totals,
        value::{self, StoredDocument},
        write::{BatchResult, Operation, Outcome, Write, WriteResult},
    },
    error::Error,
    share::{Share, Tenant, Turns},
    tasks::{Slice, in_place},
};

/// Reads of one group that run at once.
const LOOKUPS_AT_ONCE: usize = 32;
/// About what an entry takes up in memory besides its key and value.
const ENTRY_BYTES: usize = 64;
/// After how many writes a group looks at the clock.
const WRITES_AT_ONCE: usize = 256;

/// What time it is for a group of writes.
#[derive(Clone, Copy, Debug)]
pub(in crate::documents) struct Times {
    /// The time that is believed.
    pub now: Micros,
    /// What a document gets that says no event time.
    pub stamp: Micros,
    /// The latest time that anybody may take for the present one.
    pub latest: Micros,
}

/// Lets others run on the thread, now and then.
struct Pace {
    slice: Slice,
    writes: usize,
}

impl Pace {
    fn begin() -> Self {
        Self { slice: Slice::begin(), writes: 0 }
    }

    /// Whether it is time, behind one more write.
    fn is_time(&mut self, was_long: bool) -> bool {
        self.writes += 1;
        (was_long || self.writes.is_multiple_of(WRITES_AT_ONCE)) && self.slice.is_over()
    }
}

/// A group in preparation.
pub(in crate::documents) struct Group<'a> {
    db: Db,
    totals: &'a mut Totals,
    filter: Arc<IdFilter>,
    times: Times,
    /// What the writes so far and storage say of the ids in this group, expired
    /// documents included.
    current: HashMap<Bytes, Option<Old>>,
    /// Intervals that the writes touched.
    touched: BTreeSet<Bucket>,
    patching: Patching,
    /// Counts until the group is given up.
    _loaded: Arc<Loaded>,
    pace: Pace,
    batch: WriteBatch,
    /// About what the batch will take up in memory.
    bytes: usize,
    changed: bool,
}

impl<'a> Group<'a> {
    /// Looks up what the writes touch: ids that the filter has never seen cost
    /// nothing, the others one read each. What patches read is counted in `loaded`.
    pub async fn prepare(
        db: &Db,
        filter: Arc<IdFilter>,
        totals: &'a mut Totals,
        times: Times,
        writes: &[&[Write]],
        loaded: Share,
    ) -> Result<Self, Error> {
        let mut known: HashMap<&str, Lookup> = HashMap::new();
        let mut pace = Pace::begin();
        for batch in writes {
            for write in *batch {
                // With a retention there are many filters to ask.
                if pace.is_time(false) {
                    pace.slice.give_way().await;
                }
                let needs_body = matches!(write.operation, Operation::Patch(_));
                if let Some(lookup) = known.get_mut(write.id.as_str()) {
                    lookup.needs_body |= needs_body;
                    continue;
                }
                let buckets = candidates(&filter, totals, &write.id);
                if !buckets.is_empty() {
                    known.insert(&write.id, Lookup { buckets, needs_body });
                }
            }
        }
        let loaded = Arc::new(Loaded::new(loaded));
        let known: Vec<_> = known.into_iter().map(|(id, lookup)| (id.to_owned(), lookup)).collect();
        let lookups =
            futures::stream::iter(known).map(|(id, lookup)| look_up(db.clone(), id, lookup, Arc::clone(&loaded)));
        let current = lookups.buffer_unordered(LOOKUPS_AT_ONCE).try_collect().await?;
        totals.move_cutoff(times.now);
        Ok(Self {
            db: db.clone(),
            totals,
            filter,
            times,
            current,
            touched: BTreeSet::new(),
            patching: Patching::of(writes.iter().copied().flatten()),
            _loaded: loaded,
            pace,
            batch: WriteBatch::new(),
            bytes: 0,
            changed: false,
        })
    }

    /// Applies one batch, of a tenant. Patches that may compute for long wait for one of the `turns`; at
    /// a stop those that wait fail.
    pub async fn apply(
        &mut self,
        tenant: &Tenant,
        writes: Vec<Write>,
        marking: Option<Box<dyn Marking>>,
        turns: &Turns,
        stop: &CancellationToken,
        patience: Duration,
    ) -> BatchResult {
        let mut results = Vec::with_capacity(writes.len());
        for write in writes {
            let is_patch = matches!(write.operation, Operation::Patch(_));
            let result = if is_patch && self.is_heavy(&write) {
                match self.get_ready(&write.id, tenant, turns, stop, patience).await {
                    Ok(()) => in_place(|| self.apply_one(write)),
                    Err(error) => WriteResult { id: write.id, outcome: Outcome::Failed(error), etag: None },
                }
            } else {
                self.apply_one(write)
            };
            results.push(result);
            if self.pace.is_time(is_patch) {
                self.patching.pause();
                self.pace.slice.give_way().await;
            }
        }
        let mut settled = None;
        if let Some(marking) = marking {
            for mark in marking.settle(&results) {
                if let Mark::Source(_, source) = &mark {
                    settled.clone_from(source);
                }
                self.bytes += ENTRY_BYTES + mark.write(&mut self.batch);
            }
            self.totals.marks += 1;
            self.changed = true;
        }
        BatchResult { results, offset: self.totals.offset, settled }
    }

    /// The batch for the database, with the totals in it, and about what it takes
    /// up in memory; `None` if nothing changed.
    pub fn finish(mut self) -> Option<(WriteBatch, usize)> {
        self.patching.end();
        if !self.changed {
            return None;
        }
        for bucket in self.touched {
            if let Some(interval) = self.totals.encode_interval(bucket) {
                self.batch.put_bytes(keys::interval(bucket), interval.into());
            }
        }
        self.batch.put(keys::TOTALS, self.totals.encode());
        Some((self.batch, self.bytes))
    }

    fn is_heavy(&self, write: &Write) -> bool {
        let Operation::Patch(operations) = &write.operation else { return false };
        match self.current.get(write.id.as_bytes()).and_then(Option::as_ref).map(|stored| &stored.body) {
            Some(Body::Read(body)) => Patching::is_heavy(operations, body),
            Some(Body::Later) => true,
            Some(Body::Unread) | None => false,
        }
    }

    /// Waits for a turn, and reads the document if there was no room for it before.
    async fn get_ready(
        &mut self,
        id: &str,
        tenant: &Tenant,
        turns: &Turns,
        stop: &CancellationToken,
        patience: Duration,
    ) -> Result<(), Error> {
        self.patching.take_turn(tenant, turns, stop).await?;
        let Some(Some(Old { entry, body: Body::Later })) = self.current.get(id.as_bytes()) else { return Ok(()) };
        let key = keys::document(self.totals.bucket_of(entry.event_time), id);
        let read = async { Ok::<_, Error>(self.db.get(&key).await?) };
        let read = stop.run_until_cancelled(within(patience, read)).await.unwrap_or(Err(Error::ShuttingDown));
        let body = read.and_then(|value| {
            let value = value.ok_or_else(|| Error::internal("a document is gone that was there"))?;
            Ok(Body::of(&StoredDocument::new(key, value)?))
        });
        if body.is_err() {
            // Others may have the turn, and so it would be with all that are still to be read.
            self.patching.end();
            let later = self.current.values_mut().flatten().filter(|old| matches!(old.body, Body::Later));
            later.for_each(|old| old.body = Body::Unread);
        }
        let body = body?;
        if let Some(Some(old)) = self.current.get_mut(id.as_bytes()) {
            old.body = body;
        }
        Ok(())
    }

    fn apply_one(&mut self, write: Write) -> WriteResult {
        let Write { id, operation, if_etag } = write;
        match operation {
            Operation::Refused(error) => return WriteResult { id, outcome: Outcome::Failed(error), etag: None },
            Operation::Patch(_) => self.patching.met(&id),
            Operation::Upsert { .. } | Operation::Delete => {}
        }
        let stored = self.current.get(id.as_bytes()).cloned().flatten();
        // What has expired is not there, though it still counts.
        let old = stored.as_ref().filter(|stored| !self.totals.hides(stored.entry.event_time));
        let etag = old.map(|old| Etag(old.entry.digest));
        if let Some(expected) = if_etag
            && expected != etag
        {
            let current = etag.map(|etag| etag.to_string()).unwrap_or_default();
            let outcome = Outcome::Failed(Error::EtagMismatch { name: id.clone(), current });
            return WriteResult { id, outcome, etag };
        }
        let (outcome, etag) = match operation {
            Operation::Upsert { event_time, body } => {
                match self.check_time(event_time.unwrap_or_else(|| self.present())) {
                    Ok(event_time) => {
                        self.patching.forget(&id);
                        let outcome = if old.is_some() { Outcome::Replaced } else { Outcome::Added };
                        (outcome, Some(self.put(&id, stored.as_ref(), event_time, &body)))
                    }
                    Err(error) => (Outcome::Failed(error), etag),
                }
            }
            Operation::Patch(operations) => match old {
                None => (Outcome::NotFound, None),
                Some(document) => match self.patching.patch(&id, document.body(), &operations) {
                    Ok(Some(body)) => {
                        (Outcome::Patched, Some(self.put(&id, Some(document), document.entry.event_time, &body)))
                    }
                    // The document is what it was, to the byte, and so is its etag.
                    Ok(None) => (Outcome::Patched, etag),
                    Err(error) => (Outcome::Failed(error), etag),
                },
            },
            Operation::Delete => match old {
                None => (Outcome::NotFound, None),
                Some(document) => {
                    self.patching.forget(&id);
                    self.delete(&id, &document.entry);
                    (Outcome::Deleted, None)
                }
            },
            Operation::Refused(error) => (Outcome::Failed(error), None),
        };
        WriteResult { id, outcome, etag }
    }

    /// Refuses what retention would drop at once, and what a wrong unit of time
    /// puts into the far future.
    fn check_time(&self, event_time: Micros) -> Result<Micros, Error> {
        let Some(retention) = self.totals.retention else { return Ok(event_time) };
        let Times { now, latest, .. } = self.times;
        let window = retention.window(now.max(self.seen(retention)), self.totals.cutoff);
        // Whoever goes by the clock of the machine may be right, and so may be we; what is
        // between, if they are years apart, is nobody's present.
        let other = retention.window(latest, self.totals.cutoff.max(retention.cutoff(latest)));
        if window.contains(&event_time) || other.contains(&event_time) {
            return Ok(event_time);
        }
        Err(Error::EventTimeOutOfRange { event_time, earliest: *window.start(), latest: *other.end() })
    }

    /// When a document is from that does not say it.
    fn present(&self) -> Micros {
        let seen = self.totals.retention.map(|retention| self.seen(retention));
        seen.map_or(self.times.stamp, |seen| seen.max(self.times.stamp))
    }

    /// The newest time that the collection has seen. The server may know less by now.
    fn seen(&self, retention: Retention) -> Micros {
        self.totals.cutoff.saturating_add(retention.keep())
    }

    fn delete(&mut self, id: &str, old: &Entry) {
        let bucket = self.totals.bucket_of(old.event_time);
        let key = keys::document(bucket, id);
        self.totals.delete(id, old);
        self.batch.delete(&key);
        self.bytes += ENTRY_BYTES + key.len();
        self.current.insert(keys::id_in(&key), None);
        self.touched.insert(bucket);
        self.changed = true;
    }

    fn put(&mut self, id: &str, old: Option<&Old>, event_time: Micros, body: &[u8]) -> Etag {
        let digest = digest::of_document(id, event_time, body);
        let old = old.map(|old| &old.entry);
        let entry = self.totals.put(old, digest, value::size(id, body.len()), event_time);
        let value = value::encode(event_time, digest, entry.changed_at, body);
        let bucket = self.totals.bucket_of(event_time);
        let before = old.map(|old| self.totals.bucket_of(old.event_time));
        if before != Some(bucket) {
            self.filter.insert(bucket, id);
            if let Some(before) = before {
                // It moves in time: an id is in one interval only.
                self.batch.delete(keys::document(before, id));
                self.touched.insert(before);
            }
        }
        self.touched.insert(bucket);
        let key = keys::document(bucket, id);
        // A later patch in this group reads what the batch holds anyway.
        let body = Body::Read(value::body_of(&value));
        self.current.insert(keys::id_in(&key), Some(Old { entry, body }));
        self.bytes += ENTRY_BYTES + key.len() + value.len();
        self.batch.put_bytes(key, value);
        self.changed = true;
        Etag(digest)
    }
}

/// Where a document may be, and what is wanted of it.
struct Lookup {
    buckets: Vec<Bucket>,
    needs_body: bool,
}

/// The buckets that may hold an id, the newest first. Only the writer adds to
/// them, so none can be missed.
fn candidates(filter: &IdFilter, totals: &Totals, id: &str) -> Vec<Bucket> {
    match filter.candidates(id) {
        Candidates::Only(buckets) => buckets.into_iter().filter(|bucket| *bucket >= totals.floor).collect(),
        Candidates::Any if totals.retention.is_none() => vec![ONLY_BUCKET],
        Candidates::Any => totals.intervals.keys().rev().copied().collect(),
    }
}

async fn look_up(db: Db, id: String, lookup: Lookup, loaded: Arc<Loaded>) -> Result<(Bytes, Option<Old>), Error> {
    for bucket in lookup.buckets {
        let key = keys::document(bucket, &id);
        let Some(value) = db.get(&key).await? else { continue };
        let document = StoredDocument::new(key.clone(), value)?;
        let body = if lookup.needs_body { loaded.body(&document) } else { Body::Unread };
        return Ok((keys::id_in(&key), Some(Old { entry: document.entry(), body })));
    }
    Ok((id.into(), None))
}
