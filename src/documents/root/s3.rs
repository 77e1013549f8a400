//! S3, and what speaks its protocol.

mod answer;
mod conflicts;
mod settings;

use std::{sync::Arc, time::Duration};

use slatedb::object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    prefix::PrefixStore,
};

pub use self::answer::Answer;
use self::conflicts::Conflicts;
use crate::{documents::location::Bucket, error::Error};

/// A request that has not been answered by then is tried again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How a bucket is reached.
pub struct Reach {
    /// The store in the making.
    pub builder: AmazonS3Builder,
    /// What its requests are made with.
    pub client: ClientOptions,
}

impl Reach {
    /// The bucket of a storage root, whose objects are read and written at once.
    fn of_root(bucket: &Bucket) -> Self {
        Self::of(bucket, ClientOptions::new().with_timeout(REQUEST_TIMEOUT))
    }

    /// The bucket of a source: an object is read for as long as its documents are taken
    /// in, and only a silence is too long.
    #[must_use]
    pub fn of_source(bucket: &Bucket) -> Self {
        Self::of(bucket, ClientOptions::new().with_timeout_disabled().with_read_timeout(REQUEST_TIMEOUT))
    }

    fn of(bucket: &Bucket, client: ClientOptions) -> Self {
        let mut client = client.with_connect_timeout(CONNECT_TIMEOUT);
        let mut builder = AmazonS3Builder::new();
        for (name, value) in &bucket.environment.0 {
            match name.to_ascii_lowercase().parse() {
                Ok(AmazonS3ConfigKey::Client(key)) => client = client.with_config(key, value),
                Ok(key) => builder = builder.with_config(key, value),
                // Variables that are not settings of the store are somebody else's.
                Err(_) => {}
            }
        }
        // Few: SlateDB and the workers try again on top of this, and know for how long.
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(1),
                base: 2.0,
            },
            max_retries: 2,
            retry_timeout: Duration::from_secs(5),
        };
        let builder = builder.with_client_options(client.clone()).with_retry(retry).with_bucket_name(&bucket.name);
        Self { builder, client }
    }
}

/// Connects to a bucket, without a request.
pub fn connect(bucket: &Bucket) -> Result<Arc<dyn ObjectStore>, Error> {
    store(bucket, Reach::of_root(bucket).builder)
}

/// The same, for a server that may not know how to delete many objects at once.
pub fn connect_deleting_singly(bucket: &Bucket) -> Result<Arc<dyn ObjectStore>, Error> {
    store(bucket, Reach::of_root(bucket).builder.with_config(AmazonS3ConfigKey::DisableBulkDelete, "true"))
}

fn store(bucket: &Bucket, builder: AmazonS3Builder) -> Result<Arc<dyn ObjectStore>, Error> {
    let wrong = |setting| Error::Unavailable(Arc::new(setting));
    if let Some(endpoint) = settings::no_endpoint(bucket) {
        return Err(wrong(endpoint));
    }
    let store = builder.build().map_err(|error| settings::refused(bucket).map_or_else(|| error.into(), wrong))?;
    let store = Conflicts(store);
    if bucket.prefix.is_empty() {
        return Ok(Arc::new(store));
    }
    Ok(Arc::new(PrefixStore::new(store, bucket.prefix.as_str())))
}
