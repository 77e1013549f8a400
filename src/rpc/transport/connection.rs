//! A connection that is ready for HTTP/2, encrypted or not, and what it lets through at once.
//!
//! The implementation of HTTP/2 reads all that has come before it begins a single call. So it
//! gets little at a time, and less while many calls of the connection are alive: then what
//! a stalled server finds waiting is no flood, and a flood finds no memory.

mod calls;
mod frames;
mod questions;
mod resets;
mod stranger;
mod taking;
mod unread;
mod wire;

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::BufMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    task::coop,
    time::{Instant, Sleep, sleep},
};
use tokio_util::io::poll_read_buf;

pub use self::{
    calls::{CallTasks, Calls, OnConnection, Question},
    questions::Questions,
    taking::Taking,
};
use self::{frames::Frames, resets::Resets, wire::Wire};
use super::{peer::Peer, places::Place, tls::Tls};
use crate::listen::Socket;

/// The first bytes of every HTTP/2 client.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a connection is listened to that has nothing more to say.
const LINGER: Duration = Duration::from_secs(1);
/// And to how much.
const LINGER_BYTES: usize = 1 << 20;

/// What is read at once.
const READ_BYTES: usize = 64 << 10;
/// What a unit of the task's budget is worth: with 128 of them a connection is read for 64 KiB
/// before others have their turn. A call that is cancelled takes 30 bytes at least, so
/// those are fewer than are taken for a flood (`serving.rs`).
const BYTES_A_UNIT: usize = 512;
/// What a flood is read for at once, so that it is taken for one.
const FLOOD_BYTES: usize = 4 << 20;
/// Calls that may be alive beside those of the streams that may be open: some have been reset
/// and are about to end.
const ENDING_CALLS: usize = 256;

/// How often it is looked whether the client of a connection is still there that is not read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A connection whose client has said that it speaks HTTP/2.
pub struct Connection {
    wire: Box<dyn Wire>,
    /// Read to see that the client is one; HTTP/2 wants it again.
    preface: &'static [u8],
    frames: Frames,
    /// How reading ended: nothing more comes, or cannot be had.
    ended: Option<io::Result<()>>,
    resets: Resets,
    calls: Arc<Calls>,
    peer: Peer,
    /// While it is not read: when to look again.
    look: Option<Pin<Box<Sleep>>>,
    linger: Option<Linger>,
}

/// Since we have said that nothing more will come.
struct Linger {
    end: Pin<Box<Sleep>>,
    bytes: usize,
}

impl Connection {
    /// Does the TLS handshake, if there is TLS, and waits for HTTP/2's preface:
    /// without it nothing behind us would ever look whether the client is there. What goes
    /// through the file system leaves this machine never, and is not encrypted.
    pub async fn greet(socket: Socket, place: Place, tls: Option<&Tls>, max_streams: u32) -> io::Result<Self> {
        let peer = Peer::from(&socket);
        let mut wire: Box<dyn Wire> = match (socket, tls) {
            (Socket::Tcp(socket), Some(tls)) => Box::new(tls.acceptor().accept(socket).await?),
            (Socket::Tcp(socket), None) => Box::new(socket),
            (Socket::Unix(socket), _) => Box::new(socket),
        };
        let mut first = [0; PREFACE.len()];
        wire.read_exact(&mut first).await?;
        if first != *PREFACE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak HTTP/2"));
        }
        Ok(Self {
            wire,
            preface: PREFACE,
            frames: Frames::default(),
            ended: None,
            resets: Resets::new(max_streams),
            calls: Calls::new(max_streams as usize + ENDING_CALLS, place),
            peer,
            look: None,
            linger: None,
        })
    }

    /// What runs its calls.
    pub fn calls(&self) -> CallTasks {
        CallTasks(Arc::clone(&self.calls))
    }

    /// Who is at its other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Waits until it may be read, or its client has gone, which nothing else tells meanwhile.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.calls.poll_few(context, self.peer).is_ready() {
            self.look = None;
            return Poll::Ready(Ok(()));
        }
        let look = self.look.get_or_insert_with(|| Box::pin(sleep(LOOK_EVERY)));
        while look.as_mut().poll(context).is_ready() {
            if self.wire.is_closed_by_peer() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            look.as_mut().reset(Instant::now() + LOOK_EVERY);
        }
        Poll::Pending
    }

    /// Reads what has come, as much as may be at once.
    fn poll_frames(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_turn(context))?;
        let at_once = if self.calls.is_known() { READ_BYTES } else { stranger::READ_BYTES };
        let (mut count, mut is_flood) = (0, false);
        while count == 0 || (is_flood && count < FLOOD_BYTES) {
            if !is_flood {
                // What TLS has decrypted costs none by itself.
                ready!(coop::poll_proceed(context)).made_progress();
            }
            self.frames.buffer().reserve(at_once);
            let mut buffer = self.frames.buffer().limit(at_once);
            match poll_read_buf(Pin::new(&mut self.wire), context, &mut buffer) {
                Poll::Ready(Ok(read)) if read > 0 => count += read,
                Poll::Pending if count == 0 => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(ended) => {
                    self.ended = Some(ended.map(drop));
                    self.frames.end();
                    break;
                }
            }
            self.frames.join();
            self.calls.came(self.frames.take_came(), self.frames.of_a_part());
            is_flood |= self.resets.count(self.frames.take_resets(), self.calls.is_known());
        }
        if !is_flood {
            spend(context, count / BYTES_A_UNIT);
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes, whatever reading has left of the task's budget: the socket bounds it, and a client
/// that always has more to be read would be told nothing.
fn unbudgeted<T>(context: &mut Context<'_>, write: impl FnMut(&mut Context<'_>) -> Poll<T> + Unpin) -> Poll<T> {
    Pin::new(&mut coop::unconstrained(std::future::poll_fn(write))).poll(context)
}

/// Takes from the budget of the task that is running. Without any left, it is others' turn
/// before it reads again.
fn spend(context: &mut Context<'_>, units: usize) {
    for _ in 0..units {
        match coop::poll_proceed(context) {
            Poll::Ready(unit) => unit.made_progress(),
            Poll::Pending => return,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.preface.is_empty() {
            while !self.frames.take(into) {
                match &mut self.ended {
                    Some(ended) => return Poll::Ready(std::mem::replace(ended, Ok(()))),
                    None => ready!(self.poll_frames(context))?,
                }
            }
            return Poll::Ready(Ok(()));
        }
        let (now, later) = self.preface.split_at(into.remaining().min(self.preface.len()));
        into.put_slice(now);
        self.preface = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        unbudgeted(context, |context| Pin::new(&mut self.wire).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        unbudgeted(context, |context| Pin::new(&mut self.wire).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        unbudgeted(context, |context| Pin::new(&mut self.wire).poll_flush(context))
    }

    /// A socket that is closed with something unread, or that is sent something
    /// later, answers with a reset, and the client may lose the last words that it
    /// has not read. So it is listened to until the client closes, too.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { wire, linger, .. } = &mut *self;
        if linger.is_none() {
            ready!(Pin::new(&mut *wire).poll_shutdown(context))?;
        }
        let linger = linger.get_or_insert_with(|| Linger { end: Box::pin(sleep(LINGER)), bytes: LINGER_BYTES });
        // Before all else: a client that sends without end must not go on for ever.
        if linger.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut ignored = [0; 1024];
        loop {
            let mut ignored = ReadBuf::new(&mut ignored);
            match Pin::new(&mut *wire).poll_read(context, &mut ignored) {
                Poll::Ready(Ok(())) if !ignored.filled().is_empty() && linger.bytes > 0 => {
                    linger.bytes = linger.bytes.saturating_sub(ignored.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt, net::UnixStream};

    use super::{frames::Came, *};
    use crate::rpc::transport::places::Places;

    /// What is given on of all that has come.
    async fn read_at_once(is_known: bool) -> usize {
        let (mut client, server) = UnixStream::pair().unwrap();
        client.write_all(PREFACE).await.unwrap();
        let place = Places::new(1).take().await;
        if is_known {
            place.keep(None).unwrap();
        }
        let mut connection = Connection::greet(Socket::Unix(server), place, None, 16).await.unwrap();
        // PING frames: 8 bytes behind a head of 9.
        let ping = [&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], &[0; 8]].concat();
        client.write_all(&ping.repeat(READ_BYTES / ping.len())).await.unwrap();
        let mut read = vec![0; PREFACE.len() + READ_BYTES];
        assert_eq!(connection.read(&mut read).await.unwrap(), PREFACE.len());
        connection.read(&mut read).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_gone_is_missed_though_it_is_not_read() {
        let (mut client, server) = UnixStream::pair().unwrap();
        client.write_all(PREFACE).await.unwrap();
        let place = Places::new(1).take().await;
        let mut connection = Connection::greet(Socket::Unix(server), place, None, 16).await.unwrap();
        let calls = Arc::clone(&connection.calls);
        let _taking = Taking::begin(&calls);
        calls.came(Came { bytes: unread::FREE + 1, frames: 1 }, 0);
        client.write_all(&[0; 9]).await.unwrap();
        let mut read = vec![0; PREFACE.len() + READ_BYTES];
        connection.read_exact(&mut read[..PREFACE.len()]).await.unwrap();
        let is_there = tokio::time::timeout(10 * LOOK_EVERY, connection.read(&mut read));
        assert!(is_there.await.is_err(), "it has more unread than it may have");
        drop(client);
        let is_gone = tokio::time::timeout(10 * LOOK_EVERY, connection.read(&mut read));
        assert_eq!(is_gone.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_stranger_is_read_a_little_at_a_time() {
        assert!(read_at_once(false).await <= stranger::READ_BYTES);
        assert!(read_at_once(true).await > READ_BYTES / 2);
    }
}
