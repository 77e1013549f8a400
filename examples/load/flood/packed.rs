//! Large answers that are asked for packed, again and again, and read.

use std::time::Instant;

use async_trait::async_trait;
use futures::future::join;
use prost::Message;
use stillframe::pb;
use tonic::codec::CompressionEncoding;

use super::{
    asks::asks,
    attack::{Attack, Finding, boxed, repeat},
    ground::Ground,
    large,
    raw::{ALL, Call, Connection, whole},
};
use crate::{Result, client::Client};

const COLLECTION: &str = "pages";
/// Documents that fill a page, of which an answer has at most 3 MiB. What is in them takes gzip
/// long.
const DOCUMENTS: usize = 27;
const DOCUMENT: usize = 100_000;

const CONNECTIONS: usize = 4;
/// As many answers as one key has room for.
const CALLS: usize = 48;

const LIST: &str = "/stillframe.v1.DocumentService/ListDocuments";
const STREAM: &str = "/stillframe.v1.DocumentService/StreamDocuments";

struct Packed;

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([Packed])
}

#[async_trait(?Send)]
impl Attack for Packed {
    fn name(&self) -> &'static str {
        "packed-answers"
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        let body = large::text_of(DOCUMENT);
        let documents = (0..DOCUMENTS).map(|nth| large::upsert(&format!("page-{nth}"), body.as_bytes())).collect();
        large::collection(&ground.attacker.writer().await?, COLLECTION, documents).await?;
        Ok(())
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let writer = ground.neighbour.writer().await?;
        let documents = vec![large::upsert("one", large::text_of(DOCUMENT))];
        let page = large::collection(&writer, "page", documents).await?;
        let reader = ground.neighbour.reader().await?;
        let (flooded, finding) = join(
            flood(ground, until),
            asks("a page of 100 KB, packed", until, async |_| ask(&reader, page.clone()).await),
        )
        .await;
        flooded?;
        Ok(vec![finding])
    }
}

/// Pages and streams, one as good as the other.
async fn flood(ground: &Ground, until: Instant) -> Result<()> {
    let collection = ground.attacker.collection(COLLECTION);
    let list = pb::ListDocumentsRequest { collection: collection.clone(), page_size: 10_000, ..Default::default() };
    let stream = pb::StreamDocumentsRequest { collection, ..Default::default() };
    let asked = [(LIST, whole(&list.encode_to_vec())), (STREAM, whole(&stream.encode_to_vec()))];
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(ground, ALL).await?);
    }
    repeat(CALLS, until, async |nth| {
        let (path, bytes) = &asked[nth % asked.len()];
        let call = Call::new(path).keyed(&ground.attacker.reader).accepting("gzip");
        connections[nth / asked.len() % CONNECTIONS].ask(ground, call, bytes.clone()).await;
    })
    .await;
    Ok(())
}

async fn ask(client: &Client, collection: String) -> Result<()> {
    let request = pb::ListDocumentsRequest { collection, ..Default::default() };
    let mut documents = client.documents().accept_compressed(CompressionEncoding::Gzip);
    documents.list_documents(request).await?;
    Ok(())
}
