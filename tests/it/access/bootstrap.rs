//! The key of the bootstrap file, and where a server without keys may listen.

use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use stillframe::{
    app::{App, Config},
    clock::Clock,
    instance::StartError,
    pb::Role,
};
use tempfile::TempDir;
use tonic::Code;

use crate::support::{TestServer, refused};

fn file_in(dir: &TempDir) -> PathBuf {
    dir.path().join("first.key")
}

async fn start(dir: TempDir) -> Result<TestServer, StartError> {
    let file = file_in(&dir);
    TestServer::reopen_with(dir, |config| config.bootstrap_key_file = Some(file)).await
}

#[apply(on_directory!)]
async fn a_missing_file_is_written_for_its_owner_alone() {
    let server = start(tempfile::tempdir().unwrap()).await.unwrap();
    let file = file_in(&server.dir);
    let secret = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let mut first = server.caller(Some(secret.trim()));
    assert_eq!(first.who_am_i().await.unwrap().name, "apiKeys/bootstrap");
    assert_eq!(first.get_key("bootstrap").await.unwrap().created_by, "server");
    refused(server.caller(None).who_am_i().await, Code::Unauthenticated, "API_KEY_MISSING");
    let server = start(server.stop().await).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), secret, "and stays as it is");
    server.caller(Some(secret.trim())).who_am_i().await.unwrap();
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_revoked_one_does_not_come_back_but_another_one_may() {
    let dir = tempfile::tempdir().unwrap();
    // The same digits from another one on: as random as the first.
    let secret = |digit: char| {
        let random = "6f0d3a91c27be85f04d6a8137c9be25018f3d47ab6e09c5d21873fea40b95c6d";
        format!("sf_chief_{digit}{}", &random[1..])
    };
    std::fs::write(file_in(&dir), secret('a')).unwrap();
    let server = start(dir).await.unwrap();
    let mut chief = server.caller(Some(&secret('a')));
    let other = chief.given_key("other", &[("-", Role::Operator)]).await;
    chief.revoke_key("chief").await.unwrap();

    let server = start(server.stop().await).await.unwrap();
    refused(server.caller(Some(&secret('a'))).who_am_i().await, Code::Unauthenticated, "API_KEY_REVOKED");
    // The way back for somebody who has lost all keys.
    std::fs::write(file_in(&server.dir), secret('b')).unwrap();
    let server = start(server.stop().await).await.unwrap();
    assert_eq!(server.caller(Some(&secret('b'))).who_am_i().await.unwrap().name, "apiKeys/chief");
    refused(server.caller(Some(&secret('a'))).who_am_i().await, Code::Unauthenticated, "API_KEY_INVALID");
    server.caller(Some(&other)).who_am_i().await.unwrap();

    // Nor with a file that was put back.
    std::fs::write(file_in(&server.dir), secret('a')).unwrap();
    let server = start(server.stop().await).await.unwrap();
    refused(server.caller(Some(&secret('a'))).who_am_i().await, Code::Unauthenticated, "API_KEY_INVALID");
    server.caller(Some(&secret('b'))).who_am_i().await.unwrap();
    server.stop().await;
}

#[apply(on_directory!)]
async fn a_file_that_holds_something_else_stops_the_start() {
    for (text, is_malformed) in [("", true), ("hello", true), ("sf_a_123", true)] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(file_in(&dir), text).unwrap();
        let error = start(dir).await.err().unwrap();
        assert_eq!(matches!(error, StartError::Bootstrap(_)), is_malformed, "{error}");
        assert!(!error.to_string().contains("hello"), "what is in it is not shown: {error}");
    }
    let error = TestServer::reopen_with(tempfile::tempdir().unwrap(), |config| {
        config.bootstrap_key_file = Some("/nowhere/at/all".into());
    });
    assert!(matches!(error.await.err(), Some(StartError::Bootstrap(_))));
}

#[apply(on_directory!)]
async fn a_server_without_keys_serves_loopback_alone() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let app = App::open(Config::new(dir.path().to_owned()), Clock::default()).await.unwrap();
    for loopback in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
        app.check_listen(loopback.parse().unwrap()).unwrap();
    }
    for open in [everywhere, "[::]:1".parse().unwrap(), "192.0.2.1:1".parse().unwrap()] {
        let error = app.check_listen(open).unwrap_err();
        assert!(matches!(error, StartError::OpenToAll(_)));
        let text = error.to_string();
        assert!(text.contains("--bootstrap-key-file") && text.contains("--insecure-allow-everyone"), "{text}");
    }
    drop(app);
    let other = tempfile::tempdir().unwrap();
    let config = Config { bootstrap_key_file: Some(file_in(&other)), ..Config::new(other.path().join("data")) };
    let app = App::open(config, Clock::default()).await.unwrap();
    app.check_listen(everywhere).unwrap();
}
