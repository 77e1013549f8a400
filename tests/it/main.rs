//! The service as its clients see it: a real server on a loopback port, a real
//! client, a real object store.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests"
)]

// `apply`, and where a test is: `on_directory!`, `on_s3!`, `on_each_storage!`.
#[macro_use]
extern crate macro_rules_attribute;
#[macro_use]
mod support;

mod access;
mod architecture;
mod clocks;
mod collections;
mod concurrency;
mod contract;
mod damage;
mod demo;
mod documents;
mod faults;
mod full_disk;
mod limits;
mod listings;
mod logs;
mod many;
#[cfg(feature = "s3")]
mod object_storage;
mod power_loss;
mod process;
mod records;
mod recovery;
mod restores;
mod retention;
#[cfg(feature = "s3")]
mod s3_server;
mod smoke;
mod snapshots;
mod sources;
mod transport;
mod upgrade;
mod workspaces;
