//! The document store: one SlateDB database per collection, under one storage
//! root. Nothing outside this room names SlateDB.
//!
//! **D1** A write is acknowledged only when it survives `kill -9` and power
//! loss. **D2** The totals equal a scan of all documents, always: they are
//! written in the batch that changes them. **D3** Nobody reads what a crash
//! could take back.
//!
//! ```text
//! collections/<uid>/    a SlateDB database, and `ids.filter`
//! staging/<uid>/        the manifest of a restore in preparation
//! files/<uid>           the file list of a snapshot or of a restore
//! records/<revision>    the record log: all else that is known
//! ```

mod adopt;
mod base;
mod buffers;
mod checkpoint;
mod compactions;
mod copy;
mod culprit;
mod cutoff;
mod drain;
mod engine;
mod fault;
mod filter;
mod flusher;
mod frozen;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzzed;
mod group;
mod inspect;
mod intervals;
mod keep;
mod keys;
mod lists;
mod location;
mod manifest;
mod marks;
mod merges;
mod overlay;
mod patience;
mod plan;
mod positions;
mod reader;
mod repair;
mod retention;
mod root;
mod sealed;
mod settings;
mod store;
mod stored;
mod submit;
mod ticks;
mod totals;
mod value;
mod verify;
mod writer;
mod young;

/// What sources read from, of the same version as the storage root.
#[cfg(any(test, feature = "s3"))]
pub use slatedb::object_store;
/// The path of an object under the storage root.
pub use slatedb::object_store::path::Path as ObjectPath;

#[cfg(feature = "s3")]
pub use self::root::s3::{Answer, Reach, connect};
pub use self::{
    adopt::{Adopted, Adoption},
    checkpoint::{Checkpoint, CutOutcome, Files, UnfinishedCheckpoint},
    copy::{Copied, CopyMode, Transfer},
    culprit::Culprit,
    drain::Drained,
    engine::{Engine, Known},
    frozen::{Frozen, FrozenManifest, Held, load_manifest},
    group::{BatchResult, Operation, Outcome, Write, WriteResult},
    inspect::{Least, Newest},
    keep::{IsAlone, Keep},
    lists::{RecordedList, Saved},
    location::{Bucket, Environment, Storage},
    marks::{Mark, Marking, PAGE as MARKS_PAGE},
    patience::StoragePatience,
    positions::MAX_POSITIONS,
    reader::{Cursor, Scan, Scanned, Span},
    repair::{Left, Survey},
    retention::Retention,
    root::{Root, Unusable, Upload, collections as collections_folder, files as file_list, probes},
    sealed::{Sealed, Since},
    settings::Tuning,
    store::Store,
    stored::Manifests,
    submit::Submitted,
    totals::{Dropped, Totals},
    value::StoredDocument,
    writer::Reusable,
};

/// The largest body, in bytes, so that every stock gRPC client (4 MiB) can
/// read what it wrote.
pub const MAX_BODY_BYTES: usize = 2 << 20;
/// The longest document id, in bytes.
pub const MAX_DOCUMENT_ID_BYTES: usize = 1024;
