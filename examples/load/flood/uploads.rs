//! Uploads that stall: small ones, and streams whose acknowledgements nobody reads.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use prost::Message;
use stillframe::pb;

use super::{
    attack::{Attack, Finding, boxed, pass},
    ground::{Ground, Tenant},
    large,
    raw::{Barrage, Call, NOTHING, frame, whole},
};
use crate::Result;

enum Uploads {
    /// Messages that are nearly there, and too small to be counted one by one.
    Small,
    /// Streams that the server does not read any further, so that windows fill, on all
    /// connections that a workspace may have.
    Stalled,
    /// The same, in as few connections and as many streams as there may be: small messages in
    /// frames as large as they may be.
    Crowded,
    /// Streams of writes that are refused, whose errors wait to be read.
    Refused,
}

const COLLECTION: &str = "uploads";
/// As many calls as a connection may have.
const CALLS: usize = 1_024;
/// Half of those that a workspace may have, for a key of two.
const CONNECTIONS: usize = 375;
/// One more than fill the window of a connection, each with as much as a stream's.
const STREAMS: usize = 5;
const STREAM: usize = 5 << 18;
/// The most writes of a message.
const WRITES: usize = 20_000;
/// More messages than the server reads ahead.
const MESSAGES: usize = 20;

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([Uploads::Small, Uploads::Stalled, Uploads::Crowded, Uploads::Refused])
}

#[async_trait(?Send)]
impl Attack for Uploads {
    fn name(&self) -> &'static str {
        match self {
            Self::Small => "uploads-small",
            Self::Stalled => "uploads-stalled",
            Self::Crowded => "uploads-crowded",
            Self::Refused => "uploads-refused",
        }
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        large::collection(&ground.attacker.writer().await?, COLLECTION, Vec::new()).await?;
        Ok(())
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let Tenant { reader, writer, operator, .. } = &ground.attacker;
        let write = Call::new("/stillframe.v1.DocumentService/WriteDocuments").keyed(reader);
        let ingest = Call::new("/stillframe.v1.DocumentService/IngestDocuments");
        let barrage =
            |connections, calls, call, bytes| Barrage { connections, calls, window: NOTHING, call, bytes, end: false };
        match self {
            Self::Small => barrage(40, CALLS, write, frame(false, 8_100, &[0; 8_000])).hold(ground, until).await,
            Self::Stalled => {
                let mut held = Vec::new();
                for key in [writer, operator] {
                    held.push(barrage(CONNECTIONS, STREAMS, ingest.keyed(key), messages(ground)).open(ground).await);
                }
                pass(until).await;
                for held in held {
                    held.close(ground);
                }
            }
            Self::Crowded => barrage(9, CALLS, ingest.keyed(writer), messages(ground)).hold(ground, until).await,
            Self::Refused => barrage(30, STREAMS, ingest.keyed(writer), refused(ground)).hold(ground, until).await,
        }
        Ok(Vec::new())
    }
}

/// Small messages, more than the server reads ahead.
fn messages(ground: &Ground) -> Bytes {
    let request = pb::IngestDocumentsRequest {
        collection: ground.attacker.collection(COLLECTION),
        writes: vec![large::upsert("x", large::of(1_000))],
        ..Default::default()
    };
    let message = whole(&request.encode_to_vec());
    message.repeat(STREAM / message.len()).into()
}

/// Writes that say nothing, so that an error is many times as large.
fn refused(ground: &Ground) -> Bytes {
    let collection = ground.attacker.collection(COLLECTION);
    let writes = vec![pb::Write::default(); WRITES];
    let request = pb::IngestDocumentsRequest { collection, writes, ..Default::default() };
    whole(&request.encode_to_vec()).repeat(MESSAGES).into()
}
