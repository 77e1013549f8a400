//! A bucket beside the storage root, and a source that reads it.

use stillframe::pb;
use tempfile::TempDir;

use crate::{
    sources::quick,
    support::{Loopback, TestServer},
};

/// The directory of the bucket, which is its name on the server of the tests.
pub const IMPORTS: &str = "imports";

pub struct Given {
    pub server: TestServer,
    /// Serves the bucket.
    pub loopback: Loopback,
    bucket: String,
    _home: TempDir,
}

impl Given {
    /// A server with a collection `c`, that may read the bucket.
    pub async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let loopback = Loopback::start(home.path()).await;
        let bucket = loopback.bucket(IMPORTS);
        let allowed = format!("s3://{bucket}").parse().unwrap();
        let environment = loopback.environment("secret");
        let mut server = TestServer::start_with(|config| {
            config.source_allow = Some(vec![allowed]);
            config.source_environment = environment;
        })
        .await;
        server.given_collection("c").await;
        Self { server, loopback, bucket, _home: home }
    }

    /// Puts an object; false if the server cannot have such a key.
    pub fn put(&self, key: &str, content: &str) -> bool {
        self.loopback.put(IMPORTS, key, content)
    }

    /// An object with one record, whose id is this number.
    pub fn put_record(&self, key: &str, n: usize) -> bool {
        self.put(key, &format!("{{\"n\":{n}}}\n"))
    }

    /// Connects a source `in` of what is below a prefix, whose ids are the numbers.
    pub async fn source(&mut self, prefix: &str, source: pb::Source) {
        let location = format!("s3://{}{prefix}", self.bucket);
        let source = pb::Source { location, id_field: "n".to_owned(), ..quick(source) };
        self.server.create_source("c", "in", source).await.unwrap();
    }

    /// A source of the whole bucket, whose ids are made.
    pub fn whole(&self) -> pb::Source {
        quick(pb::Source { location: format!("s3://{}", self.bucket), ..Default::default() })
    }

    /// The numbers that have come.
    pub async fn numbers(&mut self) -> Vec<usize> {
        let mut found: Vec<_> = self.server.scan("c").await.into_iter().map(|(id, _)| id.parse().unwrap()).collect();
        found.sort_unstable();
        found
    }
}

/// The objects that were counted as bad.
pub fn named(source: &pb::Source) -> Vec<&str> {
    source.first_bad_records.iter().map(|bad| bad.path.as_str()).collect()
}
