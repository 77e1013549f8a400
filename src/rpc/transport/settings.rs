//! How clients connect: what a connection may take, and for how long.

use std::{path::PathBuf, time::Duration};

/// The settings of connections.
#[derive(Clone, Debug)]
pub struct Transport {
    /// With these files connections are encrypted.
    pub tls: Option<TlsFiles>,
    /// How often those files are looked at for new contents.
    pub tls_look_every: Duration,
    /// Connections at once; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Streams of a connection at once; further ones wait in the client.
    pub max_streams: u32,
    /// Bytes of all request messages that are received or worked on at once;
    /// further ones are refused. Half of it is for streams, so it must be at least
    /// twice the longest message, 12 MiB.
    pub request_memory_bytes: usize,
    /// How long the next 64 KiB of a message may take, or its end.
    pub message_patience: Duration,
    /// How long a new connection may take for the TLS handshake and HTTP/2's first bytes.
    pub handshake_patience: Duration,
    /// How long a connection without a call may stay on which nobody has been let in.
    pub stranger_patience: Duration,
    /// How long the next 64 KiB of an answer may wait for the client to take them.
    pub answer_patience: Duration,
    /// Bytes of all answers that wait for their clients at once.
    pub answer_memory_bytes: usize,
    /// How long a connection is silent before it is pinged.
    pub keepalive_interval: Duration,
    /// How long the answer to a ping may take.
    pub keepalive_timeout: Duration,
    /// When a client is asked to connect anew; streams under way go on.
    pub max_connection_age: Duration,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            tls: None,
            tls_look_every: Duration::from_secs(60),
            max_connections: 1000,
            max_streams: 1024,
            request_memory_bytes: 512 << 20,
            message_patience: Duration::from_secs(60),
            handshake_patience: Duration::from_secs(10),
            stranger_patience: Duration::from_secs(60),
            answer_patience: Duration::from_secs(60),
            answer_memory_bytes: 256 << 20,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            max_connection_age: Duration::from_secs(3600),
        }
    }
}

/// Where certificates and the key are, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those between it and the root.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// If given, a client must show a certificate that one of these has signed.
    pub client_ca: Option<PathBuf>,
}
