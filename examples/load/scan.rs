//! Reads a whole collection and adds up what it holds.

use std::time::{Duration, Instant};

use stillframe::pb;
use tonic::Streaming;
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    Result, check,
    client::{Client, patiently},
    documents::json,
};

/// The totals of the contract, computed from documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub size: u64,
    digest: u128,
}

impl Tally {
    /// `buffer` is only there to be used again.
    pub fn add(&mut self, document: &pb::Document, buffer: &mut Vec<u8>) {
        let (id, json) = (document.id.as_bytes(), json(document));
        let micros = micros(document);
        buffer.clear();
        buffer.push(1);
        buffer.extend_from_slice(&(id.len() as u32).to_le_bytes());
        buffer.extend_from_slice(id);
        buffer.extend_from_slice(&micros.to_le_bytes());
        buffer.extend_from_slice(json);
        self.count += 1;
        self.size += (id.len() + 8 + json.len()) as u64;
        self.digest = self.digest.wrapping_add(xxh3_128(buffer));
    }

    pub fn digest(&self) -> String {
        format!("v1:{:032x}", self.digest)
    }

    /// The totals that the server keeps must be these.
    pub fn check_against(&self, stats: &pb::collection::Stats) -> Result<()> {
        let scanned = (self.count as i64, self.size as i64, self.digest());
        let kept = (stats.document_count, stats.size_bytes, stats.digest.clone());
        check(scanned == kept, || format!("a scan gives (documents, bytes, digest) {scanned:?}, the totals {kept:?}"))
    }
}

/// When a document happened, in microseconds.
pub fn micros(document: &pb::Document) -> i64 {
    let time = document.event_time.unwrap_or_default();
    time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
}

/// An open `StreamDocuments`, whose first message has been read.
pub struct Reader {
    messages: Streaming<pb::StreamDocumentsResponse>,
    /// Of the cut that it reads.
    pub offset: i64,
    /// The interval that the collection is clustered by, in microseconds.
    interval: Option<i64>,
}

impl Reader {
    pub async fn open(client: &Client, collection: &str) -> Result<Self> {
        let request = pb::StreamDocumentsRequest {
            collection: collection.to_owned(),
            encoding: pb::Encoding::Json.into(),
            ..Default::default()
        };
        let opened = patiently("StreamDocuments", client.documents().stream_documents(request)).await?;
        let mut messages = opened.into_inner();
        let first = patiently("StreamDocuments", messages.message()).await?;
        let first = first.ok_or("StreamDocuments ended without a message")?;
        check(first.documents.is_empty(), || "the first message of a stream has documents".to_owned())?;
        let offset = first.offset.ok_or("the first message of a stream has no offset")?;
        let interval = client.collection(collection).await?.clustering_interval;
        let interval = interval.map(|span| span.seconds * 1_000_000 + i64::from(span.nanos) / 1_000);
        Ok(Self { messages, offset, interval })
    }

    /// The next documents, or `None` behind the last.
    pub async fn next(&mut self) -> Result<Option<Vec<pb::Document>>> {
        Ok(patiently("StreamDocuments", self.messages.message()).await?.map(|message| message.documents))
    }

    /// Reads to the end. Interval and id must ascend, so none can come twice.
    pub async fn drain(mut self, mut visit: impl FnMut(&pb::Document) -> Result<()>) -> Result<Tally> {
        let (mut tally, mut buffer, mut previous) = (Tally::default(), Vec::new(), (i64::MIN, String::new()));
        while let Some(documents) = self.next().await? {
            for document in documents {
                let interval = self.interval.map_or(0, |interval| micros(&document).div_euclid(interval));
                tally.add(&document, &mut buffer);
                visit(&document)?;
                let place = (interval, document.id);
                check(place > previous, || format!("{place:?} follows {previous:?}"))?;
                previous = place;
            }
        }
        Ok(tally)
    }
}

pub struct Audit {
    pub tally: Tally,
    pub elapsed: Duration,
}

/// Scans a collection that nobody writes to; its totals must equal the scan.
pub async fn audit(client: &Client, collection: &str, visit: impl FnMut(&pb::Document) -> Result<()>) -> Result<Audit> {
    let begun = Instant::now();
    let reader = Reader::open(client, collection).await?;
    let offset = reader.offset;
    let tally = reader.drain(visit).await?;
    let elapsed = begun.elapsed();
    let stats = client.stats(collection).await?;
    tally.check_against(&stats)?;
    check(stats.offset == offset, || format!("the cut has offset {offset}, the totals {}", stats.offset))?;
    Ok(Audit { tally, elapsed })
}
