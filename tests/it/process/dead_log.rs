//! A log that cannot be written is no reason to answer otherwise than things are.

use std::{fs::File, io::pipe, net::TcpListener, process::Stdio};

use stillframe::pb::{self, restore::State};

use super::given::{Process, channel, server};
use crate::support::{COMMONS, DEADLINE, TestServer, collection_name, eventually, snapshot_name, upsert};

/// Calls of each kind.
const EACH: usize = 60;

/// Five kinds of changes, sixty of each: all are answered as they were carried out.
async fn three_hundred_changes(client: &mut TestServer) {
    for n in 0..EACH {
        client.given_collection(&format!("c{n}")).await;
    }
    for n in 0..EACH {
        client.write(&format!("c{n}"), vec![upsert("d", "{}")]).await;
    }
    for n in 0..EACH {
        let snapshot = pb::Snapshot { collection: collection_name(&format!("c{n}")), ..Default::default() };
        let request = pb::CreateSnapshotRequest {
            parent: COMMONS.to_owned(),
            snapshot_id: format!("s{n}"),
            snapshot: Some(snapshot),
            ..Default::default()
        };
        client.snapshots.create_snapshot(request).await.unwrap();
    }
    for n in 0..EACH {
        eventually("the snapshot is taken", async || {
            let request = pb::GetSnapshotRequest { name: snapshot_name(&format!("s{n}")) };
            let snapshot = client.snapshots.get_snapshot(request).await.unwrap().into_inner();
            snapshot.state() == pb::snapshot::State::Created
        })
        .await;
    }
    for n in 0..EACH {
        let restore = pb::Restore {
            snapshot: snapshot_name(&format!("s{n}")),
            collection: collection_name(&format!("r{n}")),
            ..Default::default()
        };
        let request = pb::CreateRestoreRequest {
            parent: COMMONS.to_owned(),
            restore_id: format!("r{n}"),
            restore: Some(restore),
            ..Default::default()
        };
        client.restores.create_restore(request).await.unwrap();
    }
    for n in 0..EACH {
        client.delete_collection(&format!("c{n}")).await.unwrap();
    }
    for n in 0..EACH {
        let mut state = State::Unspecified;
        eventually("the restore is over", async || {
            let request = pb::GetRestoreRequest { name: format!("{COMMONS}/restores/r{n}") };
            state = client.restores.get_restore(request).await.unwrap().into_inner().state();
            !matches!(state, State::Pending | State::Running)
        })
        .await;
        assert_eq!(state, State::Succeeded);
        assert_eq!(client.scan(&format!("r{n}")).await.len(), 1);
        client.collection(&format!("c{n}")).await.unwrap_err();
    }
}

/// All of it, with a server whose standard error is this and whose standard output that.
async fn answers_truly(stderr: Stdio, stdout: Stdio, arguments: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    // It may have nothing to say its port on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let arguments = [&["--snapshot-creates-per-minute", "1000000", "--listen", &address], arguments].concat();
    let mut process = Process::spawn(server(dir.path(), &arguments).stdout(stdout).stderr(stderr));
    eventually("it serves", async || {
        assert!(process.is_running(), "it has ended");
        tokio::net::TcpStream::connect(&address).await.is_ok()
    })
    .await;
    let mut client = TestServer::attach(dir, &address).await;
    tokio::time::timeout(DEADLINE, three_hundred_changes(&mut client)).await.expect("no call hangs");
    let ended = process.stopped().await;
    assert!(ended.status.success(), "{:?}", ended.status);
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader has gone.
fn dead() -> Stdio {
    pipe().unwrap().1.into()
}

#[apply(on_directory!)]
async fn when_its_reader_is_gone() {
    answers_truly(dead(), dead(), &[]).await;
}

#[apply(on_directory!)]
async fn when_its_disk_is_full() {
    answers_truly(full(), full(), &["--log-format", "json"]).await;
}

/// Far more is logged than a pipe takes.
#[apply(on_directory!)]
async fn when_its_reader_is_stuck() {
    let (_reader, stuck) = pipe().unwrap();
    answers_truly(stuck.into(), Stdio::null(), &["--log", "debug"]).await;
}

/// What was lost is counted, as soon as somebody reads again.
#[apply(on_directory!)]
async fn what_could_not_be_written_is_told_later() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, stuck) = pipe().unwrap();
    let arguments = ["--log", "trace", "--log-format", "json", "--listen", "unix:s.sock"];
    let mut command = server(dir.path(), &arguments);
    let mut process = Process::spawn(command.current_dir(dir.path()).stdout(Stdio::null()).stderr(stuck));
    drop(command);
    let socket = dir.path().join("s.sock");
    eventually("it serves", async || tokio::net::UnixStream::connect(&socket).await.is_ok()).await;
    // A pipe has 64 KiB.
    let channel = channel(&format!("unix:{}", socket.display())).await;
    let mut calls = pb::collection_service_client::CollectionServiceClient::new(channel);
    for _ in 0..300 {
        let request = pb::ListCollectionsRequest { parent: COMMONS.to_owned(), ..Default::default() };
        calls.list_collections(request).await.unwrap();
    }
    let reading = tokio::task::spawn_blocking(move || std::io::read_to_string(reader).unwrap());
    process.signal(rustix::process::Signal::TERM);
    assert!(process.has_ended().await.success());
    let log = reading.await.unwrap();
    let lines = log.lines().map(serde_json::from_str::<serde_json::Value>);
    let lines: Vec<_> = lines.collect::<Result<_, _>>().unwrap();
    let lost = lines.iter().find(|line| line["fields"]["message"] == "lines of the log could not be written");
    assert!(lost.unwrap()["fields"]["lines"].as_u64().unwrap() > 0);
    let last = &lines.last().unwrap()["level"];
    assert!(last.is_string(), "and the log goes on");
}
