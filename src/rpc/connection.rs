//! A connection that is ready for HTTP/2, encrypted or not.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::Sleep,
};
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::tls::Tls;

/// The first bytes of every HTTP/2 client.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a connection is listened to that has nothing more to say.
const LINGER: Duration = Duration::from_secs(1);

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection whose client has said that it speaks HTTP/2.
pub struct Connection {
    wire: Box<dyn Wire>,
    /// Read to see that the client is one; HTTP/2 wants it again.
    preface: &'static [u8],
    ends: TcpConnectInfo,
    /// Since we have said that nothing more will come.
    linger: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Does the TLS handshake, if there is TLS, and waits for HTTP/2's preface:
    /// without it nothing behind us would ever look whether the client is there.
    pub async fn greet(socket: TcpStream, place: OwnedSemaphorePermit, tls: Option<&Tls>) -> io::Result<Self> {
        let ends = socket.connect_info();
        let mut wire: Box<dyn Wire> = match tls {
            Some(tls) => Box::new(tls.acceptor().accept(socket).await?),
            None => Box::new(socket),
        };
        let mut first = [0; PREFACE.len()];
        wire.read_exact(&mut first).await?;
        if first != *PREFACE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak HTTP/2"));
        }
        Ok(Self { wire, preface: PREFACE, ends, linger: None, _place: place })
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.ends.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.preface.is_empty() {
            return Pin::new(&mut self.wire).poll_read(context, into);
        }
        let (now, later) = self.preface.split_at(into.remaining().min(self.preface.len()));
        into.put_slice(now);
        self.preface = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    /// A socket that is closed with something unread, or that is sent something
    /// later, answers with a reset, and the client may lose the last words that it
    /// has not read. So it is listened to until the client closes, too.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { wire, linger, .. } = &mut *self;
        if linger.is_none() {
            ready!(Pin::new(&mut *wire).poll_shutdown(context))?;
        }
        let linger = linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        // Before all else: a client that sends without end must not go on for ever.
        if linger.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut ignored = [0; 1024];
        loop {
            let mut ignored = ReadBuf::new(&mut ignored);
            match Pin::new(&mut *wire).poll_read(context, &mut ignored) {
                Poll::Ready(Ok(())) if !ignored.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
