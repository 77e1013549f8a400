//! What the front door lets in, and for how long it waits.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{A_WHILE, Encrypted, call, plain};
use crate::support::{DEADLINE, TestServer};

/// Waits until the server closes a connection, and returns what it said.
async fn closed(mut wire: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut said = Vec::new();
    // Without TLS's goodbye it is an error, but an end.
    let _ = tokio::time::timeout(DEADLINE, wire.read_to_end(&mut said)).await.expect("it is closed");
    said
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let patience = Duration::from_millis(50);
    let server = TestServer::start_with(|config| config.transport.handshake_patience = patience).await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    assert!(closed(silent).await.is_empty());
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r").await.unwrap();
    assert!(closed(slow).await.is_empty(), "one byte is missing");
    call(&server.channel).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_broken_off() {
    let patience = Duration::from_secs(1);
    let encrypted = Encrypted::start(|transport| transport.handshake_patience = patience).await;
    let channel = encrypted.channel(None).await;
    let silent = TcpStream::connect(encrypted.server.address).await.unwrap();
    assert!(closed(silent).await.is_empty());
    let wire = encrypted.shake_hands(None).await.unwrap();
    assert!(closed(wire).await.is_empty(), "the handshake alone is not enough");
    call(&channel).await.unwrap();
    encrypted.server.stop().await;
}

#[tokio::test]
async fn those_who_shake_hands_slowly_hold_up_nobody() {
    let encrypted = Encrypted::start(|transport| transport.handshake_patience = DEADLINE).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(encrypted.server.address).await.unwrap());
    }
    call(&encrypted.channel(None).await).await.unwrap();
    drop(silent);
    encrypted.server.stop().await;
}

#[tokio::test]
async fn a_connection_too_many_waits_until_another_goes() {
    // The server's own client has the first place.
    let server = TestServer::start_with(|config| config.transport.max_connections = 3).await;
    call(&server.channel).await.unwrap();
    let (second, third) = (plain(server.address).await, plain(server.address).await);
    for channel in [&second, &third] {
        call(channel).await.unwrap();
    }
    let fourth = plain(server.address).await;
    let mut waiting = std::pin::pin!(call(&fourth));
    assert!(tokio::time::timeout(A_WHILE, &mut waiting).await.is_err(), "there are three places");
    for channel in [&server.channel, &second, &third] {
        call(channel).await.unwrap();
    }
    drop(second);
    tokio::time::timeout(DEADLINE, waiting).await.expect("a place is free").unwrap();
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_http_2_gives_its_place_back() {
    let server = TestServer::start_with(|config| config.transport.max_connections = 2).await;
    for _ in 0..5 {
        let mut old = TcpStream::connect(server.address).await.unwrap();
        old.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        assert!(closed(old).await.is_empty());
    }
    call(&plain(server.address).await).await.unwrap();
    server.stop().await;
}
