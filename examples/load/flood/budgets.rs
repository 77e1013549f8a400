//! One tenant takes all that it can get of what all share: scans, memory of requests,
//! writes in flight.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{join, try_join};
use prost::Message;
use stillframe::pb;

use super::{
    asks::asks,
    attack::{Attack, Finding, boxed, repeat},
    ground::Ground,
    large, patches,
    raw::{ALL, Barrage, Call, Connection, NOTHING, frame, whole},
};
use crate::{Result, client::Client, writer};

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
/// What streams may have in memory together, and single messages as well.
const REQUESTS: usize = 256 << 20;
/// So many streams take nearly all of it, with batches of nearly 10 MiB.
const STREAMS: usize = 26;
/// So many uploads of nearly 12 MiB take nearly all of it.
const UPLOADS: usize = 22;
const UPLOAD: usize = REQUESTS / UPLOADS - 1_024;
const BATCHES: usize = 8;
const BATCH: usize = 9_000_000;
/// What the other tenant writes meanwhile: too much to be let in uncounted.
const OWN: usize = 100_000;

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
        let neighbour = Neighbour::create(ground).await?;
        let (flooded, finding) = join(
            self.flood(ground, until),
            asks("100 KB, written and ingested", until, async |_| neighbour.ask().await),
        )
        .await;
        flooded?;
        Ok(vec![finding])
    }
}

impl Budget {
    async fn flood(&self, ground: &Ground, until: Instant) -> Result<()> {
        let (reader, writer) = (&ground.attacker.reader, &ground.attacker.writer);
        match self {
            Self::Scans => {
                let request = pb::StreamDocumentsRequest { collection: patches::busy(ground), ..Default::default() };
                let (call, bytes) = (Call::new(STREAM).keyed(reader), whole(&request.encode_to_vec()));
                let scans = Barrage { connections: 1, calls: SCANS, window: NOTHING, call, bytes, end: true };
                scans.hold(ground, until).await;
            }
            Self::Ingest => {
                let (call, bytes) = (Call::new(INGEST).keyed(writer), batch(ground, REQUESTS / STREAMS - 1_024));
                let streams = Barrage { connections: STREAMS + 1, calls: 1, window: ALL, call, bytes, end: false };
                streams.hold(ground, until).await;
            }
            Self::Uploads => {
                let (call, bytes) = (Call::new(WRITE).keyed(reader), frame(false, UPLOAD + 1, &vec![0; UPLOAD]));
                let connections = UPLOADS + UPLOADS / 2;
                let uploads = Barrage { connections, calls: 1, window: ALL, call, bytes, end: false };
                uploads.hold(ground, until).await;
            }
            Self::Writes => {
                let busy = patches::failing(40, 1);
                try_join(patches::keep_busy(ground, &busy, until), writes(ground, until)).await?;
            }
        }
        Ok(())
    }
}

/// The other tenant, with a document that counts.
struct Neighbour {
    client: Client,
    collection: String,
    writes: Vec<pb::Write>,
}

impl Neighbour {
    async fn create(ground: &Ground) -> Result<Self> {
        let client = ground.neighbour.writer().await?;
        let collection = client.create_collection("middling").await?;
        Ok(Self { client, collection, writes: vec![large::upsert("one", large::of(OWN))] })
    }

    async fn ask(&self) -> Result<()> {
        self.client.write(&self.collection, self.writes.clone()).await?;
        let mut next = Some(self.writes.clone());
        writer::send(&self.client, &self.collection, 1, move || next.take(), |_| Ok(())).await
    }
}

async fn writes(ground: &Ground, until: Instant) -> Result<()> {
    let (call, bytes) = (Call::new(WRITE).keyed(&ground.attacker.writer), batch(ground, BATCH));
    let connection = Connection::open(ground, ALL).await?;
    repeat(BATCHES, until, async |_| connection.ask(ground, call, bytes.clone()).await).await;
    Ok(())
}

/// A message of so many bytes, to the collection whose writer is busy.
fn batch(ground: &Ground, bytes: usize) -> Bytes {
    const COUNT: usize = 10;
    let with = |last: usize| {
        let body = |nth| large::of(if nth + 1 == COUNT { last } else { bytes / COUNT });
        // Messages of streams have the same fields.
        pb::WriteDocumentsRequest {
            collection: patches::busy(ground),
            writes: (0..COUNT).map(|nth| large::upsert(&format!("batch-{nth}"), body(nth))).collect(),
            ..Default::default()
        }
    };
    let about = bytes / COUNT / 2;
    let message = with(about + bytes - with(about).encoded_len());
    whole(&message.encode_to_vec())
}
