//! A server in a directory of its own, and clients of it.

use std::time::Duration;

use slatedb::object_store::{
    BackoffConfig, ClientOptions, Error, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
};
use stillframe::documents::Storage;
use tempfile::TempDir;

use crate::support::{
    DEADLINE,
    s3::{Loopback, SECRET},
};

pub struct Given {
    pub dir: TempDir,
    pub server: Loopback,
    /// It never tries twice.
    pub store: AmazonS3,
}

pub async fn given() -> Given {
    let dir = tempfile::tempdir().unwrap();
    let server = Loopback::start(dir.path()).await;
    let store = builder(&server, SECRET, 0).build().unwrap();
    Given { dir, server, store }
}

pub fn builder(server: &Loopback, secret: &str, retries: usize) -> AmazonS3Builder {
    let Storage::S3(bucket) = server.storage_at("", secret) else { panic!("a bucket") };
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(1), max_backoff: Duration::from_millis(5), base: 2.0 };
    let retry = RetryConfig { backoff, max_retries: retries, retry_timeout: DEADLINE };
    let client = ClientOptions::new().with_timeout(DEADLINE);
    let mut builder = AmazonS3Builder::new().with_client_options(client).with_retry(retry);
    for (name, value) in &bucket.environment.0 {
        builder = builder.with_config(name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>().unwrap(), value);
    }
    builder.with_bucket_name(&bucket.name)
}

/// The code of S3 must be in what the client says.
#[track_caller]
pub fn told<T: std::fmt::Debug>(answer: Result<T, Error>, code: &str) -> Error {
    let error = answer.expect_err(code);
    assert!(format!("{error:?}").contains(code), "{code}: {error:?}");
    error
}
