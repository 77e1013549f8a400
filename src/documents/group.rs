//! Applies a group of batches to the totals and to one SlateDB batch, in order;
//! several writes to one id see each other.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use slatedb::{Db, WriteBatch};

use super::{
    MAX_BODY_BYTES,
    filter::IdFilter,
    keys::{self, ONLY_BUCKET},
    totals::{Entry, Totals},
    value::{self, StoredDocument},
};
use crate::{
    clock::Micros,
    digest::{self, Etag},
    error::Error,
    json::patch::{self, PatchOp},
};

/// Reads of one group that run at once.
const LOOKUPS_AT_ONCE: usize = 32;
/// What the bodies that patches read, and those that they make, may take up in
/// one group.
const MAX_PATCHED_BYTES: usize = 64 << 20;

/// What a write does.
#[derive(Debug)]
pub enum Operation {
    /// Adds or replaces a document.
    Upsert {
        /// When it happened; absent: now.
        event_time: Option<Micros>,
        /// Its JSON, checked.
        body: Bytes,
    },
    /// Changes parts of a document.
    Patch(Vec<PatchOp>),
    /// Deletes a document.
    Delete,
    /// Was refused at the door; it fails alone, in its place.
    Refused(Error),
}

/// One write.
#[derive(Debug)]
pub struct Write {
    /// The document.
    pub id: String,
    /// What happens to it.
    pub operation: Operation,
    /// What must be true: `Some(None)` that it does not exist, `Some(Some(_))`
    /// that it has this etag.
    pub if_etag: Option<Option<Etag>>,
}

impl Write {
    /// About how many bytes it takes up while it is under way.
    pub(super) fn cost(&self) -> usize {
        let body = match &self.operation {
            Operation::Upsert { body, .. } => body.len(),
            Operation::Patch(operations) => operations.iter().map(PatchOp::cost).sum(),
            Operation::Delete | Operation::Refused(_) => 0,
        };
        64 + self.id.len() + body
    }
}

/// What became of one write.
#[derive(Debug)]
pub enum Outcome {
    /// A new document.
    Added,
    /// An upsert over an existing one.
    Replaced,
    /// A patch that was applied.
    Patched,
    /// A document that is gone.
    Deleted,
    /// A patch or delete of what does not exist.
    NotFound,
    /// The write failed, alone.
    Failed(Error),
}

/// What became of one write, and of its document.
#[derive(Debug)]
pub struct WriteResult {
    /// The document.
    pub id: String,
    /// What became of the write.
    pub outcome: Outcome,
    /// The document's etag now, if it exists and is known.
    pub etag: Option<Etag>,
}

/// What became of one batch.
#[derive(Debug)]
pub struct BatchResult {
    /// One for each write.
    pub results: Vec<WriteResult>,
    /// The offset behind them.
    pub offset: i64,
}

/// What a write needs to know of the entry it replaces. Only patches need the
/// body: an upsert of twenty thousand large documents must not load them all.
#[derive(Clone, Debug)]
pub(super) struct Old {
    entry: Entry,
    event_time: Micros,
    body: Option<Bytes>,
}

impl Old {
    fn new(document: &StoredDocument, with_body: bool) -> Self {
        Self {
            entry: document.entry(),
            event_time: document.event_time(),
            // A copy: a slice would keep its whole block.
            body: with_body.then(|| Bytes::copy_from_slice(&document.body())),
        }
    }
}

/// A group in preparation.
pub(super) struct Group<'a> {
    totals: &'a mut Totals,
    filter: &'a IdFilter,
    now: Micros,
    /// What the writes so far and storage say of the ids in this group.
    current: HashMap<Bytes, Option<Old>>,
    /// Bytes of bodies that patches made.
    patched: usize,
    batch: WriteBatch,
    changed: bool,
}

impl<'a> Group<'a> {
    /// Looks up what the writes touch: ids that the filter has never seen cost
    /// nothing, the others one read each.
    pub async fn prepare(
        db: &Db,
        filter: &'a IdFilter,
        totals: &'a mut Totals,
        now: Micros,
        writes: &[&[Write]],
    ) -> Result<Self, Error> {
        let mut known: HashMap<Bytes, bool> = HashMap::new();
        for write in writes.iter().copied().flatten() {
            if filter.may_contain(&write.id) {
                let needs_body = matches!(write.operation, Operation::Patch(_));
                *known.entry(keys::document(ONLY_BUCKET, &write.id)).or_default() |= needs_body;
            }
        }
        let loaded = Arc::new(AtomicUsize::new(0));
        let lookups = futures::stream::iter(known)
            .map(|(key, needs_body)| look_up(db.clone(), key, needs_body, Arc::clone(&loaded)));
        let current = lookups.buffer_unordered(LOOKUPS_AT_ONCE).try_collect().await?;
        Ok(Self { totals, filter, now, current, patched: 0, batch: WriteBatch::new(), changed: false })
    }

    /// Applies one batch.
    pub fn apply(&mut self, writes: Vec<Write>) -> BatchResult {
        let results = writes.into_iter().map(|write| self.apply_one(write)).collect();
        BatchResult { results, offset: self.totals.offset }
    }

    /// The batch for the database, with the totals in it; `None` if nothing
    /// changed.
    pub fn finish(mut self) -> Option<WriteBatch> {
        if !self.changed {
            return None;
        }
        self.batch.put(keys::TOTALS, self.totals.encode());
        Some(self.batch)
    }

    fn apply_one(&mut self, write: Write) -> WriteResult {
        let Write { id, operation, if_etag } = write;
        if let Operation::Refused(error) = operation {
            return WriteResult { id, outcome: Outcome::Failed(error), etag: None };
        }
        let key = keys::document(ONLY_BUCKET, &id);
        let old = self.current.get(&key).cloned().flatten();
        let etag = old.as_ref().map(|old| Etag(old.entry.digest));
        if let Some(expected) = if_etag
            && expected != etag
        {
            let current = etag.map(|etag| etag.to_string()).unwrap_or_default();
            let outcome = Outcome::Failed(Error::EtagMismatch { name: id.clone(), current });
            return WriteResult { id, outcome, etag };
        }
        let (outcome, etag) = match operation {
            Operation::Upsert { event_time, body } => {
                let outcome = if old.is_some() { Outcome::Replaced } else { Outcome::Added };
                (outcome, Some(self.put(key, &id, old.as_ref(), event_time.unwrap_or(self.now), &body)))
            }
            Operation::Patch(operations) => match &old {
                None => (Outcome::NotFound, None),
                Some(document) => match self.patch(document, &operations) {
                    Ok(body) => (Outcome::Patched, Some(self.put(key, &id, old.as_ref(), document.event_time, &body))),
                    Err(error) => (Outcome::Failed(error), etag),
                },
            },
            Operation::Delete => match &old {
                None => (Outcome::NotFound, None),
                Some(document) => {
                    self.totals.delete(&id, document.entry);
                    self.batch.delete(&key);
                    self.current.insert(key, None);
                    self.changed = true;
                    (Outcome::Deleted, None)
                }
            },
            Operation::Refused(error) => (Outcome::Failed(error), None),
        };
        WriteResult { id, outcome, etag }
    }

    fn patch(&mut self, document: &Old, operations: &[PatchOp]) -> Result<Bytes, Error> {
        let too_much = || Error::Busy {
            what: "bytes of documents patched in one commit",
            limit: MAX_PATCHED_BYTES,
            retry_after: Duration::from_millis(100),
        };
        let body = document.body.as_ref().filter(|_| self.patched < MAX_PATCHED_BYTES).ok_or_else(too_much)?;
        let body = patched(body, operations)?;
        self.patched += body.len();
        Ok(body)
    }

    fn put(&mut self, key: Bytes, id: &str, old: Option<&Old>, event_time: Micros, body: &[u8]) -> Etag {
        let digest = digest::of_document(id, event_time, body);
        let size = value::size(id, body.len());
        self.totals.put(old.map(|old| old.entry), digest, size, event_time);
        let changed_at = self.totals.offset;
        let value = value::encode(event_time, digest, changed_at, body);
        if old.is_none() {
            self.filter.insert(id);
        }
        // A later patch in this group reads what the batch holds anyway.
        let body = Some(value::body_of(&value));
        let entry = Entry { digest, size, changed_at };
        self.batch.put_bytes(key.clone(), value);
        self.current.insert(key, Some(Old { entry, event_time, body }));
        self.changed = true;
        Etag(digest)
    }
}

/// Parses a stored body so that untouched numbers keep their text.
fn value_of(body: &[u8]) -> Result<serde_json::Value, Error> {
    crate::json::value::parse(body).map_err(|error| Error::DataLoss(format!("a stored body is not JSON: {error}")))
}

async fn look_up(
    db: Db,
    key: Bytes,
    needs_body: bool,
    loaded: Arc<AtomicUsize>,
) -> Result<(Bytes, Option<Old>), Error> {
    let Some(value) = db.get(&key).await? else { return Ok((key, None)) };
    let document = StoredDocument::new(key.clone(), value)?;
    let with_body = needs_body && loaded.fetch_add(document.body().len(), Ordering::Relaxed) < MAX_PATCHED_BYTES;
    Ok((key, Some(Old::new(&document, with_body))))
}

fn patched(body: &[u8], operations: &[PatchOp]) -> Result<Bytes, Error> {
    let mut document = value_of(body)?;
    patch::apply(&mut document, operations, MAX_BODY_BYTES).map_err(|error| Error::PatchFailed(error.to_string()))?;
    let body = serde_json::to_vec(&document).map_err(|error| Error::Internal(Arc::new(error)))?;
    if body.len() > MAX_BODY_BYTES {
        return Err(Error::DocumentTooLarge { size: body.len(), limit: MAX_BODY_BYTES });
    }
    Ok(body.into())
}
