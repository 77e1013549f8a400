//! The front door: as many connections as there are places, each greeted within
//! its patience, none holding up another, and no error that closes the door.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt, future::ready, stream};
use tokio_rustls::rustls;

use super::{
    call::Refusals,
    connection::Connection,
    peer::Peer,
    places::{Place, Places},
    settings::Transport,
    tls::Tls,
};
use crate::listen::{Listeners, Socket};

/// Between attempts when the process or the machine has no room for a connection.
const PAUSE: Duration = Duration::from_millis(250);

/// The connections of all listeners.
pub fn incoming(
    listeners: Listeners,
    tls: Option<Arc<Tls>>,
    transport: &Transport,
) -> impl Stream<Item = Connection> + use<> {
    // Without a free place nothing is accepted: newcomers wait in the kernel's queue, which
    // costs us nothing.
    let (count, greeting) = (transport.max_connections, Greeting::new(tls, transport));
    let places = Places::new(count);
    let accepted = stream::unfold((listeners, places), |(listeners, places)| async {
        let place = places.take().await;
        let socket = accept(|| listeners.accept()).await;
        Some(((socket, place.since_now()), (listeners, places)))
    });
    accepted.map(move |(socket, place)| greeting.clone().greet(socket, place)).buffer_unordered(count).filter_map(ready)
}

/// The next connection, whatever comes in between.
async fn accept<F>(mut next: impl FnMut() -> F) -> Socket
where
    F: Future<Output = io::Result<Socket>>,
{
    loop {
        match next().await {
            Ok(socket) => return socket,
            // The client gave up while it waited: nothing of ours.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            // Too many open files, say. The connection is still in the queue.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// How newcomers are greeted.
#[derive(Clone)]
struct Greeting {
    tls: Option<Arc<Tls>>,
    max_streams: u32,
    patience: Duration,
    /// How long a peer may not read.
    unread_patience: Duration,
    refusals: Arc<Refusals>,
}

impl Greeting {
    fn new(tls: Option<Arc<Tls>>, transport: &Transport) -> Self {
        Self {
            tls,
            max_streams: transport.max_streams,
            patience: transport.handshake_patience,
            unread_patience: transport.keepalive_interval + transport.keepalive_timeout,
            refusals: Arc::default(),
        }
    }

    async fn greet(self, socket: Socket, place: Place) -> Option<Connection> {
        let peer = Peer::from(&socket);
        if let Socket::Tcp(socket) = &socket {
            if let Err(error) = socket.set_nodelay(true) {
                tracing::debug!(%peer, %error, "a connection may be slow");
            }
            // A peer that answers but does not read would keep its place for ever: nothing
            // that we say to it, not even a farewell, gets out.
            let unread = u32::try_from(self.unread_patience.as_millis()).unwrap_or(u32::MAX);
            if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(socket, unread) {
                tracing::debug!(%peer, %error, "a connection that is not read may stay");
            }
        }
        let patience = self.patience;
        let outdone = place.taken_away();
        let greeted = Connection::greet(socket, place, self.tls.as_deref(), self.max_streams);
        let greeted = async { outdone.run_until_cancelled(greeted).await.unwrap_or_else(|| Err(outdone_error())) };
        match tokio::time::timeout(patience, greeted).await {
            Ok(Ok(connection)) => return Some(connection),
            Ok(Err(error)) if is_unknown(&error) => {
                if let Some(not_logged) = self.refusals.count(peer.ip(), Instant::now()) {
                    tracing::warn!(%peer, %error, not_logged, "a connection without a certificate that lets it in");
                }
            }
            // Anybody can cause it as often as they like, so it is not for the usual log.
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a connection came to nothing"),
            Err(_) => {
                let patience_seconds = patience.as_secs_f64();
                tracing::debug!(%peer, patience_seconds, "a connection was silent for too long and is closed");
            }
        }
        None
    }
}

fn outdone_error() -> io::Error {
    io::Error::other("somebody else has its place")
}

/// Whether a client has shown no certificate, or one that lets nobody in.
fn is_unknown(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)))
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn no_error_ends_the_accepting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        // EMFILE, ENFILE, ECONNABORTED
        let mut errors = vec![24, 23, 103];
        let socket = accept(|| {
            let (error, listener) = (errors.pop(), &listener);
            async move {
                match error {
                    Some(code) => Err(io::Error::from_raw_os_error(code)),
                    None => listener.accept().await.map(|(socket, _)| Socket::Tcp(socket)),
                }
            }
        });
        assert_eq!(Peer::from(&socket.await), Peer::At(client.local_addr().unwrap()));
        assert!(errors.is_empty());
    }
}
