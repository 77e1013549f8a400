//! The gRPC face: the only place that names tonic and the generated types. What comes goes
//! through the transport and the layers to a service, and its answer the same way back.

pub(crate) mod codec;
mod layer;
mod server;
mod service;
mod status;
mod transport;

#[cfg(any(test, feature = "fuzz"))]
pub(crate) use self::service::fuzzed;
#[cfg(test)]
pub(crate) use self::service::limits;
pub use self::{
    server::{Services, serve},
    transport::{TlsFiles, Transport, tls::Tls},
};

/// No response message is larger, so that every stock client can read it.
const MAX_RESPONSE_BYTES: usize = 3 << 20;
