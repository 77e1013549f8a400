//! The end of a connection.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{DEADLINE, TestServer};

/// What HTTP/2 begins with: the preface and empty settings.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A ping with its eight bytes.
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0ping-me!";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_still_talks_reads_the_last_words() {
    let server = TestServer::start().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket.write_all(HELLO).await.unwrap();
    let talk = async {
        let mut heard = Vec::new();
        // Up to where the server says that nothing more will come.
        socket.read_to_end(&mut heard).await.unwrap();
        assert!(heard.len() > 9, "settings at least");
        // Were the socket closed, the first ping would be answered with a reset,
        // which takes along what has not been read, and fails the second.
        for _ in 0..3 {
            socket.write_all(PING).await.unwrap();
            assert_eq!(socket.read(&mut [0]).await.unwrap(), 0, "no reset");
        }
        drop(socket);
    };
    let (talked, _) = tokio::join!(tokio::time::timeout(DEADLINE, talk), server.stop());
    talked.expect("the connection ends in time");
}
