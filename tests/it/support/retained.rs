//! Collections with a retention, and documents that happened at a time.

use std::time::Duration;

use stillframe::pb;
use tonic::Status;

use super::{COMMONS, TestServer, collect, collection_name, json, micros, size_of, span, time, upsert};

/// A document as a test knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doc {
    pub id: String,
    /// When it happened, in microseconds since the epoch.
    pub time: i64,
    pub json: String,
}

impl Doc {
    pub fn new(id: impl Into<String>, time: i64, json: impl Into<String>) -> Self {
        Self { id: id.into(), time, json: json.into() }
    }

    pub fn write(&self) -> pb::Write {
        upsert_at(&self.id, self.time, &self.json)
    }

    /// What it counts for.
    pub fn size(&self) -> i64 {
        size_of(&self.id, &self.json)
    }
}

impl From<&pb::Document> for Doc {
    fn from(read: &pb::Document) -> Self {
        Self::new(&read.id, micros(read.event_time.as_ref()), json(read))
    }
}

pub fn upsert_at(id: &str, micros: i64, json: &str) -> pb::Write {
    let mut write = upsert(id, json);
    if let Some(pb::write::Operation::Upsert(document)) = &mut write.operation {
        document.event_time = Some(time(micros));
    }
    write
}

impl TestServer {
    pub async fn create_retained(
        &mut self,
        id: &str,
        retention: Option<prost_types::Duration>,
    ) -> Result<pb::Collection, Status> {
        let request = pb::CreateCollectionRequest {
            parent: COMMONS.to_owned(),
            collection_id: id.to_owned(),
            collection: Some(pb::Collection { retention, ..Default::default() }),
            ..Default::default()
        };
        Ok(self.collections.create_collection(request).await?.into_inner())
    }

    pub async fn given_retained(&mut self, id: &str, retention: Duration) -> pb::Collection {
        self.create_retained(id, Some(span(retention))).await.unwrap()
    }

    /// Documents of `c` by id.
    pub async fn batch(&mut self, ids: Vec<String>) -> pb::BatchGetDocumentsResponse {
        let request = pb::BatchGetDocumentsRequest { collection: collection_name("c"), ids, encoding: 0 };
        self.documents.batch_get_documents(request).await.unwrap().into_inner()
    }

    /// Every document of a collection, in the order of a stream.
    pub async fn read_all(&mut self, collection: &str) -> Vec<Doc> {
        self.selected(pb::StreamDocumentsRequest { collection: collection_name(collection), ..Default::default() })
            .await
    }

    /// The documents that a stream shows.
    pub async fn selected(&mut self, request: pb::StreamDocumentsRequest) -> Vec<Doc> {
        let stream = self.documents.stream_documents(request).await.unwrap().into_inner();
        let messages: Vec<pb::StreamDocumentsResponse> = collect(stream).await.unwrap();
        messages.iter().flat_map(|message| &message.documents).map(Doc::from).collect()
    }
}
