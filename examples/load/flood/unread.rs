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

struct Unread {
    name: &'static str,
    path: &'static str,
    request: fn(String) -> Vec<u8>,
    documents: usize,
    body: fn() -> String,
}

const LISTS: Unread = Unread {
    name: "unread-lists",
    path: "/stillframe.v1.DocumentService/ListDocuments",
    request: |collection| {
        pb::ListDocumentsRequest { collection, page_size: 10_000, ..Default::default() }.encode_to_vec()
    },
    documents: DOCUMENTS,
    body: || large::of(DOCUMENT),
};

const BATCH_GETS: Unread = Unread {
    name: "unread-batch-gets",
    path: "/stillframe.v1.DocumentService/BatchGetDocuments",
    request: |collection| {
        pb::BatchGetDocumentsRequest { collection, ids: ids().collect(), ..Default::default() }.encode_to_vec()
    },
    documents: DOCUMENTS,
    body: || large::of(DOCUMENT),
};

/// Streams of Structs.
const FIELDS: Unread = Unread {
    name: "unread-fields",
    path: "/stillframe.v1.DocumentService/StreamDocuments",
    request: |collection| {
        let encoding = pb::Encoding::Fields.into();
        pb::StreamDocumentsRequest { collection, encoding, ..Default::default() }.encode_to_vec()
    },
    documents: STREAMED,
    body: || large::objects_of(OBJECTS),
};

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([LISTS, BATCH_GETS, FIELDS])
}

fn ids() -> impl Iterator<Item = String> {
    (0..DOCUMENTS).map(|nth| format!("page-{nth}"))
}

#[async_trait(?Send)]
impl Attack for Unread {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        let body = (self.body)();
        let documents = ids().take(self.documents).map(|id| large::upsert(&id, body.as_bytes())).collect();
        large::collection(&ground.attacker.writer().await?, COLLECTION, documents).await?;
        Ok(())
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let message = (self.request)(ground.attacker.collection(COLLECTION));
        let call = Call::new(self.path).keyed(&ground.attacker.reader);
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
