//! What a connection goes through.

use futures::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, Ready},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::server::TlsStream;

/// Bytes to a client and from it, encrypted or not.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {
    /// Whether the client has said that nothing more comes, be there something that has not
    /// been read yet.
    fn is_closed_by_peer(&self) -> bool;
}

impl Wire for TcpStream {
    fn is_closed_by_peer(&self) -> bool {
        is_closed(self.ready(Interest::READABLE).now_or_never())
    }
}

impl Wire for UnixStream {
    fn is_closed_by_peer(&self) -> bool {
        is_closed(self.ready(Interest::READABLE).now_or_never())
    }
}

impl Wire for TlsStream<TcpStream> {
    fn is_closed_by_peer(&self) -> bool {
        self.get_ref().0.is_closed_by_peer()
    }
}

fn is_closed(ready: Option<std::io::Result<Ready>>) -> bool {
    ready.is_some_and(|ready| ready.is_ok_and(Ready::is_read_closed))
}
