//! One visit of a source: what is there is held against what has been read, and
//! what is new or has changed is read, in the order of the names.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
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
    state,
};
use crate::{
    collection::Lease,
    documents::{MARKS_PAGE, Mark},
    error::{Error, causes},
    records::{self, Change, ObjectMark, Source, SourceMark, SourceState, Stored},
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

/// What is left to read.
struct Pending {
    parts: BTreeMap<String, Part>,
    /// How far those are that were begun.
    begun: HashMap<String, ObjectMark>,
    /// Those that the store has refused, and that were counted for it.
    refused: BTreeMap<String, Refused>,
}

impl Sources {
    /// Prepares the marks of a source that was created or resumed.
    pub(super) async fn initialise(&self, seen: &Stored<Source>) -> Result<(), Error> {
        let lease = self.lease(seen).await?;
        self.inner.collections.admit()?;
        self.inner.collections.admit_into(&seen.workspace)?;
        let mark = match lease.source_mark(seen.uid()).await? {
            // A new allowance of bad records.
            Some(mark) => SourceMark { bad_records_excused: mark.bad_records, first_bad_records: Vec::new(), ..mark },
            None => {
                self.inherit(seen, &lease).await?;
                let Source { location, import_segments, pattern, .. } = seen.record.clone();
                SourceMark { location, import_segments, pattern, ..SourceMark::default() }
            }
        };
        // Last: until it is there, all of this is done again.
        lease.mark(lease.tenant(), vec![Mark::Source(seen.uid(), Some(mark.clone()))]).await?;
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
        let known = self.inner.collections.source_positions(record.collection_uid())?;
        for position in known.iter().filter(|position| self.inner.is_of(position, record)) {
            let known = records::uid(&position.source_uid);
            let mut after: Option<String> = None;
            loop {
                let page = lease.object_marks(known, after.as_deref()).await?;
                let more = page.len() == MARKS_PAGE;
                after = page.last().map(|(path, _)| path.clone());
                let taken = page.into_iter().map(|(path, mark)| Mark::Object(record.uid(), path, Some(mark)));
                lease.mark(lease.tenant(), taken.collect()).await?;
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
        let Some(seen) = self.scan(record, feed.as_ref(), memory, stop).await? else { return Ok(()) };
        let at_once = inner.turns.read(&record.workspace, stop).now_or_never();
        let (turn, seen) = match at_once {
            Some(turn) => (turn?, seen),
            None => {
                // While others read, nothing is held of what may be a hundred thousand names.
                drop(seen);
                let turn = inner.turns.read(&record.workspace, stop).await?;
                let Some(seen) = self.scan(record, feed.as_ref(), memory, stop).await? else { return Ok(()) };
                (turn, seen)
            }
        };
        let Seen { scan, lease, durable, pending, found } = seen;
        drop(scan);
        let mut ingest = Ingest {
            sources: self,
            record,
            spec: &spec,
            fields: spec.fields()?,
            lease: &lease,
            stop,
            turn,
            tally: Arc::new(Mutex::new(durable.clone())),
            durable,
            bad_ahead: 0,
            flights: VecDeque::new(),
        };
        let read = read_all(&mut ingest, feed.as_ref(), pending, memory).await;
        // Also when it was stopped: what is under way lands.
        ingest.drain().await?;
        let all = read?;
        if ingest.is_exceeded(0) {
            return Err(ingest.too_many());
        }
        memory.known = all.then_some(found);
        Ok(())
    }

    /// Looks what there is at the place of a source; `None` if there is nothing to read.
    async fn scan(
        &self,
        record: &Source,
        feed: &dyn Feed,
        memory: &mut Memory,
        stop: &CancellationToken,
    ) -> Result<Option<Seen>, Error> {
        let (inner, uid) = (&self.inner, record.uid());
        let scan = inner.turns.scan(&record.workspace, stop).await?;
        let parts = stop.run_until_cancelled(feed.parts()).await.ok_or(Error::ShuttingDown)??;
        let found = fingerprint(&parts);
        if memory.known == Some(found) && !is_one_given_again(feed, memory, stop).await? {
            inner.lives.scanned(uid, 0, inner.clock.now());
            self.announce(record);
            return Ok(None);
        }
        memory.known = None;
        memory.keep(&parts);
        let lease = self.lease(record).await?;
        let durable = lease.source_mark(uid).await?.unwrap_or_default();
        inner.lives.counted(uid, &durable);
        let mut pending = compare(&lease, record, parts).await?;
        memory.refused = std::mem::take(&mut pending.refused);
        inner.lives.scanned(uid, pending.parts.len(), inner.clock.now());
        self.announce(record);
        if pending.parts.is_empty() && memory.refused.is_empty() {
            memory.known = Some(found);
            return Ok(None);
        }
        // Nothing is read that could not be written.
        inner.collections.admit()?;
        inner.collections.admit_into(&record.workspace)?;
        Ok(Some(Seen { scan, lease, durable, pending, found }))
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

/// Whether an object is given that was refused. The collection is not even opened for those
/// that are refused still.
async fn is_one_given_again(feed: &dyn Feed, memory: &mut Memory, stop: &CancellationToken) -> Result<bool, Error> {
    let mut turn = memory.turn().into_iter();
    Ok(next_given(feed, memory, stop, &mut turn).await?.is_some())
}

/// The next of the refused objects that is given now. None behind a fault of the moment:
/// the store may take its time with each of them.
async fn next_given(
    feed: &dyn Feed,
    memory: &mut Memory,
    stop: &CancellationToken,
    turn: &mut impl Iterator<Item = (String, Refused)>,
) -> Result<Option<(String, Refused, Box<dyn Reader>)>, Error> {
    for (name, refused) in turn {
        match stop.run_until_cancelled(feed.open(&name, &refused.part)).await.ok_or(Error::ShuttingDown)? {
            Ok(Opened::Ready(reader)) => return Ok(Some((name, refused, reader))),
            Ok(_) => memory.asked(&name),
            Err(_) => {
                memory.asked(&name);
                break;
            }
        }
    }
    Ok(None)
}

/// Reads what is pending; false if an object has changed since it was listed, so
/// that only the next scan knows all.
async fn read_all(
    ingest: &mut Ingest<'_>,
    feed: &dyn Feed,
    mut pending: Pending,
    memory: &mut Memory,
) -> Result<bool, Error> {
    if ingest.is_exceeded(0) {
        return Err(ingest.too_many());
    }
    let mut all = true;
    let mut faults = Faults::default();
    // Not those that are refused now.
    let mut again = memory.turn().into_iter();
    let (late, early): (Vec<_>, Vec<_>) = pending.parts.iter().partition(|(name, _)| memory.faulty.contains(*name));
    for (name, part) in early.into_iter().chain(late) {
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
                ingest.sources.inner.lives.settled(ingest.record.uid());
                Ok(())
            }
            Err(error) => Err(error),
        };
        faults.meet(name, read, memory)?;
    }
    while let Some((name, Refused { part, mark }, reader)) = next_given(feed, memory, ingest.stop, &mut again).await? {
        ingest.sources.inner.lives.expected(ingest.record.uid());
        let read = ingest.read(&name, &part, Some(ObjectMark { refused: false, done: false, ..mark }), reader).await;
        memory.refused.remove(&name);
        faults.meet(&name, read, memory)?;
    }
    faults.told(all)
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
    tracing::warn!(name = %ingest.record.name(), object = name, why, "an object is not given: it is counted, and asked for again");
    let mark = ingest.refuse(name, part, begun, why).await?;
    memory.refused.insert(name.to_owned(), Refused { part: part.clone(), mark });
    Ok(())
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
            memory.faulty.remove(name);
            return Ok(());
        };
        if !matches!(fault, Error::SourceUnreadable { object: Some(_), .. }) {
            return Err(fault);
        }
        tracing::debug!(object = name, causes = causes(&fault), "an object is read at the next scan");
        memory.faulty.insert(name.to_owned());
        self.in_a_row += 1;
        self.others += usize::from(self.first.is_some());
        self.first.get_or_insert(fault);
        if self.in_a_row < MAX_FAULTS { Ok(()) } else { std::mem::take(self).told(true).map(drop) }
    }

    /// The first, and how many others there are.
    fn told(self, all: bool) -> Result<bool, Error> {
        match self.first {
            None => Ok(all),
            Some(Error::SourceUnreadable { object, why, cause }) if self.others > 0 => {
                let why = format!("{why}; so it is with {} others", self.others);
                Err(Error::SourceUnreadable { object, why, cause })
            }
            Some(fault) => Err(fault),
        }
    }
}

/// Leaves out what has been read, and forgets what is no longer there: marks must
/// not pile up behind objects that come and go.
async fn compare(lease: &Lease, record: &Source, mut parts: BTreeMap<String, Part>) -> Result<Pending, Error> {
    let source = record.uid();
    let (mut begun, mut refused) = (HashMap::new(), BTreeMap::new());
    let hidden = hidden_directories(&parts);
    let mut after: Option<String> = None;
    loop {
        let page = lease.object_marks(source, after.as_deref()).await?;
        let more = page.len() == MARKS_PAGE;
        after = page.last().map(|(path, _)| path.clone());
        let mut gone = Vec::new();
        for (path, mark) in page {
            match parts.get(&path) {
                // It may still be there, and is not read again when that shows.
                None if is_below(&path, &hidden) => {}
                None => gone.push(Mark::Object(source, path, None)),
                Some(part) if part.etag == mark.etag && mark.done => {
                    let part = parts.remove(&path);
                    if let Some(part) = part.filter(|_| mark.refused) {
                        refused.insert(path, Refused { part, mark });
                    }
                }
                Some(part) if part.etag == mark.etag => {
                    begun.insert(path, mark);
                }
                Some(_) => {}
            }
        }
        if !gone.is_empty() {
            lease.mark(lease.tenant(), gone).await?;
        }
        if !more {
            return Ok(Pending { parts, begun, refused });
        }
    }
}

/// The directories of which nobody knows what is in them.
fn hidden_directories(parts: &BTreeMap<String, Part>) -> HashSet<String> {
    let hidden = parts.iter().filter(|(name, part)| name.ends_with('/') && part.refused.is_some());
    hidden.map(|(name, _)| name.clone()).collect()
}

fn is_below(path: &str, directories: &HashSet<String>) -> bool {
    !directories.is_empty() && path.match_indices('/').any(|(at, _)| directories.contains(&path[..=at]))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::format::Encoding;

    #[test]
    fn what_is_in_a_directory_that_cannot_be_read_may_still_be_there() {
        let part = |refused: Option<&'static str>| Part {
            etag: "1".to_owned(),
            encoding: Encoding::of("x.csv", None, None).unwrap(),
            refused: refused.map(Into::into),
        };
        let parts: BTreeMap<_, _> = [("a/", Some("no")), ("b.ndjson", Some("no")), ("c/", None)]
            .map(|(name, refused)| (name.to_owned(), part(refused)))
            .into();
        let hidden = hidden_directories(&parts);
        for (path, is_hidden) in [
            ("a/x", true),
            ("a/b/x", true),
            ("a/", true),
            ("a", false),
            ("ab/x", false),
            ("c/x", false),
            ("x/a/y", false),
        ] {
            assert_eq!(is_below(path, &hidden), is_hidden, "{path}");
        }
    }
}
