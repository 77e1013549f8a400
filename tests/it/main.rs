//! The service as its clients see it: a real server on a loopback port, a real
//! client, a real object store on disk.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod recovery;
mod smoke;
mod support;
