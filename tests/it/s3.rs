//! The core of these tests once more, with the storage root on an S3 server on
//! loopback, and what only S3 can show.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "the support is that of all tests")]

mod collections;
mod documents;
mod listings;
mod object_storage;
mod restores;
mod retention;
mod smoke;
mod snapshots;
mod sources;
mod support;
mod workspaces;

/// Where the storage root of every server is.
const ON_S3: bool = true;
