//! One visit of a source: what is there is held against what has been read, and
//! what is new or has changed is read, in the order of the names.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::Xxh3;

use super::{
    Sources, Spec,
    feed::{Feed, Part},
    ingest::Ingest,
    state,
};
use crate::{
    collection::Lease,
    documents::{MARKS_PAGE, Mark},
    error::Error,
    records::{self, Change, ObjectMark, Source, SourceMark, SourceState, Stored},
};

/// Objects that cannot be read before a visit gives up.
const MAX_FAULTS: usize = 10;

/// What is left to read.
struct Pending {
    parts: BTreeMap<String, Part>,
    /// How far those are that were begun.
    begun: HashMap<String, ObjectMark>,
}

impl Sources {
    /// Prepares the marks of a source that was created or resumed.
    pub(super) async fn initialise(&self, seen: &Stored<Source>) -> Result<(), Error> {
        let lease = self.lease(seen).await?;
        self.inner.collections.admit()?;
        let mark = match lease.source_mark(seen.uid()).await? {
            // A new allowance of bad records.
            Some(mark) => SourceMark { bad_records_excused: mark.bad_records, first_bad_records: Vec::new(), ..mark },
            None => {
                self.inherit(seen, &lease).await?;
                let (location, pattern) = (seen.location.clone(), seen.record.pattern.clone());
                SourceMark { location, pattern, ..SourceMark::default() }
            }
        };
        // Last: until it is there, all of this is done again.
        lease.mark(vec![Mark::Source(seen.uid(), Some(mark.clone()))]).await?;
        crate::crash_point!(SourceInitialised);
        self.inner.lives.counted(seen.uid(), &mark);
        let Some(next) = state::advance(&seen.record, SourceState::Active, self.inner.clock.now()) else {
            return Ok(());
        };
        // Suspended or deleted meanwhile, if not: the next look sees it.
        self.inner.records.commit_if_unchanged(Change::default().replace(seen, &next)).await.map(drop)
    }

    /// Takes over what the collection knows of the location from the snapshot
    /// that it was restored from. The newest source has the last word.
    async fn inherit(&self, record: &Source, lease: &Lease) -> Result<(), Error> {
        if !record.start_from_restore {
            return Ok(());
        }
        let info = self.inner.collections.get(&record.collection_name())?.restore_info.unwrap_or_default();
        for position in info.source_positions.iter().filter(|position| position.location == record.location) {
            let known = records::uid(&position.source_uid);
            let mut after: Option<String> = None;
            loop {
                let page = lease.object_marks(known, after.as_deref()).await?;
                let more = page.len() == MARKS_PAGE;
                after = page.last().map(|(path, _)| path.clone());
                let taken = page.into_iter().map(|(path, mark)| Mark::Object(record.uid(), path, Some(mark)));
                lease.mark(taken.collect()).await?;
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Scans, and reads what there is to read. `known` is what the last scan
    /// found, if all of it has been read.
    pub(super) async fn visit(
        &self,
        record: &Source,
        known: &mut Option<u128>,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let (inner, uid) = (&self.inner, record.uid());
        let spec = Spec::of(record)?;
        let feed = spec.feed(&inner.access, &inner.tasks)?;
        let parts = stop.run_until_cancelled(feed.parts()).await.ok_or(Error::ShuttingDown)??;
        let found = fingerprint(&parts);
        if *known == Some(found) {
            inner.lives.scanned(uid, 0, inner.clock.now());
            self.announce(record);
            return Ok(());
        }
        *known = None;
        let lease = self.lease(record).await?;
        let durable = lease.source_mark(uid).await?.unwrap_or_default();
        inner.lives.counted(uid, &durable);
        let pending = compare(&lease, record, parts).await?;
        inner.lives.scanned(uid, pending.parts.len(), inner.clock.now());
        self.announce(record);
        if !pending.parts.is_empty() {
            // Nothing is read that could not be written.
            inner.collections.admit()?;
            let _turn = stop.run_until_cancelled(inner.turns.acquire()).await.ok_or(Error::ShuttingDown)?;
            let mut ingest = Ingest {
                sources: self,
                record,
                spec: &spec,
                fields: spec.fields()?,
                lease: &lease,
                stop,
                tally: Arc::new(Mutex::new(durable.clone())),
                durable,
                bad_ahead: 0,
                flights: VecDeque::new(),
            };
            let read = read_all(&mut ingest, feed.as_ref(), pending).await;
            // Also when it was stopped: what is under way lands.
            ingest.drain().await?;
            let all = read?;
            if ingest.is_exceeded(0) {
                return Err(ingest.too_many());
            }
            if !all {
                return Ok(());
            }
        }
        *known = Some(found);
        Ok(())
    }

    /// Opens the collection of a source.
    async fn lease(&self, record: &Source) -> Result<Lease, Error> {
        let deleted = || Error::CollectionDeleted(record.collection_name().to_string());
        let name = self.collection_of(record)?.ok_or_else(deleted)?;
        let lease = self.inner.collections.lease(&name).await?;
        // Another one may have taken the name.
        if lease.uid() == record.collection_uid() { Ok(lease) } else { Err(deleted()) }
    }
}

/// Reads what is pending; false if an object has changed since it was listed, so
/// that only the next scan knows all.
async fn read_all(ingest: &mut Ingest<'_>, feed: &dyn Feed, mut pending: Pending) -> Result<bool, Error> {
    if ingest.is_exceeded(0) {
        return Err(ingest.too_many());
    }
    let (mut all, mut faults) = (true, Vec::new());
    for (name, part) in &pending.parts {
        let opened = ingest.stop.run_until_cancelled(feed.open(name, part)).await.ok_or(Error::ShuttingDown)?;
        let read = match opened {
            Ok(Some(reader)) => ingest.read(name, part, pending.begun.remove(name), reader).await,
            Ok(None) => {
                all = false;
                ingest.sources.inner.lives.settled(ingest.record.uid());
                Ok(())
            }
            Err(error) => Err(error),
        };
        match read {
            // One that cannot be read must not keep us from the others.
            Err(fault @ Error::SourceUnreadable(_)) if faults.len() + 1 < MAX_FAULTS => faults.push(fault),
            read => read?,
        }
    }
    faults.into_iter().next().map_or(Ok(all), Err)
}

/// Leaves out what has been read, and forgets what is no longer there: marks must
/// not pile up behind objects that come and go.
async fn compare(lease: &Lease, record: &Source, mut parts: BTreeMap<String, Part>) -> Result<Pending, Error> {
    let source = record.uid();
    let mut begun = HashMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = lease.object_marks(source, after.as_deref()).await?;
        let more = page.len() == MARKS_PAGE;
        after = page.last().map(|(path, _)| path.clone());
        let mut gone = Vec::new();
        for (path, mark) in page {
            match parts.get(&path) {
                None => gone.push(Mark::Object(source, path, None)),
                Some(part) if part.etag == mark.etag && mark.done => {
                    parts.remove(&path);
                }
                Some(part) if part.etag == mark.etag => {
                    begun.insert(path, mark);
                }
                Some(_) => {}
            }
        }
        if !gone.is_empty() {
            lease.mark(gone).await?;
        }
        if !more {
            return Ok(Pending { parts, begun });
        }
    }
}

/// Tells one listing from another, so that a quiet source costs no more than its
/// scan.
fn fingerprint(parts: &BTreeMap<String, Part>) -> u128 {
    let mut hash = Xxh3::new();
    for (name, part) in parts {
        for text in [name, &part.etag] {
            hash.update(&text.len().to_le_bytes());
            hash.update(text.as_bytes());
        }
    }
    hash.digest128()
}
