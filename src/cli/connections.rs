//! How clients connect: the part of the command line about TLS and connections.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{duration, size};
use crate::rpc::{TlsFiles, Transport};

/// How clients connect.
#[derive(Clone, Debug, Args)]
pub struct ConnectionArgs {
    /// The server's certificate and those between it and the root, as PEM. With it, connections are encrypted.
    #[arg(long, env = "STILLFRAME_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM.
    #[arg(long, env = "STILLFRAME_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Certificates, as PEM. With it, a client must show a certificate that one of them has signed (mutual TLS).
    #[arg(long, env = "STILLFRAME_TLS_CLIENT_CA", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Connections at once; further ones wait until one is closed.
    #[arg(long, env = "STILLFRAME_MAX_CONNECTIONS", default_value = "1000",
          value_parser = clap::value_parser!(u32).range(1..), allow_hyphen_values = true)]
    max_connections: u32,
    /// Bytes of all request messages that are received or worked on at once, half of them for streams; further
    /// ones are refused. A number, or with a unit (1GB, 512MiB).
    #[arg(long, env = "STILLFRAME_REQUEST_MEMORY_BYTES", default_value = "512MiB", value_name = "SIZE",
          value_parser = request_memory, allow_hyphen_values = true)]
    request_memory_bytes: usize,
    /// When a client is asked to connect anew; what it has under way goes on.
    #[arg(long, env = "STILLFRAME_MAX_CONNECTION_AGE", default_value = "1h", value_name = "TIME",
          value_parser = age, allow_hyphen_values = true)]
    max_connection_age: Duration,
}

impl ConnectionArgs {
    /// As the server takes it.
    pub fn transport(self) -> Transport {
        let Self {
            tls_cert,
            tls_key,
            tls_client_ca: client_ca,
            max_connections,
            request_memory_bytes,
            max_connection_age,
        } = self;
        Transport {
            // One is never without the other.
            tls: tls_cert.zip(tls_key).map(|(cert, key)| TlsFiles { cert, key, client_ca }),
            max_connections: max_connections.try_into().unwrap_or(usize::MAX),
            request_memory_bytes,
            max_connection_age,
            ..Transport::default()
        }
    }
}

/// With less, the longest message would never be let in.
const LEAST_REQUEST_MEMORY: u64 = 32 << 20;

fn request_memory(text: &str) -> Result<usize, String> {
    let bytes = size::parse(text, LEAST_REQUEST_MEMORY, i64::MAX.cast_unsigned())?;
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// Shorter ones would keep clients busy with connecting.
fn age(text: &str) -> Result<Duration, String> {
    duration::parse(text, Duration::from_secs(1))
}

/// What a client of an encrypted server says; which files it has, we cannot know.
pub fn grpcurl(files: &TlsFiles) -> String {
    match files.client_ca {
        Some(_) => "-cacert ROOT.pem -cert CLIENT.pem -key CLIENT-KEY.pem".to_owned(),
        None => "-cacert ROOT.pem".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        connections: ConnectionArgs,
    }

    fn transport(arguments: &[&str]) -> Option<Transport> {
        let line = Line::try_parse_from(["stillframe"].iter().chain(arguments));
        line.ok().map(|line| line.connections.transport())
    }

    #[test]
    fn certificate_and_key_come_together_and_before_a_client_ca() {
        let files = |client_ca: Option<&str>| {
            let client_ca = client_ca.map(PathBuf::from);
            Some(TlsFiles { cert: "c".into(), key: "k".into(), client_ca })
        };
        assert_eq!(transport(&[]).unwrap().tls, None);
        assert_eq!(transport(&["--tls-cert", "c", "--tls-key", "k"]).unwrap().tls, files(None));
        let mutual = ["--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "ca"];
        assert_eq!(transport(&mutual).unwrap().tls, files(Some("ca")));
        for alone in [&["--tls-cert", "c"][..], &["--tls-key", "k"], &["--tls-client-ca", "ca"]] {
            assert!(transport(alone).is_none(), "{alone:?}");
        }
    }

    #[test]
    fn the_longest_message_fits() {
        let bytes =
            |value| transport(&["--request-memory-bytes", value]).map(|transport| transport.request_memory_bytes);
        assert_eq!(bytes("33554432"), Some(32 << 20));
        assert_eq!(bytes("33554431"), None);
        assert_eq!(bytes("32MiB"), Some(32 << 20));
        assert_eq!(bytes("32MB"), None);
        assert_eq!(transport(&[]).unwrap().request_memory_bytes, Transport::default().request_memory_bytes);
    }

    #[test]
    fn there_is_at_least_one_place_and_a_second() {
        assert_eq!(transport(&["--max-connections", "1"]).unwrap().max_connections, 1);
        assert_eq!(transport(&["--max-connection-age", "1s"]).unwrap().max_connection_age, Duration::from_secs(1));
        for bad in [["--max-connections", "0"], ["--max-connection-age", "999ms"], ["--max-connection-age", "x"]] {
            assert!(transport(&bad).is_none(), "{bad:?}");
        }
    }
}
