//! The end of a connection.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{DEADLINE, TestServer, eventually};

/// How long the server listens to a client that it has nothing more to say to.
const LINGER: Duration = Duration::from_secs(1);

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
/// What HTTP/2 begins with: the preface and empty settings.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const A_PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0ping-me!";

/// Reads one frame, answers it if it wants that, and returns its kind; `None` when
/// the server has said that nothing more will come.
async fn frame(socket: &mut TcpStream) -> io::Result<Option<u8>> {
    let mut head = [0; 9];
    match socket.read_exact(&mut head).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    };
    let [kind, flags] = [head[3], head[4]];
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    socket.read_exact(&mut payload).await?;
    if [SETTINGS, PING].contains(&kind) && flags & ACK == 0 {
        let echo = if kind == PING { payload } else { Vec::new() };
        let mut answer = vec![0, 0, u8::try_from(echo.len()).unwrap(), kind, ACK, 0, 0, 0, 0];
        answer.extend(echo);
        socket.write_all(&answer).await?;
    }
    Ok(Some(kind))
}

/// Talks on when the server has said its last words. Returns whether it was heard to
/// the end, and how long after the stop that was.
async fn talk_on() -> (io::Result<()>, Duration) {
    let server = TestServer::start_with(|config| config.grace = 4 * DEADLINE).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket.write_all(HELLO).await.unwrap();
    assert_eq!(frame(&mut socket).await.unwrap(), Some(SETTINGS));
    let began = Instant::now();
    let talk = async {
        while frame(&mut socket).await?.is_some() {}
        // Were the socket closed, the first ping would be answered with a reset,
        // which takes along what has not been read, and fails the second.
        for _ in 0..3 {
            socket.write_all(A_PING).await?;
            assert_eq!(socket.read(&mut [0]).await?, 0, "nothing more comes");
        }
        drop(socket);
        Ok::<(), io::Error>(())
    };
    let talk = async { (tokio::time::timeout(DEADLINE, talk).await, began.elapsed()) };
    let ((talked, after), _) = tokio::join!(talk, server.stop());
    (talked.expect("the connection ends in time"), after)
}

#[apply(on_directory!)]
async fn a_client_that_still_talks_reads_the_last_words() {
    // The server listens for a second. On a busy machine we may come too late, and
    // try it once more: a reset counts if we were in time.
    eventually("it was in time", async || {
        let (talked, after) = talk_on().await;
        assert!(talked.is_ok() || after >= LINGER, "no reset after {after:?}: {talked:?}");
        talked.is_ok()
    })
    .await;
}
