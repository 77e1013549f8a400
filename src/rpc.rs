//! The gRPC face: the only place that names tonic and the generated types.
//! Handlers convert, call, convert.

mod change;
mod collection;
mod convert;
mod deadline;
mod document;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzzed;
mod listing;
mod restore;
mod server;
mod snapshot;
mod source;
mod status;
mod workspace;

pub use self::server::{Services, serve};
