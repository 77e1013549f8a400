//! Reads objects and hands their documents to the collection's writer, with the
//! marks that say how far the source is.
//!
//! Several batches are under way at once. When one fails, what the database holds
//! is unknown: the visit ends, and the next one reads the marks again.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use super::{
    Sources, Spec,
    error::ReadError,
    feed::{Part, Reader},
    fields::FieldNames,
    origin::Origin,
    records::Record,
    spec::{to_compression, to_format},
    tally::{Counting, Plan},
    turns::Reading,
};
use crate::{
    collection::Lease,
    documents::{MAX_BODY_BYTES, Operation, Submitted, Write},
    error::Error,
    records::{ObjectMark, Source, SourceMark},
};

/// A batch ends when it has this many writes or bytes.
const BATCH_WRITES: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;
/// Batches under way at once.
const WINDOW: usize = 8;

/// The reading of one visit.
pub(super) struct Ingest<'a> {
    pub sources: &'a Sources,
    pub record: &'a Source,
    pub spec: &'a Spec,
    pub fields: FieldNames,
    pub lease: &'a Lease,
    pub stop: &'a CancellationToken,
    pub turn: Reading,
    /// As far as the writer is.
    pub tally: Arc<Mutex<SourceMark>>,
    /// As far as is durable.
    pub durable: SourceMark,
    /// Bad records that are not durable yet, as far as the reader knows.
    pub bad_ahead: i64,
    pub flights: VecDeque<Flight>,
}

/// A batch under way.
pub(super) struct Flight {
    submitted: Submitted,
    /// Bad records that are not among its writes.
    bad: i64,
    /// Whether it is the last of its object.
    done: bool,
}

impl Ingest<'_> {
    /// Reads an object from where its mark is.
    pub async fn read(
        &mut self,
        name: &str,
        part: &Part,
        mark: Option<ObjectMark>,
        mut reader: Box<dyn Reader>,
    ) -> Result<(), Error> {
        let mut batch = Batch::new(self.spec, name, start(part, mark));
        let fields = self.fields.of_format(part.encoding.format);
        reader.skip_to(batch.mark.records);
        loop {
            let ended = match self.next(reader.as_mut()).await? {
                Ok(Some(record)) => {
                    batch.add(&fields, record);
                    None
                }
                Ok(None) => Some(Ok(())),
                Err(error) if error.is_transient() => Some(Err(unreadable(name, error))),
                Err(error) => {
                    batch.plan.refuse(None, &error);
                    Some(Ok(()))
                }
            };
            // What is under way counts: not one bad record more is read.
            let exceeded = self.is_exceeded(self.bad_ahead + batch.plan.bad);
            if ended.is_none() && !batch.is_full() && !exceeded {
                continue;
            }
            let done = matches!(ended, Some(Ok(())));
            let (plan, writes) = batch.take(reader.position(), done, self.sources.inner.clock.now());
            self.submit(plan, writes).await?;
            if exceeded || self.is_exceeded(0) {
                return Err(self.too_many());
            }
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    /// The next record, which may be long in coming: others have their turn meanwhile.
    async fn next(&mut self, reader: &mut dyn Reader) -> Result<Result<Option<Record>, ReadError>, Error> {
        loop {
            let next = timeout_at(self.turn.ends(), reader.next());
            match self.stop.run_until_cancelled(next).await.ok_or(Error::ShuttingDown)? {
                Ok(next) => return Ok(next),
                Err(_) => self.turn.pass(self.stop).await?,
            }
        }
    }

    /// Counts an object that is not given to us as one bad record.
    pub async fn refuse(&mut self, name: &str, part: &Part, mark: Option<ObjectMark>, why: &str) -> Result<(), Error> {
        let mut batch = Batch::new(self.spec, name, ObjectMark { refused: true, ..start(part, mark) });
        batch.plan.refuse(None, &format_args!("it cannot be read: {why}"));
        let exceeded = self.is_exceeded(self.bad_ahead + batch.plan.bad);
        let (plan, writes) = batch.take(batch.mark.bytes, true, self.sources.inner.clock.now());
        self.submit(plan, writes).await?;
        if exceeded || self.is_exceeded(0) { Err(self.too_many()) } else { Ok(()) }
    }

    async fn submit(&mut self, plan: Plan, writes: Vec<Write>) -> Result<(), Error> {
        self.sources.inner.collections.admit_into(self.record.name.collection.workspace.as_str())?;
        let (bad, done) = (plan.bad, plan.mark.done);
        let counting = Counting { source: self.record.uid, tally: Arc::clone(&self.tally), plan };
        let submitted =
            self.lease.unless_deleted(self.lease.engine().submit_marked(self.lease.tenant(), writes, counting)).await?;
        self.bad_ahead += bad;
        self.flights.push_back(Flight { submitted, bad, done });
        if self.flights.len() >= WINDOW { self.land().await } else { Ok(()) }
    }

    /// Waits until everything under way is durable.
    pub async fn drain(&mut self) -> Result<(), Error> {
        while !self.flights.is_empty() {
            self.land().await?;
        }
        Ok(())
    }

    /// Waits for the oldest batch.
    async fn land(&mut self) -> Result<(), Error> {
        let Some(Flight { submitted, bad, done }) = self.flights.pop_front() else { return Ok(()) };
        let result = self.lease.unless_deleted(submitted.acknowledged()).await?;
        crate::crash_point!(SourceLanded);
        self.durable = result.settled.ok_or_else(|| Error::internal("a batch of a source without its mark"))?;
        self.bad_ahead -= bad;
        let (lives, uid) = (&self.sources.inner.lives, self.record.uid);
        lives.landed(uid, &self.durable, done);
        self.sources.announce(self.record);
        Ok(())
    }

    /// Whether so many more bad records than are durable are too many.
    pub fn is_exceeded(&self, more: i64) -> bool {
        let SourceMark { bad_records, bad_records_excused, .. } = self.durable;
        bad_records - bad_records_excused + more > self.spec.max_bad_records
    }

    pub fn too_many(&self) -> Error {
        Error::TooManyBadRecords { limit: self.spec.max_bad_records }
    }
}

/// Where the reading of a part begins: where it ended, if it is still the same
/// and read in the same way.
fn start(part: &Part, mark: Option<ObjectMark>) -> ObjectMark {
    let format = to_format(Some(part.encoding.format)).into();
    let compression = to_compression(Some(part.encoding.compression)).into();
    match mark {
        Some(mark) if mark.etag == part.etag && mark.format == format && mark.compression == compression => mark,
        _ => ObjectMark { etag: part.etag.clone(), format, compression, ..ObjectMark::default() },
    }
}

/// What storage says is for the log; a client learns the kind.
fn unreadable(object: &str, error: ReadError) -> Error {
    let why = match &error {
        ReadError::Unavailable(cause) => broken_off(cause),
        other => other.to_string(),
    };
    Error::SourceUnreadable { object: Some(object.to_owned()), why, cause: Some(Arc::new(error)) }
}

/// Why bytes ended before the object did.
fn broken_off(cause: &std::io::Error) -> String {
    // What a store says comes as a cause of its own.
    #[cfg(feature = "s3")]
    if cause.get_ref().is_some() {
        return crate::documents::Answer::behind(cause).to_string();
    }
    cause.kind().to_string()
}

/// Records on their way into one batch.
struct Batch {
    origin: Origin,
    plan: Plan,
    /// How far the object is with them.
    mark: ObjectMark,
    writes: Vec<Write>,
    size: usize,
}

impl Batch {
    fn new(spec: &Spec, object: &str, mark: ObjectMark) -> Self {
        let location = spec.location.path();
        let path = if location.is_empty() { object.to_owned() } else { format!("{location}/{object}") };
        let origin = Origin::new(&spec.location, &path);
        let plan = Plan { object: object.to_owned(), ..Plan::default() };
        Self { origin, plan, mark, writes: Vec::new(), size: 0 }
    }

    fn is_full(&self) -> bool {
        self.writes.len() >= BATCH_WRITES || self.size >= BATCH_BYTES || self.plan.bad >= i64::from(u16::MAX)
    }

    fn add(&mut self, fields: &FieldNames, record: Record) {
        let Record { number, line, content } = record;
        self.mark.records = number + 1;
        let json = match content {
            Ok(json) => json,
            Err(bad) => return self.plan.refuse(line, &bad),
        };
        let document = match fields.document(&json, self.origin, number) {
            Ok(document) => document,
            Err(bad) => return self.plan.refuse(line, &bad),
        };
        let size = document.body.len();
        if size > MAX_BODY_BYTES {
            return self.plan.refuse(line, &Error::DocumentTooLarge { size, limit: MAX_BODY_BYTES });
        }
        self.size += size;
        self.plan.lines.push(line.unwrap_or_default());
        let operation = Operation::Upsert { event_time: document.event_time, body: document.body };
        self.writes.push(Write { id: document.id, operation, if_etag: None });
    }

    /// The batch so far; the next one begins behind it.
    fn take(&mut self, position: u64, done: bool, time: i64) -> (Plan, Vec<Write>) {
        let bytes = position.saturating_sub(self.mark.bytes);
        self.mark.bytes = position;
        self.mark.done = done;
        self.size = 0;
        let next = Plan { object: self.plan.object.clone(), ..Plan::default() };
        let plan = std::mem::replace(&mut self.plan, next);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        (Plan { mark: self.mark.clone(), bytes, time, ..plan }, std::mem::take(&mut self.writes))
    }
}
