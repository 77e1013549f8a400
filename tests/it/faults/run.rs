//! What a client does while one call of its server fails, and what it finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use stillframe::pb;
use tempfile::TempDir;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::shim::{Call, Errno, Shim};
use crate::{
    recovery::child::Child,
    support::{COMMONS, TestServer, collect, collection_name, json, reason, restore_request, upsert},
};

/// What the client does, one thing after another.
pub const PHASES: [&str; 9] =
    ["start", "create", "write", "snapshot", "restore", "delete", "stop", "start again", "start behind a kill"];
const START: u8 = 0;
const CREATE: u8 = 1;
const WRITE: u8 = 2;
const SNAPSHOT: u8 = 3;
const RESTORE: u8 = 4;
const DELETE: u8 = 5;
const STOP: u8 = 6;
const AGAIN: u8 = 7;
const KILLED: u8 = 8;
/// After a single fault all is well long before; what takes so long does not pass.
const PATIENCE: Duration = Duration::from_mins(2);
const WRITES: usize = 12;
const NOT_YET: &str = "not yet";

/// What became of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What must not be.
    pub problems: Vec<String>,
    /// What may be, and is worth a look.
    pub notes: BTreeSet<String>,
    /// How long one thing took, with all its repetitions.
    pub slowest: Duration,
    /// Whether the call was made.
    pub failed: bool,
}

struct Run<'a> {
    shim: &'a Shim,
    fault: Option<(&'a Call, Errno)>,
    outcome: Outcome,
    /// What was acknowledged, by collection.
    ledger: BTreeMap<&'static str, BTreeMap<String, String>>,
    phase: u8,
}

/// Does all of it, with one call that fails.
pub async fn run(shim: &Shim, fault: Option<(&Call, Errno)>) -> Outcome {
    let mut run = Run { shim, fault, outcome: Outcome::default(), ledger: BTreeMap::new(), phase: START };
    let dir = tempfile::tempdir().unwrap();
    if run.all(dir).await.is_none() && run.outcome.problems.is_empty() {
        run.outcome.problems.push("it did not come to its end".to_owned());
    }
    run.outcome.failed = shim.has_failed();
    run.outcome
}

impl Run<'_> {
    async fn all(&mut self, dir: TempDir) -> Option<()> {
        let mut child = self.start(dir).await?;

        self.turn_to(CREATE);
        for id in ["books", "gone"] {
            self.insist(&mut child, "CreateCollection", async |server| {
                exists(server.create_collection(COMMONS, id).await.map(drop))
            })
            .await?;
        }

        self.turn_to(WRITE);
        for n in 0..WRITES {
            self.write(&mut child, "books", n, 1).await?;
        }
        self.write(&mut child, "gone", 0, 1).await?;

        self.turn_to(SNAPSHOT);
        let frozen = self.ledger["books"].clone();
        self.snapshot(&mut child, "first").await?;
        self.write(&mut child, "books", 0, 2).await?;
        self.snapshot(&mut child, "second").await?;

        self.turn_to(RESTORE);
        self.restore(&mut child).await?;
        self.ledger.insert("again", frozen);

        self.turn_to(DELETE);
        self.insist(&mut child, "DeleteSnapshot", async |server| missing(server.delete_snapshot("second").await))
            .await?;
        self.insist(&mut child, "DeleteCollection", async |server| missing(server.delete_collection("gone").await))
            .await?;
        self.ledger.remove("gone");
        self.write(&mut child, "books", 1, 2).await?;

        self.revive(&mut child).await?;
        self.turn_to(STOP);
        let ended = child.terminated().await;
        if !ended.success() {
            self.outcome.notes.insert(format!("the stop ended with {ended}"));
        }
        let dir = child.kill().await;

        self.turn_to(AGAIN);
        let mut child = self.start(dir).await?;
        self.check(&mut child).await?;
        self.write(&mut child, "books", WRITES, 1).await?;
        self.write(&mut child, "again", WRITES, 1).await?;
        let dir = child.kill().await;

        self.turn_to(KILLED);
        let mut child = self.start(dir).await?;
        self.check(&mut child).await?;
        self.insist(&mut child, "the clean-up", async |server| {
            let left = std::fs::read_dir(server.dir.path().join("storage/collections")).unwrap().count();
            if left == 2 { Ok(()) } else { Err(not_yet()) }
        })
        .await?;
        child.kill().await;
        Some(())
    }

    fn turn_to(&mut self, phase: u8) {
        self.phase = phase;
        self.shim.turn_to(phase);
    }

    fn problem(&mut self, what: impl Into<String>) {
        let what = format!("{}: {}", PHASES[usize::from(self.phase)], what.into());
        if !self.outcome.problems.contains(&what) {
            self.outcome.problems.push(what);
        }
    }

    /// A start may be refused by a fault that it meets, but not the next one.
    async fn start(&mut self, mut dir: TempDir) -> Option<Child> {
        for attempt in 0..2 {
            let environment = self.shim.environment(dir.path(), self.fault);
            match Child::try_start_in(dir, "", &[], &environment).await {
                Ok(child) => return Some(child),
                Err(back) => dir = back,
            }
            if attempt == 0 {
                self.outcome.notes.insert("a start was refused".to_owned());
            }
        }
        self.problem("it does not start any more");
        None
    }

    /// A server that ended is started again. Only the record log's faults may end it.
    async fn revive(&mut self, child: &mut Child) -> Option<()> {
        let Some(status) = child.has_ended() else { return Some(()) };
        let what = format!("the server ended with {status}");
        if self.fault.is_some_and(|(call, _)| call.place.starts_with("storage/records")) {
            self.outcome.notes.insert(what);
        } else {
            self.problem(what);
        }
        let aside = tempfile::tempdir().unwrap();
        let dir = std::mem::replace(&mut child.client.dir, aside);
        let next = self.start(dir).await?;
        drop(std::mem::replace(child, next));
        Some(())
    }

    /// Asks until it is done, as a client does.
    async fn insist<T>(
        &mut self,
        child: &mut Child,
        what: &str,
        mut ask: impl AsyncFnMut(&mut TestServer) -> Result<T, Status>,
    ) -> Option<T> {
        let began = Instant::now();
        loop {
            let answer = tokio::time::timeout(PATIENCE, ask(&mut child.client)).await;
            let taken = began.elapsed();
            self.outcome.slowest = self.outcome.slowest.max(taken);
            let why = match answer {
                Ok(Ok(done)) => return Some(done),
                Ok(Err(status)) => {
                    self.judge(what, &status);
                    format!("{:?} {}", status.code(), status.message())
                }
                Err(_) => "no answer".to_owned(),
            };
            if taken > PATIENCE {
                self.problem(format!("{what} never comes to be: {why}"));
                return None;
            }
            self.revive(child).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A fault that passes is not damage.
    fn judge(&mut self, what: &str, status: &Status) {
        // A server that ends has no time for details.
        if status.message() == NOT_YET {
            return;
        }
        let why = if status.details().is_empty() { format!("{:?}", status.code()) } else { reason(status) };
        if status.code() == Code::DataLoss {
            self.problem(format!("{what} says {why}: {}", status.message()));
        } else {
            self.outcome.notes.insert(format!("{what} says {why}"));
        }
    }

    async fn write(&mut self, child: &mut Child, collection: &'static str, n: usize, version: u32) -> Option<()> {
        let (id, document) = (format!("{n:03}"), format!(r#"{{"version":{version}}}"#));
        let request = pb::WriteDocumentsRequest {
            collection: collection_name(collection),
            writes: vec![upsert(&id, &document)],
            ..Default::default()
        };
        self.insist(child, "WriteDocuments", async |server| {
            server.documents.write_documents(request.clone()).await.map(drop)
        })
        .await?;
        self.ledger.entry(collection).or_default().insert(id, document);
        Some(())
    }

    async fn snapshot(&mut self, child: &mut Child, id: &str) -> Option<()> {
        self.insist(child, "CreateSnapshot", async |server| {
            exists(server.request_snapshot("books", id).await.map(drop))
        })
        .await?;
        let ended = self
            .insist(child, "a snapshot", async |server| {
                let found = server.get_snapshot(id).await?;
                if found.state() == pb::snapshot::State::Requested { Err(not_yet()) } else { Ok(found) }
            })
            .await?;
        if ended.state() != pb::snapshot::State::Created {
            self.problem(format!("a snapshot is {:?}: {:?}", ended.state(), ended.error.map(|error| error.message)));
            return None;
        }
        Some(())
    }

    async fn restore(&mut self, child: &mut Child) -> Option<()> {
        self.insist(child, "CreateRestore", async |server| {
            let request = restore_request("first", "again");
            exists(server.create_restore(request).await.map(drop))
        })
        .await?;
        let ended = self
            .insist(child, "a restore", async |server| {
                use pb::restore::State;
                let found = server.get_restore("again").await?;
                let is_over = matches!(found.state(), State::Succeeded | State::Failed | State::Cancelled);
                if is_over { Ok(found) } else { Err(not_yet()) }
            })
            .await?;
        if ended.state() != pb::restore::State::Succeeded {
            self.problem(format!("a restore is {:?}: {:?}", ended.state(), ended.error.map(|error| error.message)));
            return None;
        }
        Some(())
    }

    /// All that was acknowledged is there, and nothing else.
    async fn check(&mut self, child: &mut Child) -> Option<()> {
        for (collection, expected) in self.ledger.clone() {
            let found = self.insist(child, "StreamDocuments", async |server| scan(server, collection).await).await?;
            if found != expected {
                self.problem(format!("{collection} has {found:?}, not {expected:?}"));
            }
        }
        let listed = self
            .insist(child, "ListCollections", async |server| {
                let request = pb::ListCollectionsRequest { parent: COMMONS.to_owned(), ..Default::default() };
                let listed = server.collections.list_collections(request).await?.into_inner().collections;
                if listed.iter().all(|found| found.error.is_none()) { Ok(listed) } else { Err(not_yet()) }
            })
            .await?;
        let counts: Vec<_> =
            listed.iter().map(|found| found.stats.as_ref().map(|stats| stats.document_count)).collect();
        let expected: Vec<_> = self.ledger.values().map(|documents| i64::try_from(documents.len()).ok()).collect();
        if counts != expected {
            self.problem(format!("the counts are {counts:?}, not {expected:?}"));
        }
        Some(())
    }
}

async fn scan(server: &mut TestServer, collection: &str) -> Result<BTreeMap<String, String>, Status> {
    let request = pb::StreamDocumentsRequest { collection: collection_name(collection), ..Default::default() };
    let stream = server.documents.stream_documents(request).await?.into_inner();
    let messages: Vec<pb::StreamDocumentsResponse> = collect(stream).await?;
    Ok(messages.iter().flat_map(|message| &message.documents).map(|read| (read.id.clone(), json(read))).collect())
}

/// What is asked for is under way.
fn not_yet() -> Status {
    Status::unavailable(NOT_YET)
}

/// What an answer that was lost had made is made.
fn exists(asked: Result<(), Status>) -> Result<(), Status> {
    asked.or_else(|status| if status.code() == Code::AlreadyExists { Ok(()) } else { Err(status) })
}

/// What an answer that was lost had removed is removed.
fn missing(asked: Result<(), Status>) -> Result<(), Status> {
    asked.or_else(|status| if status.code() == Code::NotFound { Ok(()) } else { Err(status) })
}
