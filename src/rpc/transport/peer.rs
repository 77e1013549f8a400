//! Who is at the other end of a connection.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::Request;

use crate::{listen::Socket, share::Tenant};

/// A client, as far as its connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// At an address.
    At(SocketAddr),
    /// On this machine, through a socket in the file system.
    Unix,
    /// Its connection was gone before anybody asked.
    Unknown,
}

impl Peer {
    /// Whose request it is.
    pub fn of<B>(request: &Request<B>) -> Self {
        request.extensions().get().copied().unwrap_or(Self::Unknown)
    }

    /// Without the port, which each connection has anew.
    pub fn ip(self) -> Option<IpAddr> {
        if let Self::At(address) = self { Some(address.ip()) } else { None }
    }

    /// Whose part it has of what is there for those without a key: that of its machine.
    pub fn tenant(self) -> Tenant {
        Tenant::of_workspace(&self.ip().map(|ip| ip.to_string()).unwrap_or_default())
    }
}

impl From<&Socket> for Peer {
    fn from(socket: &Socket) -> Self {
        match socket {
            Socket::Tcp(socket) => socket.peer_addr().map_or(Self::Unknown, Self::At),
            Socket::Unix(_) => Self::Unix,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(formatter),
            Self::Unix => formatter.write_str("unix"),
            Self::Unknown => formatter.write_str("unknown"),
        }
    }
}
