//! An operator looks at a bucket's records with nothing but the bucket.

use std::process::Output;

use tempfile::TempDir;

use crate::support::{Loopback, TestServer, records_command};

fn run(command: &str, data_dir: &TempDir, loopback: &Loopback) -> Output {
    let mut process = records_command(&[command, "--storage", "s3://storage"], data_dir.path());
    process.envs(loopback.environment("secret").0).output().unwrap()
}

#[apply(on_s3!)]
async fn records_of_a_bucket_are_checked_dumped_and_indexed_anew() {
    let mut server = TestServer::start().await;
    server.given_collection("books").await;
    server.given_documents("books", 50, 1).await;
    server.given_snapshot("books", "monday").await;
    let dir = server.stop().await;
    let loopback = Loopback::start(dir.path()).await;
    let blocking = async |command: &'static str, data_dir: &TempDir| {
        let output = tokio::task::block_in_place(|| run(command, data_dir, &loopback));
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    blocking("check", &dir).await;
    let dumped = blocking("dump", &dir).await;
    assert!(dumped.contains("c/commons/books") && dumped.contains("monday"), "{dumped}");
    let elsewhere = tempfile::tempdir().unwrap();
    blocking("rebuild", &elsewhere).await;
    assert_eq!(blocking("dump", &elsewhere).await, dumped);
}
