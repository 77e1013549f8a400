//! Sources: places whose objects a collection ingests, and goes on ingesting.
//!
//! An object goes through [`decode`] (bytes out of gzip or zstd), [`records`]
//! (bytes into records) and [`fields`] (a record into a document); batches of
//! documents go to the collection's writer, with the marks that say how far the
//! source is (`ingest.rs`). Invariants, cited in the tests:
//!
//! - **O1** The same bytes give the same records under the same numbers, however
//!   they are cut into chunks and wherever the reading starts
//!   ([`records::Records::skip_to`]).
//! - **O2** One bad record costs itself; an object whose structure is broken
//!   ends with an error, after every record before it.
//! - **O3** Memory is bounded by constants, whatever the size of an object, of
//!   its records, or how well it was packed.
//! - **O4** A record without an id gets the same one whenever it is read.
//! - **O5** Position and counters are durable with the documents they cover or
//!   not at all: nothing is lost, nothing counted twice, and a snapshot holds the
//!   position that equals its contents.
//! - **O6** A source reads only what the operator allows, and never the
//!   service's own storage.
//!
//! The record in the records says what a source is to do; a task for each that
//! is to run does it (`worker.rs`), after a restart just the same.

pub mod access;
pub mod allow;
mod control;
pub mod decode;
mod due;
pub mod error;
pub mod feed;
pub mod fields;
pub mod format;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzzed;
mod ingest;
mod live;
pub mod location;
mod memory;
pub mod origin;
pub mod pattern;
mod pending;
pub mod records;
mod retire;
mod spec;
mod state;
mod subscriptions;
mod tally;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod testing;
mod turns;
mod visit;
mod worker;

use std::{collections::HashSet, ops::ControlFlow, sync::Arc};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use uuid::Uuid;

use self::{access::Access, due::Due, live::Lives, location::Store, turns::Turns};
pub use self::{
    live::View,
    spec::{CreateSource, Spec},
    state::{Visible, state_name},
};
use crate::{
    clock::Clock,
    collection::Collections,
    context::Context,
    documents::MAX_POSITIONS,
    error::{Error, Kind},
    hub::Hub,
    idempotency,
    names::{CollectionName, SourceName, SourceParent},
    records::{Change, Collection, CollectionState, Failure, Records, Source, SourceMark, SourcePosition, Stored},
    share::Budget,
    tasks::Tasks,
    unnamed,
    workspace::Room,
};

/// The most sources of one collection; a restored one knows of as many.
pub const MAX_SOURCES: usize = MAX_POSITIONS;

/// The sources. Clones share them.
#[derive(Clone)]
pub struct Sources {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    clock: Clock,
    tasks: Tasks,
    /// Where sources are looked at and read.
    background: Handle,
    collections: Collections,
    access: Arc<Access>,
    hub: Hub<Uuid, View>,
    lives: Lives,
    due: Due,
    turns: Turns,
    /// What their tasks remember between two visits.
    memory: Arc<Budget>,
    /// Deleted ones whose marks are being removed.
    retiring: Mutex<HashSet<Uuid>>,
}

impl Sources {
    /// The sources in the records. What they do runs on `background`, so that neither what
    /// they compute nor their files hold up anybody else.
    #[must_use]
    pub fn new(context: Context, background: Handle, collections: Collections, access: Access) -> Self {
        let Context { records, store: _, clock, tasks, workspaces: _ } = context;
        let inner = Inner {
            records,
            clock,
            tasks,
            background,
            collections,
            access: Arc::new(access),
            hub: Hub::default(),
            lives: Lives::default(),
            due: Due::default(),
            turns: Turns::default(),
            memory: memory::budget(),
            retiring: Mutex::default(),
        };
        let inner = Arc::new(inner);
        subscriptions::subscribe(&inner);
        Self { inner }
    }

    /// Connects a source.
    pub async fn create(&self, command: CreateSource) -> Result<View, Error> {
        let command = &command;
        unnamed::create(&self.inner.clock, Kind::Source, command.id.as_ref(), |id, uid| async move {
            self.connect(command, SourceName { collection: command.collection.clone(), id }, uid).await
        })
        .await
    }

    async fn connect(&self, command: &CreateSource, name: SourceName, uid: Uuid) -> Result<View, Error> {
        let inner = &self.inner;
        // Before the location is looked at for one that may not be.
        let (_, known) = self.connection(command, &name, uid)?;
        if known.uid != uid {
            return self.view(known).await;
        }
        let (access, location) = (Arc::clone(&inner.access), command.spec.location.clone());
        if cfg!(not(feature = "s3")) && matches!(location.store(), Store::S3 { .. }) {
            return Err(Error::invalid("source.location", "s3:// is not available in this build of the server"));
        }
        let checked = inner.tasks.blocking("source check", move || access.check(&location)).await;
        checked.map_err(|panicked| Error::Internal(Arc::new(panicked)))??;
        let record = inner.records.change(|| self.connection(command, &name, uid)).await?;
        if record.uid != uid {
            return self.view(record).await;
        }
        tracing::info!(%name, location = %record.location, "source connected");
        // Nothing has been counted yet.
        Ok(self.peek(record))
    }

    /// A new source of a READY collection, or the one that the same request has made
    /// already.
    fn connection(&self, command: &CreateSource, name: &SourceName, uid: Uuid) -> Result<(Change, Source), Error> {
        let (inner, request) = (&self.inner, command.request.as_ref());
        if let Some(answer) = idempotency::answered(&inner.records, &inner.clock, request)? {
            let found = self.stored(&answer.name()?)?.record;
            let uid = found.uid;
            return Ok((Change::default(), answer.if_same(found, uid)?));
        }
        let collection = inner.collections.ready(&name.collection)?;
        let of = collection.uid;
        if inner.records.get(&Source::at(of, &name.id))?.is_some() {
            return Err(Error::Exists { kind: Kind::Source, name: name.to_string() });
        }
        let room = Room {
            kind: Kind::Source,
            parent: name.collection.to_string(),
            limit: MAX_SOURCES,
            term: &Source::of_collection(of),
            after: None,
        };
        let import_segments = inner.access.import_segments(&command.spec.location);
        let record = command.record(&collection, (&name.id, uid), import_segments, inner.clock.now());
        self.check_position(&record)?;
        let change = room.check(Change::default().insert(&record).require(&collection), &inner.records)?;
        let answer = (&*name.to_string(), uid);
        let change = idempotency::remember(change, &inner.records, request, answer, record.create_time)?;
        Ok((change, record))
    }

    /// Refuses a source that is to go on where the restored snapshot's had been, if the
    /// collection knows of no such place.
    fn check_position(&self, source: &Source) -> Result<(), Error> {
        if !source.start_from_restore {
            return Ok(());
        }
        let known = self.inner.collections.source_positions(source.collection_uid)?;
        if known.iter().any(|position| self.inner.is_of(position, source)) {
            return Ok(());
        }
        let (collection, location) = (source.name.collection.to_string(), source.location.clone());
        Err(Error::SourcePositionNotFound { collection, location })
    }

    /// One source.
    pub async fn get(&self, name: &SourceName) -> Result<View, Error> {
        self.view(self.stored(name)?.record).await
    }

    fn stored(&self, name: &SourceName) -> Result<Stored<Source>, Error> {
        let collection = self.inner.collections.stored(&name.collection)?.uid;
        let found = self.inner.records.get(&Source::at(collection, &name.id))?;
        found.ok_or_else(|| Error::NotFound(name.to_string()))
    }

    /// Shows the sources of a collection, or of many, in the order of their names, from a
    /// name on, without their counters. `each` says how long it goes on.
    pub fn list(
        &self,
        parent: &SourceParent,
        from: Option<&str>,
        each: &mut dyn FnMut(View) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let inner = &self.inner;
        match parent {
            SourceParent::One(name) => drop(inner.collections.stored(name)?),
            SourceParent::Each(workspaces) => inner.collections.check_parent(workspaces)?,
        }
        inner.records.list(&Source::by_name(), &parent.prefix(), from, &mut |found: Source| {
            // One that version 0.1.0 left of a deleted collection is none, until it is forgotten.
            let is_there = inner.records.count(&Collection::of_uid(found.collection_uid)) > 0;
            if is_there { each(self.peek(found)) } else { ControlFlow::Continue(()) }
        })
    }

    /// A source with its counters, which are read from its collection if they
    /// have not been since the server started. Where the collection cannot be read, it is
    /// shown with the reason and without them.
    pub async fn view(&self, record: Source) -> Result<View, Error> {
        let mut unread = None;
        if !self.inner.lives.is_loaded(record.uid)
            && let Some(name) = self.collection_of(&record)?
        {
            match self.read_mark(&name, record.uid).await {
                Ok(mark) => self.inner.lives.load(record.uid, mark),
                Err(error) if error.is_of_stored_data() => unread = Some(Failure::from(&error)),
                Err(error) => return Err(error),
            }
        }
        let view = self.peek(record);
        Ok(View { error: view.error.or(unread), ..view })
    }

    async fn read_mark(&self, collection: &CollectionName, uid: Uuid) -> Result<SourceMark, Error> {
        let lease = self.inner.collections.lease(collection).await?;
        Ok(lease.engine().source_mark(uid).await?.unwrap_or_default())
    }

    /// A source with what is known of its counters.
    #[must_use]
    pub fn peek(&self, mut record: Source) -> View {
        record.location = self.inner.shown(&record.location, record.import_segments);
        self.inner.lives.view(record)
    }

    /// The name of a source's collection, unless it has been deleted.
    fn collection_of(&self, record: &Source) -> Result<Option<CollectionName>, Error> {
        self.collection_if(record.name.collection.clone(), record.collection_uid)
    }

    fn collection_if(&self, name: CollectionName, uid: Uuid) -> Result<Option<CollectionName>, Error> {
        let found = self.inner.records.get(&Collection::at(&name))?;
        Ok(found.filter(|found| found.uid == uid && found.state == CollectionState::Ready).map(|_| name))
    }

    fn announce(&self, record: &Source) {
        self.inner.hub.publish(record.uid, self.peek(record.clone()), false);
    }
}

impl Inner {
    /// A stored location, as it is now.
    fn shown(&self, location: &str, import_segments: u32) -> String {
        match location.parse() {
            Ok(place) if import_segments > 0 => self.access.moved(place, import_segments).to_string(),
            _ => location.to_owned(),
        }
    }

    /// Whether what a restored collection knows is of the place of a source.
    fn is_of(&self, position: &SourcePosition, source: &Source) -> bool {
        let place = self.shown(&position.location, position.import_segments);
        place == self.shown(&source.location, source.import_segments)
    }
}
