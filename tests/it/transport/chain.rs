//! TLS: root, intermediate, server.

use rcgen::date_time_ymd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::{CertificateError, Error};

use super::{Authority, Encrypted, call, config, plain, shake_hands, tls_error};
use crate::support::{DEADLINE, TestServer, upsert};

#[apply(on_directory!)]
async fn a_client_that_knows_only_the_root_writes_and_reads() {
    let mut encrypted = Encrypted::start(|_| {}).await;
    let channel = encrypted.channel(None).await;
    let server = &mut encrypted.server;
    server.go_through(&channel);
    server.given_collection("c").await;
    server.write("c", vec![upsert("a", r#"{"n":1}"#)]).await;
    assert_eq!(server.scan("c").await, [("a".to_owned(), r#"{"n":1}"#.to_owned())]);
    let (_, session) = encrypted.shake_hands(None).await.unwrap().into_inner();
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
    encrypted.server.stop().await;
}

#[apply(on_directory!)]
async fn a_client_that_trusts_another_root_refuses() {
    let encrypted = Encrypted::start(|_| {}).await;
    let stranger = Authority::root("root");
    let refused = shake_hands(encrypted.server.address, config(&stranger, None)).await.unwrap_err();
    // Of the same name, so that the signature decides.
    let foreign = [CertificateError::UnknownIssuer, CertificateError::BadSignature];
    let Error::InvalidCertificate(why) = tls_error(&refused) else { panic!("{refused:?}") };
    assert!(foreign.contains(why), "{why:?}");
    encrypted.server.stop().await;
}

#[apply(on_directory!)]
async fn an_expired_server_is_refused_by_its_client() {
    let root = Authority::root("root");
    let expired = root.below("intermediate").server(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let encrypted = Encrypted::start_as(root, &expired, None, |_| {}).await;
    let refused = encrypted.shake_hands(None).await.unwrap_err();
    let why = tls_error(&refused);
    assert!(matches!(why, Error::InvalidCertificate(CertificateError::ExpiredContext { .. })), "{why:?}");
    encrypted.server.stop().await;
}

#[apply(on_directory!)]
async fn a_client_without_tls_gets_nothing_and_harms_nobody() {
    let encrypted = Encrypted::start(|_| {}).await;
    let channel = encrypted.channel(None).await;
    let mut socket = TcpStream::connect(encrypted.server.address).await.unwrap();
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut answer)).await.expect("it is closed");
    // At most an alert of TLS, which is seven bytes of type 21.
    assert!(ended.is_err() || answer.is_empty() || (answer.len() == 7 && answer[0] == 21), "{answer:?}");
    let without = tonic::transport::Channel::from_shared(format!("http://{}", encrypted.server.address)).unwrap();
    call(&without.connect_lazy()).await.unwrap_err();
    call(&channel).await.unwrap();
    call(&encrypted.channel(None).await).await.unwrap();
    encrypted.server.stop().await;
}

#[apply(on_directory!)]
async fn a_client_with_tls_fails_where_there_is_none() {
    let server = TestServer::start().await;
    shake_hands(server.address, config(&Authority::root("root"), None)).await.unwrap_err();
    call(&plain(server.address).await).await.unwrap();
    server.stop().await;
}
