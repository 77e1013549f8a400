//! One visit of a source: what is there is held against what has been read, and
//! what is new or has changed is read, in the order of the names.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::Xxh3;

use super::{
    Sources, Spec,
    feed::{Feed, Opened, Part, Reader},
    ingest::Ingest,
    memory::{Memory, Refused},
    pending::{Compared, Pending},
    state,
};
use crate::{
    collection::Lease,
    documents::{MARKS_PAGE, Mark},
    error::{Error, causes},
    records::{Change, ObjectMark, Source, SourceMark, SourceState, Stored},
    share::Share,
};

/// Objects one after the other whose reading meets a fault, before a visit gives up: it is
/// not they, it is the store.
const MAX_FAULTS: usize = 10;

/// What a look has found, when there is something to read.
struct Seen {
    /// Held as long as all of it waits.
    scan: Share,
    lease: Lease,
    durable: SourceMark,
    pending: Pending,
    found: u128,
}

impl Sources {
    /// Prepares the marks of a source that was created or resumed.
    pub(super) async fn initialise(&self, seen: &Stored<Source>) -> Result<(), Error> {
        let lease = self.lease(seen).await?;
        self.inner.collections.admit()?;
        self.inner.collections.admit_into(seen.name.collection.workspace.as_str())?;
        let mark = match lease.engine().source_mark(seen.uid).await? {
            // A new allowance of bad records.
            Some(mark) => SourceMark { bad_records_excused: mark.bad_records, first_bad_records: Vec::new(), ..mark },
            None => {
                self.inherit(seen, &lease).await?;
                let Source { location, import_segments, pattern, .. } = seen.record.clone();
                let pattern = pattern.unwrap_or_default();
                SourceMark { location, import_segments, pattern, ..SourceMark::default() }
            }
        };
        // Last: until it is there, all of this is done again.
        lease.engine().mark(lease.tenant(), vec![Mark::Source(seen.uid, Some(mark.clone()))]).await?;
        crate::crash_point!(SourceInitialised);
        self.inner.lives.counted(seen.uid, &mark);
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
        let known = self.inner.collections.source_positions(record.collection_uid)?;
        for position in known.iter().filter(|position| self.inner.is_of(position, record)) {
            let known = position.source_uid;
            let mut after: Option<String> = None;
            loop {
                let page = lease.engine().object_marks(known, after.as_deref()).await?;
                let more = page.len() == MARKS_PAGE;
                after = page.last().map(|(path, _)| path.clone());
                let taken = page.into_iter().map(|(path, mark)| Mark::Object(record.uid, path, Some(mark)));
                lease.engine().mark(lease.tenant(), taken.collect()).await?;
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Scans, and reads what there is to read, when it is its turn.
    pub(super) async fn visit(
        &self,
        record: &Source,
        memory: &mut Memory,
        stop: &CancellationToken,
    ) -> Result<(), Error> {
        let (inner, spec) = (&self.inner, Spec::of(record)?);
        let place = inner.access.moved(spec.location.clone(), record.import_segments);
        let feed = spec.feed(place, &inner.access, &inner.tasks)?;
        memory.begin();
        let mut faults = Faults::default();
        while self.read_some(record, (&spec, feed.as_ref()), memory, &mut faults, stop).await? {}
        faults.told()
    }

    /// The same with as much as may wait at once; whether to go on behind that.
    async fn read_some(
        &self,
        record: &Source,
        (spec, feed): (&Spec, &dyn Feed),
        memory: &mut Memory,
        faults: &mut Faults,
        stop: &CancellationToken,
    ) -> Result<bool, Error> {
        let inner = &self.inner;
        let Some(seen) = self.scan(record, feed, memory, stop).await? else { return Ok(false) };
        let at_once = inner.turns.read(record.name.collection.workspace.as_str(), stop).now_or_never();
        let (turn, seen) = match at_once {
            Some(turn) => (turn?, seen),
            None => {
                // While others read, nothing is held of what may be thousands of names.
                drop(seen);
                let turn = inner.turns.read(record.name.collection.workspace.as_str(), stop).await?;
                let Some(seen) = self.scan(record, feed, memory, stop).await? else { return Ok(false) };
                (turn, seen)
            }
        };
        let Seen { scan, lease, durable, pending, found } = seen;
        drop(scan);
        let mut ingest = Ingest {
            sources: self,
            record,
            spec,
            fields: spec.fields()?,
            lease: &lease,
            stop,
            turn,
            tally: Arc::new(Mutex::new(durable.clone())),
            durable,
            bad_ahead: 0,
            flights: VecDeque::new(),
        };
        let read = read_all(&mut ingest, feed, pending, memory, faults).await;
        // Also when it was stopped: what is under way lands.
        ingest.drain().await?;
        let all = read?;
        if ingest.is_exceeded(0) {
            return Err(ingest.too_many());
        }
        memory.known = (all && faults.first.is_none()).then_some(found);
        Ok(memory.from.is_some())
    }

    /// Looks what there is at the place of a source; `None` if there is nothing to read.
    async fn scan(
        &self,
        record: &Source,
        feed: &dyn Feed,
        memory: &mut Memory,
        stop: &CancellationToken,
    ) -> Result<Option<Seen>, Error> {
        let (inner, uid) = (&self.inner, record.uid);
        let scan = inner.turns.scan(record.name.collection.workspace.as_str(), stop).await?;
        let parts = stop.run_until_cancelled(feed.parts()).await.ok_or(Error::ShuttingDown)??;
        let found = fingerprint(&parts);
        let is_quiet = memory.known == Some(found) && memory.knows_turn();
        if is_quiet && !is_one_given_again(feed, &parts, memory, stop).await? {
            inner.lives.scanned(uid, 0, inner.clock.now());
            self.announce(record);
            return Ok(None);
        }
        memory.known = None;
        memory.keep(&parts);
        let lease = self.lease(record).await?;
        let durable = lease.engine().source_mark(uid).await?.unwrap_or_default();
        inner.lives.counted(uid, &durable);
        let compared = Compared::new(&lease, record, parts).await?;
        memory.all_refused(&compared.refused);
        inner.lives.scanned(uid, compared.parts.len(), inner.clock.now());
        self.announce(record);
        if compared.parts.is_empty() && compared.refused.is_empty() {
            (memory.known, memory.from) = (Some(found), None);
            return Ok(None);
        }
        let pending = compared.cut(memory);
        // Nothing is read that could not be written.
        inner.collections.admit()?;
        inner.collections.admit_into(record.name.collection.workspace.as_str())?;
        Ok(Some(Seen { scan, lease, durable, pending, found }))
    }

    /// Opens the collection of a source.
    async fn lease(&self, record: &Source) -> Result<Lease, Error> {
        let deleted = || Error::CollectionDeleted(record.name.collection.to_string());
        let name = self.collection_of(record)?.ok_or_else(deleted)?;
        let lease = self.inner.collections.lease(&name).await?;
        // Another one may have taken the name.
        if lease.engine().uid() == record.collection_uid { Ok(lease) } else { Err(deleted()) }
    }
}

/// Whether an object is given that was refused. The collection is not even opened for those
/// that are refused still.
async fn is_one_given_again(
    feed: &dyn Feed,
    parts: &BTreeMap<String, Part>,
    memory: &mut Memory,
    stop: &CancellationToken,
) -> Result<bool, Error> {
    for (name, part) in memory.turn(parts) {
        match ask_again(feed, (&name, &part), memory, stop).await? {
            Asked::Given(_) => return Ok(true),
            Asked::Refused => {}
            Asked::Fault => return Ok(false),
        }
    }
    Ok(false)
}

/// What becomes of a refused object that is asked for again.
enum Asked {
    Given(Box<dyn Reader>),
    Refused,
    /// Of the moment. None is asked for behind that: the store may take its time with each.
    Fault,
}

async fn ask_again(
    feed: &dyn Feed,
    (name, part): (&str, &Part),
    memory: &mut Memory,
    stop: &CancellationToken,
) -> Result<Asked, Error> {
    let asked = match stop.run_until_cancelled(feed.open(name, part)).await.ok_or(Error::ShuttingDown)? {
        Ok(Opened::Ready(reader)) => return Ok(Asked::Given(reader)),
        Ok(_) => Asked::Refused,
        Err(_) => Asked::Fault,
    };
    memory.asked(name, part);
    Ok(asked)
}

/// Reads what is pending; false if something is left, or an object has changed since it was
/// listed, so that only the next scan knows all.
async fn read_all(
    ingest: &mut Ingest<'_>,
    feed: &dyn Feed,
    mut pending: Pending,
    memory: &mut Memory,
    faults: &mut Faults,
) -> Result<bool, Error> {
    if ingest.is_exceeded(0) {
        return Err(ingest.too_many());
    }
    let mut all = pending.are_all;
    for (at, (name, part)) in pending.parts.iter().enumerate() {
        let begun = pending.begun.remove(name);
        let opened = ingest.stop.run_until_cancelled(feed.open(name, part)).await.ok_or(Error::ShuttingDown)?;
        let read = match opened {
            Ok(Opened::Ready(reader)) => ingest.read(name, part, begun, reader).await,
            Ok(Opened::Refused(why)) => refuse(ingest, memory, name, part, begun, &why).await,
            Ok(Opened::Unlike(why)) if memory.is_unlike_again(name, part) => {
                refuse(ingest, memory, name, part, begun, why).await
            }
            Ok(Opened::Unlike(_)) => {
                all = false;
                ingest.sources.inner.lives.settled(ingest.record.uid);
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = faults.meet(name, read, memory) {
            if is_of_one(&error) {
                // There may be more of them than are remembered: the next visit begins behind it.
                memory.from = (at < pending.ordinary).then(|| name.clone());
            }
            return Err(error);
        }
    }
    memory.from = pending.last;
    for (name, Refused { part, mark }) in pending.again {
        match ask_again(feed, (&name, &part), memory, ingest.stop).await? {
            Asked::Given(reader) => {
                ingest.sources.inner.lives.expected(ingest.record.uid);
                let mark = ObjectMark { refused: false, done: false, ..mark };
                let read = ingest.read(&name, &part, Some(mark), reader).await;
                memory.given(&name, &part);
                faults.meet(&name, read, memory)?;
            }
            Asked::Refused => {}
            Asked::Fault => break,
        }
    }
    Ok(all)
}

/// Counts an object that the store does not give; what it has given of it before stays.
async fn refuse(
    ingest: &mut Ingest<'_>,
    memory: &mut Memory,
    name: &str,
    part: &Part,
    begun: Option<ObjectMark>,
    why: &str,
) -> Result<(), Error> {
    tracing::warn!(name = %ingest.record.name, object = name, why, "an object is not given: it is counted, and asked for again");
    ingest.refuse(name, part, begun, why).await?;
    memory.is_refused(name, part);
    Ok(())
}

/// Whether an error is about one object.
fn is_of_one(error: &Error) -> bool {
    matches!(error, Error::SourceUnreadable { object: Some(_), .. })
}

/// What went wrong with single objects.
#[derive(Default)]
struct Faults {
    first: Option<Error>,
    others: usize,
    in_a_row: usize,
}

impl Faults {
    /// One that cannot be read must not keep us from the others, unless none can.
    fn meet(&mut self, name: &str, read: Result<(), Error>, memory: &mut Memory) -> Result<(), Error> {
        let Err(fault) = read else {
            self.in_a_row = 0;
            memory.met_none(name);
            return Ok(());
        };
        if !is_of_one(&fault) {
            return Err(fault);
        }
        tracing::debug!(object = name, causes = causes(&fault), "an object is read at the next scan");
        memory.met_fault(name);
        self.in_a_row += 1;
        self.others += usize::from(self.first.is_some());
        self.first.get_or_insert(fault);
        if self.in_a_row < MAX_FAULTS { Ok(()) } else { std::mem::take(self).told() }
    }

    /// The first, and how many others there are.
    fn told(self) -> Result<(), Error> {
        match self.first {
            None => Ok(()),
            Some(Error::SourceUnreadable { object, why, cause }) if self.others > 0 => {
                let why = format!("{why}; so it is with {} others", self.others);
                Err(Error::SourceUnreadable { object, why, cause })
            }
            Some(fault) => Err(fault),
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
