//! Mutual TLS: the server checks its clients, too.

use rcgen::date_time_ymd;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{
    client::TlsStream,
    rustls::{
        AlertDescription, Error,
        version::{TLS12, TLS13},
    },
};

use super::{Authority, Encrypted, Identity, call, channel, config_of, shake_hands, tls_error};
use crate::support::DEADLINE;

/// The alert that ends a connection. With TLS 1.3 a client has done its part of
/// the handshake before the server has seen who it is.
async fn refused(encrypted: &Encrypted, identity: Option<&Identity>) -> AlertDescription {
    alert(encrypted.shake_hands(identity).await).await
}

async fn alert(shaken: std::io::Result<TlsStream<TcpStream>>) -> AlertDescription {
    let error = match shaken {
        Ok(mut wire) => {
            let read = tokio::time::timeout(DEADLINE, wire.read_u8()).await.expect("it is closed");
            read.expect_err("it is refused")
        }
        Err(error) => error,
    };
    match tls_error(&error) {
        Error::AlertReceived(alert) => *alert,
        other => panic!("{other:?}"),
    }
}

#[apply(on_directory!)]
async fn a_client_needs_a_certificate_of_the_right_authority() {
    let clients = Authority::root("clients");
    let encrypted = Encrypted::start_with(Some(&clients), |_| {}).await;
    for known in [clients.client(|_| {}), clients.below("department").client(|_| {})] {
        call(&encrypted.channel(Some(&known)).await).await.unwrap();
    }
    assert_eq!(refused(&encrypted, None).await, AlertDescription::CertificateRequired);
    let foreign = Authority::root("others").client(|_| {});
    assert_eq!(refused(&encrypted, Some(&foreign)).await, AlertDescription::UnknownCA);
    // The server's own authority has no say about clients.
    let servers = encrypted.root.client(|_| {});
    assert_eq!(refused(&encrypted, Some(&servers)).await, AlertDescription::UnknownCA);
    encrypted.server.stop().await;
}

#[apply(on_directory!)]
async fn every_version_of_tls_asks_who_the_client_is() {
    let clients = Authority::root("clients");
    let encrypted = Encrypted::start_with(Some(&clients), |_| {}).await;
    let known = clients.client(|_| {});
    let foreign = Authority::root("others").client(|_| {});
    for version in [&TLS12, &TLS13] {
        let config = |identity| config_of(&[version], &encrypted.root, identity);
        let address = encrypted.server.address;
        let wire = shake_hands(address, config(Some(&known))).await.unwrap();
        assert_eq!(wire.get_ref().1.protocol_version(), Some(version.version));
        call(&channel(address, config(Some(&known))).await).await.unwrap();
        let refused = alert(shake_hands(address, config(Some(&foreign))).await).await;
        assert_eq!(refused, AlertDescription::UnknownCA, "{version:?}");
        let refused = alert(shake_hands(address, config(None)).await).await;
        assert_eq!(refused, AlertDescription::CertificateRequired, "{version:?}");
    }
    encrypted.server.stop().await;
}

#[apply(on_directory!)]
async fn a_certificate_counts_only_in_its_time() {
    let clients = Authority::root("clients");
    let encrypted = Encrypted::start_with(Some(&clients), |_| {}).await;
    let expired = clients.client(|params| params.not_after = date_time_ymd(2020, 1, 1));
    assert_eq!(refused(&encrypted, Some(&expired)).await, AlertDescription::CertificateExpired);
    let later = clients.client(|params| params.not_before = date_time_ymd(2999, 1, 1));
    assert_eq!(refused(&encrypted, Some(&later)).await, AlertDescription::CertificateExpired);
    call(&encrypted.channel(Some(&clients.client(|_| {}))).await).await.unwrap();
    encrypted.server.stop().await;
}

#[apply(on_directory!)]
async fn a_servers_certificate_is_none_for_a_client() {
    let clients = Authority::root("clients");
    let encrypted = Encrypted::start_with(Some(&clients), |_| {}).await;
    let server = clients.server(|_| {});
    assert_eq!(refused(&encrypted, Some(&server)).await, AlertDescription::UnsupportedCertificate);
    encrypted.server.stop().await;
}
