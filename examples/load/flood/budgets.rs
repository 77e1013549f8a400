//! One tenant takes all that it can get of what all share: scans, memory of requests,
//! writes in flight.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::try_join;
use prost::Message;
use stillframe::pb;

use super::{
    attack::{Attack, Finding, boxed, repeat},
    ground::Ground,
    large, patches,
    raw::{ALL, Barrage, Call, Connection, NOTHING, frame, whole},
};
use crate::Result;

enum Budget {
    /// Streams of documents that nobody reads.
    Scans,
    /// Streams of large batches that are idle.
    Ingest,
    /// Messages that do not come to their end, with a key that could not write them.
    Uploads,
    /// Batches that wait for a writer that computes.
    Writes,
}

const SCANS: usize = 300;
const STREAMS: usize = 27;
const UPLOADS: usize = 33;
const UPLOAD: usize = (12 << 20) - 1_024;
const BATCHES: usize = 8;

const WRITE: &str = "/stillframe.v1.DocumentService/WriteDocuments";
const INGEST: &str = "/stillframe.v1.DocumentService/IngestDocuments";
const STREAM: &str = "/stillframe.v1.DocumentService/StreamDocuments";

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([Budget::Scans, Budget::Ingest, Budget::Uploads, Budget::Writes])
}

#[async_trait(?Send)]
impl Attack for Budget {
    fn name(&self) -> &'static str {
        match self {
            Self::Scans => "fair-scans",
            Self::Ingest => "fair-ingest",
            Self::Uploads => "fair-uploads",
            Self::Writes => "fair-writes",
        }
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        patches::prepare(ground).await
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let (reader, writer) = (&ground.attacker.reader, &ground.attacker.writer);
        match self {
            Self::Scans => {
                let request = pb::StreamDocumentsRequest { collection: patches::busy(ground), ..Default::default() };
                let (call, bytes) = (Call::new(STREAM).keyed(reader), whole(&request.encode_to_vec()));
                let scans = Barrage { connections: 1, calls: SCANS, window: NOTHING, call, bytes, end: true };
                scans.hold(ground, until).await;
            }
            Self::Ingest => {
                let (call, bytes) = (Call::new(INGEST).keyed(writer), batch(ground, 10_000_000));
                let streams = Barrage { connections: STREAMS, calls: 1, window: ALL, call, bytes, end: false };
                streams.hold(ground, until).await;
            }
            Self::Uploads => {
                let (call, bytes) = (Call::new(WRITE).keyed(reader), frame(false, UPLOAD, &vec![0; UPLOAD - 1_024]));
                let uploads = Barrage { connections: UPLOADS, calls: 1, window: ALL, call, bytes, end: false };
                uploads.hold(ground, until).await;
            }
            Self::Writes => {
                let busy = patches::failing(40, 1);
                try_join(patches::keep_busy(ground, &busy, until), writes(ground, until)).await?;
            }
        }
        Ok(Vec::new())
    }
}

async fn writes(ground: &Ground, until: Instant) -> Result<()> {
    let (call, bytes) = (Call::new(WRITE).keyed(&ground.attacker.writer), batch(ground, 9_000_000));
    let connection = Connection::open(ground, ALL).await?;
    repeat(BATCHES, until, async |_| connection.ask(ground, call, bytes.clone()).await).await;
    Ok(())
}

/// Documents of so many bytes together, to the collection whose writer is busy.
fn batch(ground: &Ground, bytes: usize) -> Bytes {
    const COUNT: usize = 10;
    let body = format!(r#"{{"s":"{}"}}"#, "x".repeat(bytes / COUNT - 100));
    // Ingest and write have the same fields.
    let request = pb::WriteDocumentsRequest {
        collection: patches::busy(ground),
        writes: (0..COUNT).map(|nth| large::upsert(&format!("batch-{nth}"), body.as_bytes())).collect(),
        ..Default::default()
    };
    whole(&request.encode_to_vec())
}
