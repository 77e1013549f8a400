//! Where a server listens: addresses and sockets in the file system, taken in two steps. All
//! of them are bound, so that nobody listens there, before anything is made; connections
//! are let in when there is somebody to answer them.

mod address;
mod socket_file;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream, lookup_host};

pub use self::{address::Address, socket_file::SocketFile};

/// Connections that wait to be accepted; the kernel may allow fewer.
const BACKLOG: u32 = 1024;

/// Why nobody can listen there.
#[derive(Debug, thiserror::Error)]
#[error("--listen {address}: {why}")]
pub struct ListenError {
    address: String,
    why: String,
}

impl ListenError {
    fn new(address: impl ToString, why: impl ToString) -> Self {
        Self { address: address.to_string(), why: why.to_string() }
    }

    fn io(address: impl ToString, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::new(address, "another process listens there"),
            io::ErrorKind::AddrNotAvailable => Self::new(address, "this machine has no such address"),
            _ => Self::new(address, error),
        }
    }
}

/// Places to listen that are this process's now.
pub struct Reserved(Vec<Seat>);

/// Why an address is not taken.
enum Refused {
    /// The machine does not have it.
    Absent(ListenError),
    For(ListenError),
}

enum Seat {
    Tcp(TcpSocket, SocketAddr),
    Unix(PathBuf),
}

impl Reserved {
    /// Takes all of them, or none. Makes no files.
    pub async fn take(addresses: &[Address]) -> Result<Self, ListenError> {
        let mut reserved = Self(Vec::new());
        for address in addresses {
            match address {
                Address::Tcp { host, port } => reserved.take_name(address, host, *port).await?,
                Address::Unix(path) if reserved.has(path) => {}
                Address::Unix(path) => {
                    socket_file::check(path).await.map_err(|why| ListenError::new(address, why))?;
                    reserved.0.push(Seat::Unix(path.clone()));
                }
            }
        }
        Ok(reserved)
    }

    fn has(&self, path: &Path) -> bool {
        self.0.iter().any(|seat| matches!(seat, Seat::Unix(taken) if taken == path))
    }

    /// Takes all addresses of a name that this machine has.
    async fn take_name(&mut self, address: &Address, host: &str, port: u16) -> Result<(), ListenError> {
        let mut absent = Vec::new();
        let found = resolve(address, host, port).await?;
        for found in &found {
            match self.take_one(*found) {
                // `localhost` has an address of IPv6 where IPv6 is switched off.
                Err(Refused::Absent(error)) => absent.push(error),
                Err(Refused::For(error)) => return Err(error),
                Ok(()) => {}
            }
        }
        match absent.pop() {
            Some(error) if absent.len() + 1 == found.len() => Err(error),
            Some(error) => {
                tracing::debug!(%address, %error, "not listened to");
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn take_one(&mut self, address: SocketAddr) -> Result<(), Refused> {
        if taken(&self.0).any(|taken| taken == address && address.port() != 0) {
            return Ok(());
        }
        if let Some(other) = taken(&self.0).find(|taken| overlap(*taken, address)) {
            let why = format!("one of it and {other} includes the other: leave one out");
            return Err(Refused::For(ListenError::new(address, why)));
        }
        let socket = bind(address).map_err(|error| {
            let told = ListenError::io(address, &error);
            if is_absent(&error) { Refused::Absent(told) } else { Refused::For(told) }
        })?;
        self.0.push(Seat::Tcp(socket, address));
        Ok(())
    }

    /// Those that others than this machine may reach.
    pub fn open_to_others(&self) -> impl Iterator<Item = SocketAddr> {
        taken(&self.0).filter(|address| !address.ip().is_loopback())
    }

    /// Begins to let connections in.
    pub fn listen(self) -> Result<Listeners, ListenError> {
        let mut listeners = Vec::new();
        for seat in self.0 {
            listeners.push(match seat {
                Seat::Tcp(socket, address) => {
                    Listener::Tcp(socket.listen(BACKLOG).map_err(|error| ListenError::io(address, &error))?)
                }
                Seat::Unix(path) => {
                    let failed = |error| ListenError::io(Address::Unix(path.clone()), &error);
                    let (listener, file) = socket_file::listen(&path).map_err(failed)?;
                    Listener::Unix(listener, file)
                }
            });
        }
        Ok(Listeners { listeners, turn: AtomicUsize::default() })
    }
}

async fn resolve(address: &Address, host: &str, port: u16) -> Result<Vec<SocketAddr>, ListenError> {
    let found = lookup_host((host, port)).await.map_err(|error| ListenError::new(address, error))?;
    let mut different: Vec<SocketAddr> = Vec::new();
    for found in found {
        if !different.contains(&found) {
            different.push(found);
        }
    }
    if different.is_empty() { Err(ListenError::new(address, "the name has no address")) } else { Ok(different) }
}

fn taken(seats: &[Seat]) -> impl Iterator<Item = SocketAddr> {
    seats.iter().filter_map(|seat| if let Seat::Tcp(_, address) = seat { Some(*address) } else { None })
}

/// Whether who listens at the one is in the way of who listens at the other. `[::]` takes
/// connections to addresses of IPv4 as well.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let includes = |wide: SocketAddr, narrow: SocketAddr| {
        wide.ip().is_unspecified() && (wide.is_ipv6() || wide.is_ipv4() == narrow.is_ipv4())
    };
    one.port() == other.port() && one.port() != 0 && (includes(one, other) || includes(other, one))
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of the server before, that have just ended, are not in the way.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn is_absent(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
}

/// Where connections come in.
pub struct Listeners {
    listeners: Vec<Listener>,
    /// Which is asked first.
    turn: AtomicUsize,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The server's end of a connection.
pub enum Socket {
    /// Of a client that may be anywhere.
    Tcp(TcpStream),
    /// Of a client on this machine that may open the socket's file.
    Unix(UnixStream),
}

impl Listeners {
    /// The next connection. Dropped before it has one, it loses none.
    pub async fn accept(&self) -> io::Result<Socket> {
        std::future::poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Socket>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.listeners.len().max(1);
        let (later, first) = self.listeners.split_at(turn);
        for listener in first.iter().chain(later) {
            let accepted = match listener {
                Listener::Tcp(listener) => listener.poll_accept(context).map_ok(|(socket, _)| Socket::Tcp(socket)),
                Listener::Unix(listener, _) => listener.poll_accept(context).map_ok(|(socket, _)| Socket::Unix(socket)),
            };
            if accepted.is_ready() {
                return accepted;
            }
        }
        Poll::Pending
    }

    /// Where they are, as clients name them.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let address = |listener: &Listener| match listener {
            Listener::Tcp(listener) => listener.local_addr().map_or_else(|_| "unknown".to_owned(), |at| at.to_string()),
            Listener::Unix(_, file) => Address::Unix(file.path().to_owned()).to_string(),
        };
        self.listeners.iter().map(address).collect()
    }
}

impl From<TcpListener> for Listeners {
    fn from(listener: TcpListener) -> Self {
        Self { listeners: vec![Listener::Tcp(listener)], turn: AtomicUsize::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_in_the_way_of_who_listens_somewhere() {
        let is_in_the_way = |one: &str, other: &str| {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(overlap(one, other), overlap(other, one));
            overlap(one, other)
        };
        for (one, other) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("[::]:1", "0.0.0.0:1")]
        {
            assert!(is_in_the_way(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("0.0.0.0:1", "127.0.0.1:2"),
            ("0.0.0.0:1", "[::1]:1"),
            ("127.0.0.1:1", "[::1]:1"),
            ("0.0.0.0:0", "127.0.0.1:0"),
        ] {
            assert!(!is_in_the_way(one, other), "{one} {other}");
        }
    }

    #[tokio::test]
    async fn a_port_is_taken_before_anybody_is_let_in() {
        let address: Address = "127.0.0.1:0".parse().unwrap();
        let reserved = Reserved::take(&[address.clone(), address]).await.unwrap();
        let taken: Vec<_> = reserved
            .0
            .iter()
            .map(|seat| match seat {
                Seat::Tcp(socket, _) => socket.local_addr().unwrap(),
                Seat::Unix(_) => panic!("no path was given"),
            })
            .collect();
        assert_eq!(reserved.open_to_others().count(), 0);
        TcpStream::connect(taken[0]).await.unwrap_err();
        let listeners = reserved.listen().unwrap();
        for address in &taken {
            let (connected, accepted) = tokio::join!(TcpStream::connect(address), listeners.accept());
            let Socket::Tcp(accepted) = accepted.unwrap() else { panic!("a path") };
            assert_eq!(accepted.peer_addr().unwrap(), connected.unwrap().local_addr().unwrap());
        }
        let again: Vec<Address> = vec![taken[0].to_string().parse().unwrap()];
        let refused = Reserved::take(&again).await.map(drop).unwrap_err().to_string();
        assert_eq!(refused, format!("--listen {}: another process listens there", taken[0]));
    }
}
