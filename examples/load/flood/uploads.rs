//! Uploads that stall: small ones, and streams whose acknowledgements nobody reads.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use prost::Message;
use stillframe::pb;

use super::{
    attack::{Attack, Finding, boxed},
    ground::Ground,
    large,
    raw::{Barrage, Call, NOTHING, frame, whole},
};
use crate::Result;

enum Uploads {
    /// Messages that are nearly there, and too small to be counted one by one.
    Small,
    /// Streams that the server does not read any further, so that windows fill.
    Stalled,
}

const COLLECTION: &str = "uploads";
/// As many calls as a connection may have.
const CALLS: usize = 1_024;
/// One more than fill the window of a connection, each with as much as a stream's.
const STREAMS: usize = 9;
const STREAM: usize = 5 << 18;

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([Uploads::Small, Uploads::Stalled])
}

#[async_trait(?Send)]
impl Attack for Uploads {
    fn name(&self) -> &'static str {
        match self {
            Self::Small => "uploads-small",
            Self::Stalled => "uploads-stalled",
        }
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        large::collection(&ground.attacker.writer().await?, COLLECTION, Vec::new()).await?;
        Ok(())
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let (connections, calls, call, bytes) = match self {
            Self::Small => {
                let call = Call::new("/stillframe.v1.DocumentService/WriteDocuments").keyed(&ground.attacker.reader);
                (40, CALLS, call, frame(false, 8_100, &[0; 8_000]))
            }
            Self::Stalled => {
                let call = Call::new("/stillframe.v1.DocumentService/IngestDocuments").keyed(&ground.attacker.writer);
                (60, STREAMS, call, messages(ground))
            }
        };
        Barrage { connections, calls, window: NOTHING, call, bytes, end: false }.hold(ground, until).await;
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
