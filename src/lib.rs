//! Stillframe freezes collections of JSON documents into cheap incremental
//! snapshots and restores them, at storage speed, into new collections.
//!
//! The flow runs one way: `rpc` converts requests to the domain (`workspace`,
//! `collection`, `snapshot`, `restore`), which keeps its records in `records`
//! and its documents in `documents`.

pub mod access;
pub mod app;
pub mod cli;
pub mod clock;
pub mod collection;
pub mod context;
pub mod crash;
mod damage;
pub mod demo;
pub mod digest;
pub mod documents;
pub mod durable;
mod ended;
pub mod error;
pub mod etag;
pub mod filter;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod hub;
pub mod idempotency;
pub mod instance;
pub mod json;
pub mod lines;
pub mod listen;
pub mod listing;
pub mod names;
pub mod records;
pub mod regular;
pub mod restore;
pub mod retention;
pub mod rpc;
pub mod share;
pub mod snapshot;
pub mod source;
pub mod space;
pub mod tasks;
mod timekeeper;
mod unnamed;
mod upgrade;
pub mod version;
pub mod workspace;
pub mod writable;

/// The generated contract: messages, clients and servers.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
pub mod pb {
    tonic::include_proto!("stillframe.v1");

    pub use crate::json::fields::Fields;

    /// The descriptor set of the contract and of what the details of errors are made of,
    /// with comments, for reflection.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stillframe.bin"));
}

/// The generated health protocol of gRPC.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
pub mod health {
    tonic::include_proto!("grpc.health.v1");

    /// Its descriptor set, for reflection.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/health.bin"));
}

/// The generated stored records.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]
mod stored {
    tonic::include_proto!("stillframe.storage.v1");

    /// Their descriptor set, to show them to operators.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stored.bin"));
}
