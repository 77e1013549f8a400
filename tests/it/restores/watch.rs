//! `WatchRestore`: the value at once, then progress, the terminal value last.

use stillframe::{
    documents::CopyMode,
    pb::{self, restore::State, restore_progress::Phase},
};
use tonic::{Code, Streaming};

use crate::support::{DEADLINE, TestServer, collect, refused, restore_name};

async fn watch(server: &TestServer) -> Streaming<pb::RestoreProgress> {
    let mut client = server.restores.clone();
    let request = pb::WatchRestoreRequest { name: restore_name("again") };
    client.watch_restore(request).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<pb::RestoreProgress>) -> pb::RestoreProgress {
    tokio::time::timeout(DEADLINE, stream.message()).await.unwrap().unwrap().unwrap()
}

async fn given_snapshot() -> TestServer {
    let mut server = TestServer::start_with(|config| config.copy_mode = CopyMode::Bytes).await;
    server.given_collection("books").await;
    server.given_documents("books", 3000, 1).await;
    server.given_snapshot("books", "monday").await;
    server
}

fn micros(span: Option<prost_types::Duration>) -> i64 {
    let span = span.expect("a duration");
    span.seconds * 1_000_000 + i64::from(span.nanos) / 1000
}

fn assert_monotonic(values: &[pb::RestoreProgress]) {
    let done =
        |p: &pb::RestoreProgress| [p.phase, p.state].map(i64::from).into_iter().chain([p.bytes_done, p.files_done]);
    for pair in values.windows(2) {
        let falls = done(&pair[0]).zip(done(&pair[1])).any(|(before, after)| before > after);
        assert!(!falls && pair[0].documents_done <= pair[1].documents_done, "{pair:#?}");
        assert!(micros(pair[0].elapsed) <= micros(pair[1].elapsed), "{pair:#?}");
        assert!(pair[1].bytes_done <= pair[1].bytes_total && pair[1].documents_done <= pair[1].documents_total);
    }
}

#[apply(on_each_storage!)]
async fn progress_never_falls_and_ends_with_the_terminal_value() {
    let mut server = given_snapshot().await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(watch(&server).await);
    }
    let first = next(&mut streams[0]).await;
    assert_eq!((first.state(), first.phase(), first.bytes_done), (State::Running, Phase::Copying, 0));
    assert_eq!(first.restore, restore_name("again"));
    assert!(first.bytes_total > 0 && first.files_total > 0 && first.documents_total == 3000);
    block.lift();
    for stream in streams {
        let values = collect(stream).await.unwrap();
        assert_monotonic(&values);
        let last = values.last().unwrap();
        assert_eq!((last.state(), last.phase()), (State::Succeeded, Phase::Done));
        assert_eq!((last.bytes_done, last.documents_done), (first.bytes_total, 3000));
        assert!(values.iter().rev().skip(1).all(|value| value.state() != State::Succeeded));
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_ended_restore_gives_one_value() {
    let mut server = given_snapshot().await;
    server.given_restore("monday", "again").await;
    for _ in 0..2 {
        let values = server.watch_restore("again").await;
        assert_eq!(values.iter().map(pb::RestoreProgress::state).collect::<Vec<_>>(), [State::Succeeded]);
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_pending_restore_says_so_at_once() {
    let mut server = given_snapshot().await;
    let block = server.block_pins();
    server.request_restore("monday", "again").await.unwrap();
    let mut stream = watch(&server).await;
    let first = next(&mut stream).await;
    assert_eq!((first.state(), first.phase()), (State::Pending, Phase::Pending));
    drop(stream);
    block.lift();
    assert_eq!(collect(watch(&server).await).await.unwrap().last().unwrap().state(), State::Succeeded, "watch again");
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_heartbeat_comes_when_nothing_changes() {
    let mut server = given_snapshot().await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    server.running_restore("again").await;
    let mut stream = watch(&server).await;
    let mut before = next(&mut stream).await;
    // What was being announced when the watch began may come once more, at once.
    for is_heartbeat in [false, true] {
        let value = next(&mut stream).await;
        let still = pb::RestoreProgress { elapsed: before.elapsed, ..value.clone() };
        assert_eq!(still, before, "nothing changes");
        let quiet = micros(value.elapsed) - micros(before.elapsed);
        assert!(quiet >= 4_000_000 || !is_heartbeat, "no sooner than needed: {quiet}");
        before = value;
    }
    block.lift();
    server.ended_restore("again").await;
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_stop_ends_a_watch_with_an_error() {
    let mut server = given_snapshot().await;
    let block = server.block_copies();
    server.request_restore("monday", "again").await.unwrap();
    let mut stream = watch(&server).await;
    next(&mut stream).await;
    let dir = server.stop().await;
    refused(collect(stream).await, Code::Unavailable, "SHUTTING_DOWN");
    block.lift();
    drop(dir);
}

#[apply(on_each_storage!)]
async fn what_does_not_exist_cannot_be_watched() {
    let server = TestServer::start().await;
    let mut client = server.restores.clone();
    let request = pb::WatchRestoreRequest { name: restore_name("never") };
    refused(client.watch_restore(request).await, Code::NotFound, "NOT_FOUND");
    server.stop().await;
}
