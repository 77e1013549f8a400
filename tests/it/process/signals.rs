//! What a server does when it is signalled.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use http::uri::PathAndQuery;
use rustix::process::Signal;
use tonic::{Request, client::Grpc};

use super::given::{Process, server};
use crate::{
    support::{Raw, TestServer, eventually, upsert},
    transport::{
        authority::{Authority, put},
        config, shake_hands,
    },
};

#[apply(on_directory!)]
async fn a_hang_up_reads_the_files_of_tls_again() {
    let files = tempfile::tempdir().unwrap();
    let (before, after) = (Authority::root("before"), Authority::root("after"));
    let tls = before.server(|_| {}).store(files.path());
    let (cert, key) = (tls.cert.display().to_string(), tls.key.display().to_string());
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::told(&mut server(dir.path(), &["--tls-cert", &cert, "--tls-key", &key]));
    let address = process.serves().await.1.parse().unwrap();
    shake_hands(address, config(&before, None)).await.unwrap();

    process.signal(Signal::HUP);
    after.server(|_| {}).store(files.path());
    eventually("the new certificate is shown", async || {
        process.signal(Signal::HUP);
        shake_hands(address, config(&after, None)).await.is_ok()
    })
    .await;
    // What cannot be used is told each time, and not used.
    put(files.path(), "key.pem", "nothing");
    process.signal(Signal::HUP);
    shake_hands(address, config(&after, None)).await.unwrap();
    let ended = process.stopped().await;
    assert!(ended.status.success());
    for told in ["new connections get the", "asked to stop"] {
        assert!(ended.stderr.contains(told), "{told:?}: {}", ended.stderr);
    }
}

#[apply(on_directory!)]
async fn without_tls_a_hang_up_says_that_there_is_nothing_and_others_do_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::told(&mut server(dir.path(), &[]));
    let (_, address) = process.serves().await;
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::HUP] {
        process.signal(signal);
    }
    let mut client = TestServer::attach(dir, &address).await;
    client.given_collection("books").await;
    assert!(process.is_running());
    let ended = process.stopped().await;
    assert!(ended.status.success());
    assert!(ended.stderr.contains("without TLS there is nothing to read again"), "{}", ended.stderr);
}

/// A call whose message does not come holds up a stop.
#[apply(on_directory!)]
async fn who_asks_twice_has_an_end_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::told(&mut server(dir.path(), &["--grace", "10h"]));
    let (_, address) = process.serves().await;
    let mut client = TestServer::attach(dir, &address).await;
    client.given_collection("books").await;
    client.write("books", vec![upsert("dune", "{}")]).await;
    let mut grpc = Grpc::new(client.channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/stillframe.v1.WorkspaceService/GetWorkspace");
    let mut silent = pin!(grpc.streaming(Request::new(futures::stream::pending()), path, Raw));
    assert!(futures::poll!(silent.as_mut()).is_pending());
    // It is behind the other on its connection.
    client.collection("books").await.unwrap();

    process.signal(Signal::TERM);
    // The same signal once more, from a shell that passes it on, is no second thought: that
    // comes a second later.
    let asked = Instant::now();
    eventually("it ends", async || {
        if process.is_running() {
            process.signal(Signal::TERM);
        }
        !process.is_running()
    })
    .await;
    assert!(asked.elapsed() >= Duration::from_secs(1));
    let ended = process.ended().await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("stillframe: a second signal has ended the server at once"), "{}", ended.stderr);
}
