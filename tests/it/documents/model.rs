//! Random writes against a model: **D2** holds after every batch, and a restart
//! changes nothing.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, test_runner::Config};
use stillframe::pb::{self, patch_operation::Op, write_result::Status};
use xxhash_rust::xxh3::xxh3_128;

use super::{if_etag, op, patch, upsert_of};
use crate::support::{Root, TestServer, delete};

#[derive(Clone, Debug)]
enum Step {
    Put {
        id: u8,
        time: i64,
        n: i64,
        create_only: bool,
    },
    Increment {
        id: u8,
        by: i64,
    },
    Note {
        id: u8,
        text: String,
    },
    /// Increments, then fails.
    Fail {
        id: u8,
    },
    Delete {
        id: u8,
    },
}

#[derive(Clone, Debug, PartialEq)]
struct Doc {
    time: i64,
    n: i64,
    note: Option<String>,
}

#[derive(Default)]
struct Model {
    documents: BTreeMap<String, Doc>,
    offset: i64,
}

impl Doc {
    fn body(&self) -> String {
        let note = self.note.as_ref().map(|note| format!(r#","note":"{note}""#)).unwrap_or_default();
        format!(r#"{{"n":{}{note}}}"#, self.n)
    }

    /// Design, section 3: version, length of the id, id, time, body.
    fn digest(&self, id: &str) -> u128 {
        let length = u32::try_from(id.len()).unwrap();
        let (length, time, body) = (length.to_le_bytes(), self.time.to_le_bytes(), self.body());
        let parts = [&[1], &length[..], id.as_bytes(), &time, body.as_bytes()];
        xxh3_128(&parts.concat())
    }
}

/// Ids of different lengths.
fn name(id: u8) -> String {
    "é".repeat(usize::from(id) + 1)
}

impl Model {
    fn apply(&mut self, step: &Step) -> Status {
        let before = self.documents.clone();
        let status = match step {
            Step::Put { id, create_only: true, .. } if self.documents.contains_key(&name(*id)) => Status::Unspecified,
            Step::Put { id, time, n, .. } => {
                match self.documents.insert(name(*id), Doc { time: *time, n: *n, note: None }) {
                    None => Status::Added,
                    Some(_) => Status::Replaced,
                }
            }
            Step::Increment { id, by } => self.change(*id, |doc| doc.n += by),
            Step::Note { id, text } => self.change(*id, |doc| doc.note = Some(text.clone())),
            Step::Fail { id } if self.documents.contains_key(&name(*id)) => Status::Unspecified,
            Step::Fail { .. } => Status::NotFound,
            Step::Delete { id } => match self.documents.remove(&name(*id)) {
                None => Status::NotFound,
                Some(_) => Status::Deleted,
            },
        };
        let writes = match status {
            Status::NotFound | Status::Unspecified => false,
            // A patch that changes nothing writes nothing.
            Status::Patched => self.documents != before,
            _ => true,
        };
        self.offset += i64::from(writes);
        status
    }

    fn change(&mut self, id: u8, change: impl FnOnce(&mut Doc)) -> Status {
        self.documents.get_mut(&name(id)).map(change).map_or(Status::NotFound, |()| Status::Patched)
    }

    fn check(&self, stats: &pb::collection::Stats) {
        let size: usize = self.documents.iter().map(|(id, doc)| id.len() + 8 + doc.body().len()).sum();
        let digest = self.documents.iter().fold(0_u128, |sum, (id, doc)| sum.wrapping_add(doc.digest(id)));
        let count = i64::try_from(self.documents.len()).unwrap();
        assert_eq!((stats.document_count, stats.offset), (count, self.offset));
        assert_eq!(stats.size_bytes, i64::try_from(size).unwrap());
        assert_eq!(stats.digest, format!("v1:{digest:032x}"));
        assert_eq!(stats.oldest_event_time.is_some(), count > 0);
    }
}

fn nanos_of(micros: i64) -> i32 {
    i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap()
}

fn write_of(step: &Step) -> pb::Write {
    match step {
        Step::Put { id, time, n, create_only } => {
            let event_time = prost_types::Timestamp { seconds: time.div_euclid(1_000_000), nanos: nanos_of(*time) };
            let write = upsert_of(pb::Document {
                id: name(*id),
                event_time: Some(event_time),
                body: Some(pb::document::Body::Json(format!(r#"{{"n":{n}}}"#).into())),
                ..Default::default()
            });
            if *create_only { if_etag("", write) } else { write }
        }
        Step::Increment { id, by } => patch(&name(*id), vec![op(Op::Increment, "/n", &by.to_string())]),
        Step::Note { id, text } => patch(&name(*id), vec![op(Op::Add, "/note", &format!("\"{text}\""))]),
        Step::Fail { id } => patch(&name(*id), vec![op(Op::Increment, "/n", "1"), op(Op::Test, "/n", "null")]),
        Step::Delete { id } => delete(&name(*id)),
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let id = || 0..6_u8;
    prop_oneof![
        4 => (id(), -1_000_000_000_000..1_000_000_000_000_i64, any::<i32>(), any::<bool>())
            .prop_map(|(id, time, n, create_only)| Step::Put { id, time, n: n.into(), create_only }),
        2 => (id(), any::<i32>()).prop_map(|(id, by)| Step::Increment { id, by: by.into() }),
        1 => (id(), "[a-zé]{0,20}").prop_map(|(id, text)| Step::Note { id, text }),
        1 => id().prop_map(|id| Step::Fail { id }),
        2 => id().prop_map(|id| Step::Delete { id }),
    ]
}

async fn run(batches: &[Vec<Step>], restart: usize) {
    let mut server = TestServer::with_collection().await;
    let mut model = Model::default();
    for (n, batch) in batches.iter().enumerate() {
        if n == restart {
            server = TestServer::reopen(server.stop().await).await;
            model.check(&server.stats("c").await);
        }
        let response = server.write("c", batch.iter().map(write_of).collect()).await;
        for (step, result) in batch.iter().zip(&response.results) {
            assert_eq!(result.status(), model.apply(step), "{step:?}: {result:?}");
        }
        assert_eq!(response.offset, model.offset);
        model.check(&server.stats("c").await);
    }
    let expected: Vec<_> = model.documents.iter().map(|(id, doc)| (id.clone(), doc.body())).collect();
    assert_eq!(server.scan("c").await, expected);
    server.stop().await;
}

#[test]
fn any_writes_leave_what_the_model_says() {
    any_writes(Root::Directory);
}

#[cfg(feature = "s3")]
#[test]
fn any_writes_on_s3_leave_what_the_model_says() {
    any_writes(Root::S3);
}

fn any_writes(root: Root) {
    let config = Config { cases: 30, max_shrink_iters: 50, ..Config::default() };
    proptest!(config, |(batches in vec(vec(any_step(), 1..15), 2..7), restart in 0..7_usize)| {
        root.run(Box::pin(run(&batches, restart)));
    });
}
