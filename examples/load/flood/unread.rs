//! Large answers that nobody reads, of a reader whose key then ends.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use prost::Message;
use stillframe::pb;
use tokio::time::sleep;

use super::{
    attack::{Attack, Finding, boxed, pass},
    ground::Ground,
    large,
    raw::{Barrage, Call, NOTHING, whole},
};
use crate::{Result, report::mib};

const CONNECTIONS: usize = 4;
const CALLS: usize = 300;
/// How long after the end of its key a caller may still be held.
const REVOKED: Duration = Duration::from_secs(10);
/// What may be left of it then.
const LEFT_MIB: f64 = 100.0;

const COLLECTION: &str = "pages";
/// Documents that fill a page, of which an answer has at most 3 MiB.
const DOCUMENTS: usize = 27;
const DOCUMENT: usize = 100_000;

/// A document that is some 3 MB as a Struct, of objects with one member.
const OBJECTS: usize = 1_100_000;
const STREAMED: usize = 8;

enum Unread {
    Lists,
    BatchGets,
    /// Streams of Structs.
    Fields,
}

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([Unread::Lists, Unread::BatchGets, Unread::Fields])
}

fn ids() -> impl Iterator<Item = String> {
    (0..DOCUMENTS).map(|nth| format!("page-{nth}"))
}

#[async_trait(?Send)]
impl Attack for Unread {
    fn name(&self) -> &'static str {
        match self {
            Self::Lists => "unread-lists",
            Self::BatchGets => "unread-batch-gets",
            Self::Fields => "unread-fields",
        }
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        let (body, count) = match self {
            Self::Lists | Self::BatchGets => (large::of(DOCUMENT), DOCUMENTS),
            Self::Fields => (large::objects_of(OBJECTS), STREAMED),
        };
        let documents = ids().take(count).map(|id| large::upsert(&id, body.as_bytes())).collect();
        large::collection(&ground.attacker.writer().await?, COLLECTION, documents).await?;
        Ok(())
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let (path, message) = self.request(ground.attacker.collection(COLLECTION));
        let call = Call::new(path).keyed(&ground.attacker.reader);
        let before = ground.server.usage()?.resident;
        let bytes = whole(&message);
        let calls = Barrage { connections: CONNECTIONS, calls: CALLS, window: NOTHING, call, bytes, end: true };
        let held = calls.open(ground).await;
        pass(until).await;
        ground.revoke_reader().await?;
        sleep(REVOKED).await;
        let left = mib(ground.server.usage()?.resident) - mib(before);
        held.close(ground);
        let what = "memory still taken 10 s after the key was revoked, connected as before";
        Ok(vec![Finding { what, value: format!("{left:.0} MiB"), holds: left < LEFT_MIB }])
    }
}

impl Unread {
    fn request(&self, collection: String) -> (&'static str, Vec<u8>) {
        match self {
            Self::Lists => {
                let request = pb::ListDocumentsRequest { collection, page_size: 10_000, ..Default::default() };
                ("/stillframe.v1.DocumentService/ListDocuments", request.encode_to_vec())
            }
            Self::BatchGets => {
                let request = pb::BatchGetDocumentsRequest { collection, ids: ids().collect(), ..Default::default() };
                ("/stillframe.v1.DocumentService/BatchGetDocuments", request.encode_to_vec())
            }
            Self::Fields => {
                let encoding = pb::Encoding::Fields.into();
                let request = pb::StreamDocumentsRequest { collection, encoding, ..Default::default() };
                ("/stillframe.v1.DocumentService/StreamDocuments", request.encode_to_vec())
            }
        }
    }
}
