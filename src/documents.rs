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

mod base;
mod checkpoints;
mod compactions;
mod copies;
mod databases;
mod engine;
mod entry;
mod fault;
mod filter;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzzed;
mod intervals;
mod keys;
mod location;
mod manifest;
mod mark;
mod marks;
mod object_hash;
mod overlay;
mod paths;
mod patience;
mod positions;
mod reader;
mod retention;
mod root;
mod sealed;
mod settings;
mod stored;
mod submit;
mod totals;
mod truncation;
mod value;
mod verification;
mod write;
mod writing;

/// What sources read from, of the same version as the storage root.
#[cfg(any(test, feature = "s3"))]
pub use slatedb::object_store;
/// The path of an object under the storage root.
pub use slatedb::object_store::path::Path as ObjectPath;

#[cfg(feature = "s3")]
pub use self::root::s3::{Answer, Reach, connect};
pub use self::{
    checkpoints::{
        checkpoint::{Checkpoint, CutOutcome, UnfinishedCheckpoint},
        files::Files,
        frozen::{Frozen, FrozenManifest, Held, load_manifest},
        lists::RecordedList,
        saved::Saved,
    },
    copies::{
        adopt::{Adopted, Adoption},
        copy::{Copied, CopyMode, Transfer},
    },
    databases::{
        keep::{IsAlone, Keep},
        store::Store,
    },
    engine::{Engine, Known},
    location::{Bucket, Environment, Storage},
    mark::{Mark, Marking},
    marks::PAGE as MARKS_PAGE,
    object_hash::ObjectHash,
    paths::{collections as collections_folder, files as file_list, probes},
    patience::StoragePatience,
    positions::{MAX_POSITIONS, Position},
    reader::{Cursor, Scan, Scanned, Span},
    retention::Retention,
    root::{Root, Unusable, Upload},
    sealed::{Sealed, Since},
    settings::Tuning,
    stored::Manifests,
    submit::Submitted,
    totals::{Dropped, Totals},
    truncation::drained::Drained,
    value::StoredDocument,
    verification::{
        culprit::Culprit,
        inspect::{Least, Newest},
        repair::{Left, Survey},
    },
    write::{BatchResult, Operation, Outcome, Write, WriteResult},
    writing::writer::Reusable,
};

/// The largest body, in bytes, so that every stock gRPC client (4 MiB) can
/// read what it wrote.
pub const MAX_BODY_BYTES: usize = 2 << 20;
/// The longest document id, in bytes.
pub const MAX_DOCUMENT_ID_BYTES: usize = 1024;
