//! The gRPC face: the only place that names tonic and the generated types.
//! Handlers convert, call, convert.

mod access;
mod admission;
mod answers;
mod authenticate;
mod call;
mod certificates;
mod change;
pub(crate) mod codec;
mod collection;
mod connection;
mod convert;
mod deadline;
mod delivery;
mod document;
mod ending;
mod etag;
mod foreign;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzzed;
mod health;
mod incoming;
mod listing;
mod peer;
mod places;
mod reflection;
mod request_memory;
mod restore;
mod rules;
mod server;
mod server_info;
mod serving;
mod snapshot;
mod source;
mod status;
mod streams;
mod timeout;
mod tls;
mod told;
mod transport;
mod windows;
mod workspace;

pub use self::{
    server::{Services, serve},
    tls::Tls,
    transport::{TlsFiles, Transport},
};

/// No response message is larger, so that every stock client can read it.
const MAX_RESPONSE_BYTES: usize = 3 << 20;

/// What requests may say, for the tests that add up the largest records.
#[cfg(test)]
pub(crate) mod limits {
    pub use super::{
        access::MAX_BINDINGS,
        convert::{
            MAX_DESCRIPTION_BYTES, MAX_LABEL_KEY_BYTES, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_REQUEST_ID_BYTES,
        },
    };
}
