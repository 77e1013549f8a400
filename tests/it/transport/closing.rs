//! The end of a connection.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{DEADLINE, TestServer};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_still_talks_reads_the_last_words() {
    let server = TestServer::start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket.write_all(HELLO).await.unwrap();
    assert_eq!(frame(&mut socket).await.unwrap(), Some(SETTINGS));
    let talk = async {
        while frame(&mut socket).await.unwrap().is_some() {}
        // Were the socket closed, the first ping would be answered with a reset,
        // which takes along what has not been read, and fails the second.
        for _ in 0..3 {
            socket.write_all(A_PING).await.unwrap();
            assert_eq!(socket.read(&mut [0]).await.unwrap(), 0, "no reset");
        }
        drop(socket);
    };
    let (talked, _) = tokio::join!(tokio::time::timeout(DEADLINE, talk), server.stop());
    talked.expect("the connection ends in time");
}
