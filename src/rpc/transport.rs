//! The transport: connections, what they may cost before a call is looked at, and what is
//! around every call.

pub mod call;
mod certificates;
pub mod connection;
pub mod delivery;
pub mod incoming;
pub mod peer;
pub mod places;
pub mod serving;
mod settings;
pub mod tls;
mod windows;

pub use self::settings::{TlsFiles, Transport};
