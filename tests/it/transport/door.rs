//! What the front door lets in, and for how long it waits.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::transport::Channel;

use super::{Encrypted, call, config, plain, try_channel, waits};
use crate::support::{DEADLINE, TestServer, eventually};

/// So short that the tests end soon. On a busy machine somebody innocent may need
/// longer, and comes again.
const PATIENCE: Duration = Duration::from_millis(500);

/// Waits until the server closes a connection, and returns what it said.
async fn closed(mut wire: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut said = Vec::new();
    // Without TLS's goodbye it is an error, but an end.
    let _ = tokio::time::timeout(DEADLINE, wire.read_to_end(&mut said)).await.expect("it is closed");
    said
}

#[apply(on_directory!)]
async fn a_silent_connection_is_closed() {
    let server = TestServer::start_with(|config| config.transport.handshake_patience = PATIENCE).await;
    eventually("its own client is let in", async || call(&server.channel).await.is_ok()).await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    assert!(closed(silent).await.is_empty());
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r").await.unwrap();
    assert!(closed(slow).await.is_empty(), "one byte is missing");
    call(&server.channel).await.unwrap();
    server.stop().await;
}

/// A client that the server has heard of: patience is over for it.
async fn let_in(encrypted: &Encrypted) -> Channel {
    let mut known = None;
    eventually("a client is let in", async || {
        known = try_channel(encrypted.server.address, config(&encrypted.root, None)).await.ok();
        match &known {
            Some(channel) => call(channel).await.is_ok(),
            None => false,
        }
    })
    .await;
    known.unwrap()
}

#[apply(on_directory!)]
async fn a_handshake_that_takes_too_long_is_broken_off() {
    let encrypted = Encrypted::start(|transport| transport.handshake_patience = PATIENCE).await;
    let channel = let_in(&encrypted).await;
    let silent = TcpStream::connect(encrypted.server.address).await.unwrap();
    assert!(closed(silent).await.is_empty());
    let mut wire = None;
    eventually("somebody shakes hands in time", async || {
        wire = encrypted.shake_hands(None).await.ok();
        wire.is_some()
    })
    .await;
    assert!(closed(wire.unwrap()).await.is_empty(), "the handshake alone is not enough");
    call(&channel).await.unwrap();
    encrypted.server.stop().await;
}

#[apply(on_directory!)]
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

#[apply(on_directory!)]
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
    // There are three places.
    waits(waiting.as_mut(), &[&server.channel, &second, &third]).await;
    drop(second);
    tokio::time::timeout(DEADLINE, waiting).await.expect("a place is free").unwrap();
    server.stop().await;
}

#[apply(on_directory!)]
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
