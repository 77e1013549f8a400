//! Where a server listens, as operators say it.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

/// An address and a port, or a socket in the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// All addresses of a name, or one.
    Tcp {
        /// A name, or an address without brackets.
        host: String,
        /// 0: any that is free.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

const EXAMPLES: &str = "say it like 127.0.0.1:50051, localhost:50051, [::1]:50051 or unix:/run/stillframe.sock";

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            // gRPC's own way to write an absolute one.
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err(format!("there is no path in it; {EXAMPLES}")),
                path if path.contains('\0') => Err("a path has no NUL in it".to_owned()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        if text.contains("://") {
            return Err(format!("an address is no URL; {EXAMPLES}"));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(match text.parse::<u16>() {
                Ok(port) => format!("a port alone does not say who may connect: {}", which(port)),
                Err(_) => format!("there is no port in it; {EXAMPLES}"),
            });
        };
        let Ok(port) = port.parse() else {
            return Err(format!("{port:?} is no port, which is a number up to 65535; {EXAMPLES}"));
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match (host, bracketed) {
            ("", _) => return Err(format!("a port alone does not say who may connect: {}", which(port))),
            ("*", _) => return Err(format!("* is not known here: {}", which(port))),
            (_, Some(address)) if address.parse::<std::net::Ipv6Addr>().is_ok() => address,
            (host, None) if !host.contains(':') && is_name(host) => host,
            (host, None) if host.parse::<std::net::Ipv6Addr>().is_ok() => {
                return Err(format!("an address of IPv6 is in brackets: [{host}]:{port}"));
            }
            _ => return Err(format!("{host:?} is neither a name nor an address; {EXAMPLES}")),
        };
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

/// What who says a port alone may have meant.
fn which(port: u16) -> String {
    format!("127.0.0.1:{port} is for this machine, 0.0.0.0:{port} and [::]:{port} are for all that reach it")
}

/// What may be a name, or an address of IPv4. Whether there is one of that name is seen
/// when it is resolved.
fn is_name(host: &str) -> bool {
    host.len() <= 253 && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) => {
                write!(f, "[{host}]:{port}")
            }
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_with_a_port_or_a_path() {
        for (text, shown) in [
            ("127.0.0.1:50051", "127.0.0.1:50051"),
            ("localhost:0", "localhost:0"),
            ("[::1]:50051", "[::1]:50051"),
            ("[::]:1", "[::]:1"),
            ("my-host.example.com:80", "my-host.example.com:80"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("unix:///run/a.sock", "unix:/run/a.sock"),
            ("unix:a.sock", "unix:a.sock"),
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn what_is_none_is_refused_with_what_may_have_been_meant() {
        for (text, part) in [
            ("", "there is no port in it"),
            ("localhost", "there is no port in it; say it like 127.0.0.1:50051"),
            ("50051", "127.0.0.1:50051 is for this machine"),
            (":50051", "127.0.0.1:50051 is for this machine"),
            ("*:50051", "0.0.0.0:50051 and [::]:50051 are for all"),
            ("localhost:http", "\"http\" is no port"),
            ("localhost:65536", "\"65536\" is no port"),
            ("localhost:", "\"\" is no port"),
            ("::1:50051", "in brackets: [::1]:50051"),
            ("[::1]", "is no port"),
            ("[localhost]:1", "is neither a name nor an address"),
            ("a b:1", "is neither a name nor an address"),
            ("http://localhost:1", "is no URL"),
            ("unix:", "there is no path in it"),
            ("unix://", "there is no path in it"),
        ] {
            let why = text.parse::<Address>().unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
