//! The gRPC face: the only place that names tonic and the generated types.
//! Handlers convert, call, convert.

mod certificates;
mod change;
mod collection;
mod connection;
mod convert;
mod deadline;
mod document;
mod ending;
mod incoming;
mod listing;
mod restore;
mod server;
mod snapshot;
mod source;
mod status;
mod tls;
mod transport;
mod workspace;

pub use self::{
    server::{Services, serve},
    tls::Tls,
    transport::{TlsFiles, Transport},
};
