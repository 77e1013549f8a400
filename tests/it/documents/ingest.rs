//! Streaming writes in.

use stillframe::pb::{self, ingest_documents_request::ResultsMode, write_result::Status as Became};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{error_of, invalid, refusal};
use crate::support::{DEADLINE, TestServer, collect, collection_name, delete, upsert};

/// A client in the middle of an ingest.
pub struct Ingest {
    messages: mpsc::Sender<pb::IngestDocumentsRequest>,
    pub answers: Streaming<pb::IngestDocumentsResponse>,
}

impl Ingest {
    pub async fn open(server: &TestServer) -> Self {
        let (messages, stream) = mpsc::channel(64);
        let mut documents = server.documents.clone();
        let answers = documents.ingest_documents(ReceiverStream::new(stream)).await.unwrap().into_inner();
        Self { messages, answers }
    }

    pub async fn send(&self, message: pb::IngestDocumentsRequest) {
        self.messages.send(message).await.unwrap();
    }

    /// The same, on a stream that may have ended.
    pub async fn try_send(&self, message: pb::IngestDocumentsRequest) {
        let _ = self.messages.send(message).await;
    }

    pub async fn answer(&mut self) -> Result<Option<pb::IngestDocumentsResponse>, Status> {
        tokio::time::timeout(DEADLINE, self.answers.message()).await.expect("an answer in time")
    }

    /// Half-closes, and reads what is left.
    pub async fn finish(self) -> Result<Vec<pb::IngestDocumentsResponse>, Status> {
        drop(self.messages);
        collect(self.answers).await
    }
}

/// The first message.
pub fn first(writes: Vec<pb::Write>) -> pb::IngestDocumentsRequest {
    pb::IngestDocumentsRequest { collection: collection_name("c"), writes, ..Default::default() }
}

/// Any other.
pub fn next(writes: Vec<pb::Write>) -> pb::IngestDocumentsRequest {
    pb::IngestDocumentsRequest { writes, ..Default::default() }
}

#[apply(on_each_storage!)]
async fn each_message_has_one_answer_in_order() {
    let mut server = TestServer::with_collection().await;
    let ingest = Ingest::open(&server).await;
    ingest.send(first(vec![upsert("0", "{}")])).await;
    for n in 1..50 {
        ingest.send(next(vec![upsert(&n.to_string(), "{}"), upsert("last", &format!(r#"{{"n":{n}}}"#))])).await;
    }
    let answers = ingest.finish().await.unwrap();
    assert_eq!(answers.len(), 50);
    for (n, answer) in answers.iter().enumerate().skip(1) {
        let ids: Vec<_> = answer.results.iter().map(|result| (result.id.clone(), result.index)).collect();
        assert_eq!(ids, [(n.to_string(), 0), ("last".to_owned(), 1)]);
        assert_eq!(answer.offset, i64::try_from(1 + 2 * n).unwrap());
    }
    assert_eq!(server.stats("c").await.document_count, 51);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_answer_comes_without_waiting_for_more() {
    let mut server = TestServer::with_collection().await;
    let mut ingest = Ingest::open(&server).await;
    ingest.send(first(vec![upsert("a", "{}")])).await;
    let answer = ingest.answer().await.unwrap().unwrap();
    assert_eq!((answer.results[0].status(), answer.offset), (Became::Added, 1));
    assert!(server.read("a").await.is_ok(), "what is acknowledged can be read");
    ingest.send(next(vec![delete("a")])).await;
    assert_eq!(ingest.answer().await.unwrap().unwrap().results[0].status(), Became::Deleted);
    assert!(ingest.finish().await.unwrap().is_empty());
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_bad_write_fails_alone() {
    let mut server = TestServer::with_collection().await;
    let ingest = Ingest::open(&server).await;
    ingest.send(first(vec![upsert("a", "{}"), upsert("b", "[]"), upsert("c", "{}")])).await;
    ingest.send(next(vec![upsert("d", "{}")])).await;
    let answers = ingest.finish().await.unwrap();
    assert_eq!(refusal(&error_of(&answers[0].results[1])), invalid(&["upsert.json"]));
    assert_eq!((answers[0].offset, answers[1].offset), (2, 3));
    let ids: Vec<_> = server.scan("c").await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["a", "c", "d"]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn in_errors_mode_only_failures_come_back() {
    let server = TestServer::with_collection().await;
    let ingest = Ingest::open(&server).await;
    let opening = pb::IngestDocumentsRequest {
        results_mode: ResultsMode::Errors.into(),
        ..first(vec![upsert("a", "{}"), upsert("b", "[]"), delete("nobody")])
    };
    ingest.send(opening).await;
    ingest.send(next(vec![upsert("c", "{}")])).await;
    ingest.send(next(vec![pb::Write::default(), upsert("d", "{}"), upsert("e", "1")])).await;
    let answers = ingest.finish().await.unwrap();
    let failed = |n: usize| answers[n].results.iter().map(|result| result.index).collect::<Vec<_>>();
    assert_eq!((failed(0), failed(1), failed(2)), (vec![1], vec![], vec![0, 2]), "absent is not a failure");
    assert_eq!(answers.iter().map(|answer| answer.offset).collect::<Vec<_>>(), [1, 2, 3]);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn an_empty_message_is_answered_and_an_empty_stream_ends_well() {
    let mut server = TestServer::with_collection().await;
    assert!(Ingest::open(&server).await.finish().await.unwrap().is_empty());
    let mut ingest = Ingest::open(&server).await;
    ingest.send(first(Vec::new())).await;
    assert_eq!(ingest.answer().await.unwrap().unwrap(), pb::IngestDocumentsResponse::default());
    ingest.send(first(vec![upsert("a", "{}")])).await;
    ingest.send(next(Vec::new())).await;
    let offsets: Vec<_> = ingest.finish().await.unwrap().iter().map(|answer| answer.offset).collect();
    assert_eq!(offsets, [1, 1]);
    assert_eq!(server.stats("c").await.offset, 1);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_message_may_hold_20000_writes() {
    let mut server = TestServer::with_collection().await;
    let ingest = Ingest::open(&server).await;
    ingest.send(first((0..20_000).map(|n| upsert(&n.to_string(), "{}")).collect())).await;
    let answers = ingest.finish().await.unwrap();
    assert_eq!((answers.len(), answers[0].results.len(), answers[0].offset), (1, 20_000, 20_000));
    assert_eq!(server.stats("c").await.document_count, 20_000);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn more_messages_than_the_server_reads_ahead_are_all_taken() {
    let mut server = TestServer::with_collection().await;
    let messages = (0..500).map(|n| first(vec![upsert(&format!("{n:03}"), "{}")]));
    let stream = futures::stream::iter(messages.collect::<Vec<_>>());
    let answers = server.documents.ingest_documents(stream).await.unwrap().into_inner();
    let offsets: Vec<_> = collect(answers).await.unwrap().iter().map(|answer| answer.offset).collect();
    assert_eq!(offsets, (1..=500).collect::<Vec<_>>());
    assert_eq!(server.scan("c").await.len(), 500);
    server.stop().await;
}
