//! The service as its clients see it: a real server on a loopback port, a real
//! client, a real object store on disk.
#![allow(dead_code, reason = "some of the support is for `s3.rs`")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod access;
mod collections;
mod demo;
mod documents;
mod full_disk;
mod limits;
mod listings;
mod recovery;
mod restores;
mod retention;
mod smoke;
mod snapshots;
mod sources;
mod support;
mod transport;
mod workspaces;

/// Where the storage root of every server is; `tests/s3` says otherwise.
const ON_S3: bool = false;
