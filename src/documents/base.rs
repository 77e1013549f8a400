//! What an open collection reads from.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use slatedb::{
    Db, DbIterator, DbReader, DbReaderMode, DbSnapshot, DbStatus, VersionedManifest,
    config::{CloseOptions, DbReaderOptions, FlushType, ReadOptions, ScanOptions},
};
use uuid::Uuid;

use super::{
    databases::store::Store,
    keys::{Range, Segments},
    paths,
    patience::within,
    settings,
};
use crate::error::Error;

/// Longer than any reader lives: what it reads changes only by itself.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

type Result<T> = std::result::Result<T, slatedb::Error>;

/// A database.
#[derive(Clone)]
pub enum Base {
    /// Open to read and to write.
    Open(Db),
    /// As it was when it was opened, because nothing can be written.
    ReadOnly(Arc<DbReader>),
}

/// A database as it was at one moment.
pub enum Cut {
    Snapshot(Arc<DbSnapshot>),
    ReadOnly(Arc<DbReader>),
}

impl Base {
    pub async fn get(&self, key: &[u8], options: &ReadOptions) -> Result<Option<Bytes>> {
        match self {
            Self::Open(db) => db.get_with_options(key, options).await,
            Self::ReadOnly(reader) => reader.get_with_options(key, options).await,
        }
    }

    pub async fn scan(&self, range: Range, options: &ScanOptions) -> Result<DbIterator> {
        match self {
            Self::Open(db) => db.scan_with_options(range, options).await,
            Self::ReadOnly(reader) => reader.scan_with_options(range, options).await,
        }
    }

    pub fn cut(&self) -> Result<Cut> {
        match self {
            Self::Open(db) => db.snapshot().map(Cut::Snapshot),
            Self::ReadOnly(reader) => Ok(Cut::ReadOnly(Arc::clone(reader))),
        }
    }

    /// The database, if it can be written to.
    pub fn to_write(&self) -> Option<&Db> {
        match self {
            Self::Open(db) => Some(db),
            Self::ReadOnly(_) => None,
        }
    }

    pub fn manifest(&self) -> VersionedManifest {
        match self {
            Self::Open(db) => db.manifest(),
            Self::ReadOnly(reader) => reader.manifest(),
        }
    }

    pub fn status(&self) -> DbStatus {
        match self {
            Self::Open(db) => db.status(),
            Self::ReadOnly(reader) => reader.status(),
        }
    }

    pub async fn close(&self, flush: FlushType) -> Result<()> {
        match self {
            Self::Open(db) => db.close_with_options(CloseOptions::default().with_flush_type(Some(flush))).await,
            Self::ReadOnly(reader) => reader.close().await,
        }
    }
}

impl Cut {
    pub async fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self {
            Self::Snapshot(snapshot) => snapshot.get(key).await,
            Self::ReadOnly(reader) => reader.get(key).await,
        }
    }

    pub async fn scan(&self, range: Range, options: &ScanOptions) -> Result<DbIterator> {
        match self {
            Self::Snapshot(snapshot) => snapshot.scan_with_options(range, options).await,
            Self::ReadOnly(reader) => reader.scan_with_options(range, options).await,
        }
    }
}

impl Store {
    /// Opens a database that cannot be written to, with all that is in its log. What an
    /// open to write would make durable by its own entries is made so here.
    pub(super) async fn open_to_read(&self, uid: Uuid) -> std::result::Result<DbReader, Error> {
        self.root().sync_tree(&paths::collection(uid)).await?;
        let options = DbReaderOptions {
            manifest_poll_interval: NEVER,
            checkpoint_lifetime: NEVER * 2,
            object_store_max_retries: Some(settings::STORAGE_RETRIES),
            ..DbReaderOptions::default()
        };
        let (_, cache_id) = uid.as_u64_pair();
        let reader = DbReader::builder(paths::collection(uid), self.root().store())
            .with_reader_mode(DbReaderMode::FollowLatest)
            .with_segment_extractor(Arc::new(Segments))
            .with_system_clock(self.ticks(&paths::collection(uid)).await?)
            .with_db_cache(self.cache(), cache_id)
            .with_options(options);
        within(self.tuning.storage_patience.open, reader.build()).await
    }
}
