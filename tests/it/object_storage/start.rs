//! A bucket that cannot be used is told at the start, in bounded time.

use std::time::Duration;

use stillframe::{app::App, clock::Clock, documents::Storage, instance::StartError};

use crate::support::{
    Loopback, config,
    s3::{Harm, Requests, Rule, Which},
};

async fn start(storage: Storage) -> Result<(), StartError> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.tuning = storage.tuning();
    config.storage = Some(storage);
    App::open(config, Clock::default()).await.map(drop)
}

fn unusable(answer: Result<(), StartError>) -> String {
    match answer {
        Err(error @ StartError::Unusable { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[apply(on_s3!)]
async fn a_wrong_secret_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let error = unusable(start(loopback.storage_at("", "wrong")).await);
    assert!(error.contains("AWS_SECRET_ACCESS_KEY") && !error.contains("wrong"), "{error}");
    start(loopback.storage()).await.unwrap();
}

#[apply(on_s3!)]
async fn a_missing_bucket_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let Storage::S3(mut bucket) = loopback.storage() else { panic!("a bucket") };
    bucket.name = "missing".to_owned();
    let error = unusable(start(Storage::S3(bucket)).await);
    assert!(error.contains("s3://missing/"), "{error}");
}

#[apply(on_s3!)]
async fn a_server_that_does_not_answer_is_told() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    loopback.set_down(true);
    unusable(start(loopback.storage()).await);
}

#[apply(on_s3!)]
async fn what_a_killed_start_has_tried_does_not_make_a_root_foreign() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let probes = home.path().join("storage/probe");
    std::fs::create_dir_all(&probes).unwrap();
    let (old, under_way) = (probes.join("old"), probes.join("under-way"));
    for probe in [&old, &under_way] {
        std::fs::write(probe, b"stillframe").unwrap();
    }
    let before = old.metadata().unwrap().modified().unwrap() - Duration::from_hours(2);
    std::fs::File::options().write(true).open(&old).unwrap().set_modified(before).unwrap();
    start(loopback.storage()).await.unwrap();
    assert!(!old.exists() && under_way.exists(), "that of another start may be needed");
}

#[apply(on_s3!)]
async fn a_mark_whose_answer_was_lost_is_ours() {
    let home = tempfile::tempdir().unwrap();
    let loopback = Loopback::start(home.path()).await;
    let lost = Rule::new(Harm::CutAfter).on(Requests::Writes).below("stillframe.json").which(Which::Next(1));
    let fault = loopback.harm(lost);
    start(loopback.storage()).await.unwrap();
    assert_eq!(fault.harmed(), 1);
}
