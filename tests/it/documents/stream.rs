//! Streams: one consistent cut each, to be resumed.

use prost::Message;
use stillframe::pb::{self, document_service_client::DocumentServiceClient, patch_operation::Op};
use tonic::{Code, Status, Streaming, transport::Channel};

use super::{body_of, invalid, op, patch, refusal};
use crate::support::{TestServer, collect, collection_name, delete, json, upsert};

impl TestServer {
    /// A stream of `c`.
    pub async fn open_stream(
        &mut self,
        request: pb::StreamDocumentsRequest,
    ) -> Result<Streaming<pb::StreamDocumentsResponse>, Status> {
        let request = pb::StreamDocumentsRequest { collection: collection_name("c"), ..request };
        Ok(self.documents.stream_documents(request).await?.into_inner())
    }

    /// Whether the only scan that is allowed at once is under way. We look with a scan
    /// of our own, of an empty collection and to its end: then it has given its place
    /// back, and cannot be what the next look sees.
    pub async fn is_scanning(&mut self, empty: &str) -> bool {
        let request = pb::StreamDocumentsRequest { collection: collection_name(empty), ..Default::default() };
        match self.documents.stream_documents(request).await {
            Ok(stream) => {
                let messages: Vec<pb::StreamDocumentsResponse> = collect(stream.into_inner()).await.unwrap();
                assert_eq!(messages.len(), 1, "{empty} is empty");
                false
            }
            Err(error) => {
                let busy = (Code::ResourceExhausted, "RESOURCE_BUSY".to_owned(), Vec::new());
                assert_eq!(refusal(&error), busy, "{error:?}");
                true
            }
        }
    }

    /// The offset of a stream, and all its messages.
    pub async fn stream(
        &mut self,
        request: pb::StreamDocumentsRequest,
    ) -> Result<(i64, Vec<pb::StreamDocumentsResponse>), Status> {
        let messages = collect(self.open_stream(request).await?).await?;
        assert!(messages[0].documents.is_empty(), "the first one comes at once");
        assert!(messages[1..].iter().all(|message| message.offset.is_none()));
        Ok((messages[0].offset.unwrap(), messages))
    }
}

/// A stream from a token.
pub fn from(token: &str) -> pb::StreamDocumentsRequest {
    pb::StreamDocumentsRequest { resume_token: token.to_owned(), ..Default::default() }
}

fn documents(messages: Vec<pb::StreamDocumentsResponse>) -> Vec<(String, String)> {
    messages.into_iter().flat_map(|message| message.documents).map(|d| (d.id.clone(), json(&d))).collect()
}

#[apply(on_each_storage!)]
async fn an_empty_collection_gives_its_offset_and_nothing_else() {
    let mut server = TestServer::with_collection().await;
    let (offset, messages) = server.stream(from("")).await.unwrap();
    assert_eq!((offset, messages.len()), (0, 1));
    server.write("c", vec![upsert("a", "{}"), delete("a")]).await;
    let (offset, messages) = server.stream(from("")).await.unwrap();
    assert_eq!((offset, documents(messages).len()), (2, 0));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn messages_have_256_kibibytes_or_one_document() {
    let mut server = TestServer::with_collection().await;
    server.given_documents("c", 5000, 1).await;
    server.given_bulk(20).await;
    server.write_one(upsert("large", &body_of(1 << 20))).await;
    let (_, messages) = server.stream(from("")).await.unwrap();
    for message in &messages {
        let size: usize = message.documents.iter().map(Message::encoded_len).sum();
        assert!(size <= 256 << 10 || message.documents.len() == 1, "{size}");
    }
    assert!(messages.len() < 20, "messages are filled: {}", messages.len());
    assert_eq!(documents(messages).len(), 5021);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_stream_held_still_shows_the_cut_of_its_beginning() {
    let mut server = TestServer::with_collection().await;
    server.given_bulk(160).await;
    let before = server.scan("c").await;
    let offset = server.stats("c").await.offset;
    let mut stream = server.open_stream(from("")).await.unwrap();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.offset, Some(offset));

    let change = |n: usize| match n % 3 {
        0 => delete(&format!("{n:04}")),
        1 => upsert(&format!("{n:04}"), "{}"),
        _ => upsert(&format!("{n:04}-new"), "{}"),
    };
    server.write("c", (0..160).map(change).collect()).await;
    server.given_snapshot("c", "meanwhile").await;
    assert!(documents(collect(stream).await.unwrap()) == before);
    let (after, messages) = server.stream(from("")).await.unwrap();
    assert_eq!((after, documents(messages).len()), (offset + 160, 160 - 54 + 53));
    server.stop().await;
}

/// Increments all of them in one batch.
async fn increment_all(client: &mut DocumentServiceClient<Channel>, ids: &[String]) -> i64 {
    let writes = ids.iter().map(|id| patch(id, vec![op(Op::Increment, "/n", "1")])).collect();
    let request = pb::WriteDocumentsRequest { collection: collection_name("c"), writes, ..Default::default() };
    client.write_documents(request).await.unwrap().into_inner().offset
}

#[apply(on_each_storage!)]
async fn each_cut_is_the_collection_at_its_offset() {
    let mut server = TestServer::with_collection().await;
    let ids: Vec<String> = (0..50).map(|n| format!("{n:02}")).collect();
    server.write("c", ids.iter().map(|id| upsert(id, r#"{"n":0}"#)).collect()).await;
    let (mut client, last) = (server.documents.clone(), 100 * 50);
    let writing = async { while increment_all(&mut client, &ids).await < last {} };
    let reading = async {
        let mut offset = 0;
        while offset < last {
            let (cut, messages) = server.stream(from("")).await.unwrap();
            assert_eq!(cut % 50, 0, "batches are applied whole");
            let expected = format!(r#"{{"n":{}}}"#, cut / 50 - 1);
            let found = documents(messages);
            assert!(found.len() == 50 && found.iter().all(|(_, json)| *json == expected), "at {cut}: {found:?}");
            offset = cut;
        }
    };
    tokio::join!(writing, reading);
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_resume_token_goes_on_behind_its_message() {
    let mut server = TestServer::with_collection().await;
    server.given_bulk(20).await;
    let (_, messages) = server.stream(from("")).await.unwrap();
    let all = documents(messages.clone());
    for cut in 0..messages.len() {
        let seen = documents(messages[..=cut].to_vec());
        let (_, rest) = server.stream(from(&messages[cut].resume_token)).await.unwrap();
        assert!(rest[0].resume_token == messages[cut].resume_token, "the first message has nothing of its own");
        assert!([seen, documents(rest)].concat() == all, "cut behind message {cut}");
    }
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_resumed_stream_reads_a_new_cut() {
    let mut server = TestServer::with_collection().await;
    server.given_bulk(20).await;
    let mut stream = server.open_stream(from("")).await.unwrap();
    stream.message().await.unwrap();
    let message = stream.message().await.unwrap().unwrap();
    let last = message.documents.last().unwrap().id.clone();
    drop(stream);
    server.write("c", vec![delete("0000"), delete("0019"), upsert("0018x", "{}")]).await;
    let server_dir = server.stop().await;
    let mut server = TestServer::reopen(server_dir).await;
    let (offset, rest) = server.stream(from(&message.resume_token)).await.unwrap();
    let ids: Vec<String> = documents(rest).into_iter().map(|(id, _)| id).collect();
    assert_eq!(offset, 23);
    assert_eq!(ids.last().unwrap(), "0018x");
    assert!(ids.iter().all(|id| *id > last));
    server.stop().await;
}

#[apply(on_each_storage!)]
async fn a_bad_encoding_is_refused_and_a_good_one_kept() {
    let mut server = TestServer::with_collection().await;
    server.given_documents("c", 1, 1).await;
    let bad = pb::StreamDocumentsRequest { encoding: 7, ..Default::default() };
    assert_eq!(refusal(&server.stream(bad).await.unwrap_err()), invalid(&["encoding"]));
    let fields = pb::StreamDocumentsRequest { encoding: pb::Encoding::Fields.into(), ..Default::default() };
    let (_, messages) = server.stream(fields).await.unwrap();
    assert!(matches!(messages[1].documents[0].body, Some(pb::document::Body::Fields(_))));
    server.stop().await;
}
