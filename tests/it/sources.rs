//! `SourceService`: places whose objects a collection ingests.

mod access;
mod bad_input;
mod bad_records;
mod bell;
mod changes;
mod control;
mod create;
mod deleted;
mod fields;
mod formats;
mod lists;
mod moved;
mod names;
mod restart;
mod restored;
mod retention;
mod snapshots;
mod turns;
mod watch;

use std::{path::PathBuf, time::Duration};

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use stillframe::pb::{self, source::State};
use tokio::io::AsyncWriteExt;
use tonic::Status;

use super::support::{TestServer, collection_name, eventually, span};

pub fn source_name(collection: &str, id: &str) -> String {
    format!("{}/sources/{id}", collection_name(collection))
}

impl TestServer {
    /// A file in the import directory, there at one stroke.
    pub fn import(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let target = self.dir.path().join("import").join(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let aside = tempfile::NamedTempFile::new_in(self.dir.path()).unwrap();
        std::fs::write(aside.path(), bytes).unwrap();
        aside.persist(&target).unwrap();
        target
    }

    /// The location of the import directory, or of one in it.
    pub fn location(&self, path: &str) -> String {
        let import = self.dir.path().canonicalize().unwrap().join("import");
        let place = if path.is_empty() { import } else { import.join(path) };
        format!("file://{}", place.display())
    }

    pub async fn create_source(
        &mut self,
        collection: &str,
        id: &str,
        source: pb::Source,
    ) -> Result<pb::Source, Status> {
        let request = pb::CreateSourceRequest {
            parent: collection_name(collection),
            source_id: id.to_owned(),
            source: Some(source),
            ..Default::default()
        };
        Ok(self.sources.create_source(request).await?.into_inner())
    }

    /// A source `in` of the whole import directory.
    pub async fn given_source(&mut self, collection: &str, source: pb::Source) -> pb::Source {
        let source = pb::Source { location: self.location(""), ..quick(source) };
        self.create_source(collection, "in", source).await.unwrap()
    }

    pub async fn source(&mut self, collection: &str) -> pb::Source {
        self.get_source(collection, "in").await.unwrap()
    }

    pub async fn get_source(&mut self, collection: &str, id: &str) -> Result<pb::Source, Status> {
        let request = pb::GetSourceRequest { name: source_name(collection, id) };
        Ok(self.sources.get_source(request).await?.into_inner())
    }

    /// Waits until so many objects have been read, and nothing is left to do.
    pub async fn ingested(&mut self, collection: &str, objects: i64) -> pb::Source {
        let mut last = pb::Source::default();
        eventually(&format!("{objects} objects are ingested"), async || {
            last = self.source(collection).await;
            assert_ne!(last.state(), State::Error, "{last:?}");
            last.objects_done == objects && last.state() == State::Watching
        })
        .await;
        assert_eq!(last.objects_seen, objects);
        last
    }

    pub async fn becomes(&mut self, collection: &str, state: State) -> pb::Source {
        let mut last = pb::Source::default();
        eventually(&format!("the source is {state:?}"), async || {
            last = self.source(collection).await;
            last.state() == state
        })
        .await;
        last
    }

    /// Waits for another scan.
    pub async fn scanned_again(&mut self, collection: &str) -> pb::Source {
        let before = self.source(collection).await;
        let mut last = before.clone();
        // Two: the first may have begun before.
        for _ in 0..2 {
            let seen = last.last_scan_time;
            eventually("there is another scan", async || {
                last = self.source(collection).await;
                last.last_scan_time != seen
            })
            .await;
        }
        last
    }

    pub async fn suspend(&mut self, collection: &str) -> pb::Source {
        let request = pb::SuspendSourceRequest { name: source_name(collection, "in") };
        self.sources.suspend_source(request).await.unwrap().into_inner()
    }

    pub async fn resume(&mut self, collection: &str) -> pb::Source {
        let request = pb::ResumeSourceRequest { name: source_name(collection, "in") };
        self.sources.resume_source(request).await.unwrap().into_inner()
    }

    pub async fn delete_source(&mut self, collection: &str) -> Result<(), Status> {
        let request = pb::DeleteSourceRequest { name: source_name(collection, "in"), ..Default::default() };
        self.sources.delete_source(request).await?;
        Ok(())
    }
}

/// Scanned often.
pub fn quick(source: pb::Source) -> pb::Source {
    pb::Source { scan_interval: Some(span(Duration::from_millis(20))), ..source }
}

/// Records `from..to` as NDJSON, with ids.
pub fn ndjson(from: usize, to: usize, version: u32) -> String {
    (from..to).map(|n| format!("{{\"_id\":\"{n:06}\",\"n\":{n},\"version\":{version}}}\n")).collect()
}

/// What a scan of those finds.
pub fn documents(from: usize, to: usize, version: u32) -> Vec<(String, String)> {
    (from..to).map(|n| (format!("{n:06}"), format!(r#"{{"n":{n},"version":{version}}}"#))).collect()
}

pub async fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(bytes.as_ref()).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}

pub async fn zstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = ZstdEncoder::new(Vec::new());
    encoder.write_all(bytes.as_ref()).await.unwrap();
    encoder.shutdown().await.unwrap();
    encoder.into_inner()
}
