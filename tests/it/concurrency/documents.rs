//! Writers and readers of the same documents at once: one order explains what all of
//! them saw (**D1**, **D3**), single documents, batches and whole cuts alike.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use stillframe::pb::{self, write_result::Status};
use tokio::task::JoinSet;

use super::history::{History, Operation};
use crate::{
    documents::if_etag,
    support::{TestServer, collect, collection_name, delete, json, rounds, upsert},
};

const IDS: usize = 3;
const CLIENTS: u32 = 6;

/// The value of each document, if it is there. No value is written twice.
type State = [Option<u32>; IDS];

/// What a client did, and what it was told.
#[derive(Debug)]
enum Did {
    Put(usize, u32, Status),
    /// Changed the document that still had the value, or was refused.
    Swap {
        id: usize,
        from: u32,
        to: u32,
        done: bool,
    },
    Delete(usize, Status),
    /// All documents in one batch.
    PutAll(u32, [Status; IDS]),
    Get(usize, Option<u32>),
    Scan(State),
}

impl Operation for Did {
    type State = State;

    fn step(&self, state: &State) -> Option<State> {
        let with = |id: usize, value: Option<u32>| {
            let mut next = *state;
            next[id] = value;
            next
        };
        match *self {
            Self::Put(id, value, told) => {
                let expected = if state[id].is_some() { Status::Replaced } else { Status::Added };
                (told == expected).then(|| with(id, Some(value)))
            }
            Self::Swap { id, from, to, done: true } => (state[id] == Some(from)).then(|| with(id, Some(to))),
            Self::Swap { id, from, done: false, .. } => (state[id] != Some(from)).then_some(*state),
            Self::Delete(id, told) => {
                let expected = if state[id].is_some() { Status::Deleted } else { Status::NotFound };
                (told == expected).then(|| with(id, None))
            }
            Self::PutAll(value, told) => {
                let expected = state.map(|found| if found.is_some() { Status::Replaced } else { Status::Added });
                (told == expected).then_some([Some(value); IDS])
            }
            Self::Get(id, seen) => (state[id] == seen).then_some(*state),
            Self::Scan(seen) => (*state == seen).then_some(*state),
        }
    }
}

type Documents = pb::document_service_client::DocumentServiceClient<tonic::transport::Channel>;

/// One of the clients.
struct Client {
    documents: Documents,
    values: Arc<AtomicU32>,
    /// Value and etag of what it saw last of each document.
    seen: [Option<(u32, String)>; IDS],
    random: u32,
}

fn body(value: u32) -> String {
    format!(r#"{{"value":{value}}}"#)
}

fn value(document: &pb::Document) -> u32 {
    let json = json(document);
    json.strip_prefix(r#"{"value":"#).and_then(|rest| rest.strip_suffix('}')).unwrap().parse().unwrap()
}

impl Client {
    async fn connect(server: &TestServer, values: &Arc<AtomicU32>, random: u32) -> Self {
        let documents = Documents::connect(format!("http://{}", server.address)).await.unwrap();
        Self { documents, values: Arc::clone(values), seen: [const { None }; IDS], random }
    }

    fn random(&mut self, below: u32) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.random >> 8) % below
    }

    async fn act(&mut self) -> Did {
        let id = self.random(3) as usize;
        match self.random(10) {
            0..=1 => self.put(id).await,
            2..=3 => self.swap(id).await,
            4 => self.delete(id).await,
            5 => self.put_all().await,
            6 => self.scan().await,
            _ => self.get(id).await,
        }
    }

    async fn write(&mut self, writes: Vec<pb::Write>) -> Vec<pb::WriteResult> {
        let request = pb::WriteDocumentsRequest { collection: collection_name("c"), writes, ..Default::default() };
        self.documents.write_documents(request).await.unwrap().into_inner().results
    }

    fn new_value(&self) -> u32 {
        self.values.fetch_add(1, Ordering::SeqCst)
    }

    async fn put(&mut self, id: usize) -> Did {
        let value = self.new_value();
        let results = self.write(vec![upsert(&id.to_string(), &body(value))]).await;
        self.seen[id] = Some((value, results[0].etag.clone()));
        Did::Put(id, value, results[0].status())
    }

    async fn swap(&mut self, id: usize) -> Did {
        let Some((from, etag)) = self.seen[id].take() else { return self.get(id).await };
        let to = self.new_value();
        let results = self.write(vec![if_etag(&etag, upsert(&id.to_string(), &body(to)))]).await;
        let done = results[0].status() == Status::Replaced;
        Did::Swap { id, from, to, done }
    }

    async fn delete(&mut self, id: usize) -> Did {
        Did::Delete(id, self.write(vec![delete(&id.to_string())]).await[0].status())
    }

    async fn put_all(&mut self) -> Did {
        let value = self.new_value();
        let results = self.write((0..IDS).map(|id| upsert(&id.to_string(), &body(value))).collect()).await;
        Did::PutAll(value, std::array::from_fn(|id| results[id].status()))
    }

    async fn get(&mut self, id: usize) -> Did {
        let request =
            pb::GetDocumentRequest { collection: collection_name("c"), id: id.to_string(), ..Default::default() };
        let found = match self.documents.get_document(request).await {
            Ok(found) => found.into_inner(),
            Err(status) => {
                assert_eq!(status.code(), tonic::Code::NotFound, "{status:?}");
                return Did::Get(id, None);
            }
        };
        self.seen[id] = Some((value(&found), found.etag.clone()));
        Did::Get(id, Some(value(&found)))
    }

    async fn scan(&mut self) -> Did {
        let request = pb::StreamDocumentsRequest { collection: collection_name("c"), ..Default::default() };
        let stream = self.documents.stream_documents(request).await.unwrap().into_inner();
        let mut state = State::default();
        for message in collect(stream).await.unwrap() {
            for document in message.documents {
                let twice = state[document.id.parse::<usize>().unwrap()].replace(value(&document));
                assert_eq!(twice, None, "{document:?} is told twice");
            }
        }
        Did::Scan(state)
    }
}

#[apply(on_each_storage!)]
async fn one_order_explains_what_all_clients_saw() {
    let mut server = TestServer::start().await;
    for round in 0..rounds(3, 30) {
        if round > 0 {
            server.delete_collection("c").await.unwrap();
        }
        server.given_collection("c").await;
        let (history, values) = (Arc::new(History::default()), Arc::default());
        let mut clients = JoinSet::new();
        for n in 0..CLIENTS {
            let history = Arc::clone(&history);
            let mut client = Client::connect(&server, &values, round * CLIENTS + n).await;
            clients.spawn(async move {
                for _ in 0..40 {
                    history.record(client.act()).await;
                }
            });
        }
        clients.join_all().await;
        // A last write that was lost is seen by nobody else.
        let mut last = Client::connect(&server, &values, 0).await;
        history.record(last.scan()).await;
        Arc::into_inner(history).unwrap().assert_linearizable(State::default());
    }
    server.stop().await;
}
