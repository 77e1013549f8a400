//! Commands beside the server, whose output is what they are for.

use std::{
    fs::File,
    io::pipe,
    process::{Command, Stdio},
};

use super::given::{Process, server, stillframe};
use crate::support::{TestServer, upsert};

async fn given_data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::told(&mut server(dir.path(), &[]));
    let (_, address) = process.serves().await;
    let mut client = TestServer::attach(dir, &address).await;
    client.given_collection("books").await;
    client.write("books", vec![upsert("dune", "{}")]).await;
    assert!(process.stopped().await.status.success());
    client.stop().await
}

async fn run(mut command: Command, stdout: Stdio) -> (Option<i32>, String) {
    let ended = Process::spawn(command.stdout(stdout).stderr(Stdio::piped())).ended().await;
    (ended.status.code(), ended.stderr)
}

#[apply(on_directory!)]
async fn an_output_that_is_lost_is_told_and_one_that_is_not_wanted_is_not() {
    let dir = given_data().await;
    let data_dir = dir.path().display().to_string();
    for arguments in [
        &["records", "check", "--data-dir", &data_dir][..],
        &["records", "dump", "--data-dir", &data_dir],
        &["records", "dump", "--entries", "--data-dir", &data_dir],
        &["records", "rebuild", "--data-dir", &data_dir],
        &["collections", "accept-loss", "workspaces/commons/collections/books", "--data-dir", &data_dir],
        &["demo"],
        &["--version"],
        &["--help"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (code, told) = run(stillframe(arguments), full.into()).await;
        assert_eq!(code, Some(1), "{arguments:?}: {told}");
        assert!(told.contains("standard output cannot be written: No space left on device"), "{arguments:?}: {told}");
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
        let (code, told) = run(stillframe(arguments), pipe().unwrap().1.into()).await;
        assert_eq!((code, told.as_str()), (Some(0), ""), "{arguments:?}");
        let (code, told) = run(stillframe(arguments), Stdio::null()).await;
        assert_eq!((code, told.as_str()), (Some(0), ""), "{arguments:?}");
    }
}
