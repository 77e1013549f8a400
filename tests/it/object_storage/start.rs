//! A bucket that cannot be used is told at the start, in bounded time.

use stillframe::{app::App, clock::Clock, documents::Storage, instance::StartError};

use crate::support::{Loopback, config};

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
