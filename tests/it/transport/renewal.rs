//! Certificates are renewed without a restart.

use std::time::Duration;

use super::{Authority, Encrypted, call, channel, config, shake_hands};
use crate::support::eventually;

const OFTEN: Duration = Duration::from_millis(10);

#[apply(on_directory!)]
async fn new_connections_get_the_new_certificate_and_old_ones_go_on() {
    let encrypted = Encrypted::start(|transport| transport.tls_look_every = OFTEN).await;
    let old = encrypted.channel(None).await;
    call(&old).await.unwrap();

    let other = Authority::root("other");
    other.below("intermediate").server(|_| {}).store(encrypted.files.path());
    let address = encrypted.server.address;
    eventually("the new certificate is shown", async || shake_hands(address, config(&other, None)).await.is_ok()).await;
    call(&channel(address, config(&other, None)).await).await.unwrap();
    encrypted.shake_hands(None).await.unwrap_err();
    call(&old).await.unwrap();
    encrypted.server.stop().await;
}

#[apply(on_directory!)]
async fn new_clients_are_checked_by_the_new_authority() {
    let (first, second) = (Authority::root("first"), Authority::root("second"));
    let (before, after) = (first.client(|_| {}), second.client(|_| {}));
    let encrypted = Encrypted::start_with(Some(&first), |transport| transport.tls_look_every = OFTEN).await;
    call(&encrypted.channel(Some(&before)).await).await.unwrap();
    second.store(encrypted.files.path());
    eventually("the new authority counts", async || encrypted.lets_in(Some(&after)).await).await;
    assert!(!encrypted.lets_in(Some(&before)).await);
    encrypted.server.stop().await;
}
