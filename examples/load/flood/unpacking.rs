//! A kilobyte that becomes a gigabyte: compressed messages of very many very small parts.

use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    attack::{Attack, Finding, boxed, repeat},
    ground::Ground,
    message::{Encoding, field, filled},
    raw::{ALL, Call, Connection},
};
use crate::Result;

struct Unpacking {
    name: &'static str,
    at_once: usize,
    encoding: Encoding,
    path: &'static str,
    /// The message, behind the name of its collection.
    message: fn() -> Vec<u8>,
}

const WRITE: &str = "/stillframe.v1.DocumentService/WriteDocuments";
const BATCH_GET: &str = "/stillframe.v1.DocumentService/BatchGetDocuments";
const INGEST: &str = "/stillframe.v1.DocumentService/IngestDocuments";

const COLLECTION: &str = "small";
/// Nearly as much as a message may have, unpacked.
const LENGTH: usize = (12 << 20) - 1_024;

pub fn attacks() -> Vec<Box<dyn Attack>> {
    use Encoding::{Gzip, Zstd};
    boxed([
        Unpacking { name: "unpacking-structs-3", at_once: 3, encoding: Zstd, path: WRITE, message: structs },
        Unpacking { name: "unpacking-structs-50", at_once: 50, encoding: Zstd, path: WRITE, message: structs },
        Unpacking { name: "unpacking-structs-gzip", at_once: 50, encoding: Gzip, path: WRITE, message: structs },
        Unpacking { name: "unpacking-structs-ingest", at_once: 50, encoding: Zstd, path: INGEST, message: structs },
        Unpacking { name: "unpacking-lists", at_once: 50, encoding: Zstd, path: WRITE, message: lists },
        Unpacking { name: "unpacking-writes", at_once: 50, encoding: Zstd, path: WRITE, message: empty },
        Unpacking { name: "unpacking-operations", at_once: 50, encoding: Zstd, path: WRITE, message: operations },
        Unpacking { name: "unpacking-operands", at_once: 50, encoding: Zstd, path: WRITE, message: operands },
        Unpacking { name: "unpacking-ids", at_once: 50, encoding: Zstd, path: BATCH_GET, message: empty },
    ])
}

/// A list of structs of one empty entry each.
fn structs() -> Vec<u8> {
    document(&field(1, &field(5, &field(1, &[]))))
}

/// A list of empty lists.
fn lists() -> Vec<u8> {
    document(&field(1, &field(6, &[])))
}

/// A document with one list, of as many such members as fit.
fn document(member: &[u8]) -> Vec<u8> {
    let list = field(6, &filled(member, LENGTH));
    let fields = field(1, &[field(1, b"a"), field(2, &list)].concat());
    field(2, &field(1, &[field(1, b"x"), field(3, &fields)].concat()))
}

/// Writes, or ids, of nothing.
fn empty() -> Vec<u8> {
    filled(&field(2, &[]), LENGTH)
}

fn operations() -> Vec<u8> {
    patch(&field(2, &[]))
}

/// Operations with an empty list as operand.
fn operands() -> Vec<u8> {
    patch(&field(2, &field(5, &field(6, &[]))))
}

fn patch(operation: &[u8]) -> Vec<u8> {
    field(2, &field(2, &[field(1, b"x"), filled(operation, LENGTH)].concat()))
}

#[async_trait(?Send)]
impl Attack for Unpacking {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        ground.attacker.writer().await?.create_collection(COLLECTION).await?;
        Ok(())
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        // A key that may only read, and elsewhere; and one that may write what it asks for.
        let (reader, writer) = (&ground.attacker.reader, &ground.attacker.writer);
        let foreign = (reader, self.packed(&ground.neighbour.collection(COLLECTION)).await?);
        let own = (writer, self.packed(&ground.attacker.collection(COLLECTION)).await?);
        let mut connections = Vec::new();
        for _ in 0..self.at_once {
            connections.push(Connection::open(ground, ALL).await?);
        }
        let send = async |nth: usize| {
            let (key, bytes) = if nth.is_multiple_of(2) { &foreign } else { &own };
            let call = Call::new(self.path).keyed(key).compressed(self.encoding.name());
            connections[nth].ask(ground, call, bytes.clone()).await;
        };
        repeat(self.at_once, until, send).await;
        Ok(Vec::new())
    }
}

impl Unpacking {
    async fn packed(&self, collection: &str) -> Result<Bytes> {
        let message = [field(1, collection.as_bytes()), (self.message)()].concat();
        self.encoding.frame(&message).await
    }
}
