//! Patches with a JSON Pointer of ten million steps, four hundred bytes when packed.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::try_join;
use stillframe::pb::patch_operation::Op;

use super::{
    attack::{Attack, Finding, boxed, repeat},
    ground::Ground,
    message::{Encoding, field, number},
    patches,
    raw::{ALL, Call, Connection},
};
use crate::Result;

const STEPS: usize = 10_000_000;

struct Pointers {
    name: &'static str,
    at_once: usize,
    /// Whether they wait behind others.
    behind: bool,
    path: &'static str,
    /// Messages of a call.
    messages: usize,
}

const WRITE: &str = "/stillframe.v1.DocumentService/WriteDocuments";
const INGEST: &str = "/stillframe.v1.DocumentService/IngestDocuments";

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([
        Pointers { name: "pointers-one", at_once: 1, behind: false, path: WRITE, messages: 1 },
        Pointers { name: "pointers-six", at_once: 6, behind: false, path: WRITE, messages: 1 },
        Pointers { name: "pointers-behind", at_once: 6, behind: true, path: WRITE, messages: 1 },
        Pointers { name: "pointers-ingest", at_once: 6, behind: true, path: INGEST, messages: 17 },
    ])
}

#[async_trait(?Send)]
impl Attack for Pointers {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        patches::prepare(ground).await
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let pointers = self.send(ground, until);
        if self.behind {
            let busy = patches::failing(40, 1);
            try_join(pointers, patches::keep_busy(ground, &busy, until)).await?;
        } else {
            pointers.await?;
        }
        Ok(Vec::new())
    }
}

impl Pointers {
    async fn send(&self, ground: &Ground, until: Instant) -> Result<()> {
        let operation = [&number(1, Op::Remove as u8)[..], &field(2, "/".repeat(STEPS).as_bytes())].concat();
        let patch = [field(1, patches::DOCUMENT.as_bytes()), field(2, &operation)].concat();
        let message = [field(1, patches::busy(ground).as_bytes()), field(2, &field(2, &patch))].concat();
        let bytes = Bytes::from(Encoding::Zstd.frame(&message).await?.repeat(self.messages));
        let connection = Connection::open(ground, ALL).await?;
        let call = Call::new(self.path).keyed(&ground.attacker.writer).compressed(Encoding::Zstd.name());
        repeat(self.at_once, until, async |_| connection.ask(ground, call, bytes.clone()).await).await;
        Ok(())
    }
}
