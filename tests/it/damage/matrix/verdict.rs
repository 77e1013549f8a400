//! What a damage did.

use std::{panic::AssertUnwindSafe, path::Path, time::Duration};

use futures::FutureExt;
use stillframe::pb;
use tempfile::TempDir;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{
    given::{Documents, Given},
    harm::Harm,
};
use crate::support::{COMMONS, TestServer, collect, collection_name, is_whole, json, reason, upsert};

/// A call that takes so long hangs.
const PATIENCE: Duration = Duration::from_mins(1);
/// A case that takes so long hangs.
const LONGEST: Duration = Duration::from_mins(6);
/// On a machine that has nothing else to do.
const PROMPT: Duration = Duration::from_secs(2);

/// What a damage did.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Somebody was told DATA_LOSS.
    pub told: bool,
    /// The server does not start.
    pub refused: bool,
    /// A call took longer than it should on an idle machine.
    pub slow: bool,
    /// What must not be.
    pub problems: Vec<String>,
}

impl Verdict {
    /// Does a damage to a copy, and judges what servers make of it.
    pub async fn of(given: &Given, harm: &Harm) -> Self {
        let mut verdict = Self::default();
        let judged = AssertUnwindSafe(tokio::time::timeout(LONGEST, verdict.judge(given, harm))).catch_unwind().await;
        match judged {
            Ok(Ok(())) => {}
            Ok(Err(_)) => verdict.problem("it hangs"),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                verdict.problem(format!("panic: {}", text.unwrap_or_default()));
            }
        }
        verdict
    }

    fn problem(&mut self, what: impl Into<String>) {
        let what: String = what.into();
        self.problems.push(what.chars().take(300).collect());
    }

    async fn judge(&mut self, given: &Given, harm: &Harm) {
        let dir = given.copy();
        harm.apply(dir.path());
        let starts = if is_whole() { 3 } else { 1 };
        let mut dir = Some(dir);
        for start in 0..starts {
            dir = self.one_start(given, harm, dir.take().unwrap(), start).await;
            if dir.is_none() {
                return;
            }
        }
        let dir = dir.unwrap();
        let gone: Vec<_> = given.needed.iter().filter(|file| !dir.path().join(file).exists()).collect();
        let gone: Vec<_> = gone.into_iter().filter(|file| !harm.files.contains_key(*file)).collect();
        if !gone.is_empty() {
            self.problem(format!("good files are gone: {gone:?}"));
        }
        if is_whole() {
            self.undone(given, harm, dir).await;
        }
    }

    /// A server on it; its directory, unless it does not start.
    async fn one_start(&mut self, given: &Given, harm: &Harm, dir: TempDir, start: usize) -> Option<TempDir> {
        let mut server = match TestServer::reopen_with(dir, |_| {}).await {
            Ok(server) => server,
            Err(error) => {
                self.refused = true;
                if !harm.class.may_keep_from_starting() {
                    self.problem(format!("no start: {error}"));
                }
                return None;
            }
        };
        self.collections(&mut server, given, harm, start).await;
        if start == 0 {
            self.snapshots(&mut server, given, harm).await;
        }
        Some(server.stop().await)
    }

    /// Every collection is whole or told to be damaged, and only the damaged one is.
    async fn collections(&mut self, server: &mut TestServer, given: &Given, harm: &Harm, start: usize) {
        for (id, held) in &given.collections {
            let found = self.timed(scan(server, id)).await.map(|found| without_after(&found));
            let is_whole = self.judge_read(&format!("{id} {}", harm.is_of(&held.uid)), found, &held.documents);
            if !is_whole && !harm.is_of(&held.uid) {
                self.problem(format!("{id} is harmed, too"));
            }
            if !harm.is_of(&held.uid) {
                let request = pb::WriteDocumentsRequest {
                    collection: collection_name(id),
                    writes: vec![upsert(&format!("{AFTER}{start}"), "{}")],
                    ..Default::default()
                };
                let write = server.documents.write_documents(request);
                if let Err(status) = self.timed(async { write.await.map(drop) }).await {
                    self.problem(format!("{id} takes no writes: {}", words(&status)));
                }
            }
        }
        let request = pb::ListCollectionsRequest { parent: COMMONS.to_owned(), ..Default::default() };
        let lists = server.collections.list_collections(request);
        let listed = match self.timed(async { lists.await.map(|listed| listed.into_inner().collections) }).await {
            Ok(listed) => listed,
            Err(status) => return self.problem(format!("no list: {}", words(&status))),
        };
        for (id, held) in &given.collections {
            let Some(found) = listed.iter().find(|found| found.name == collection_name(id)) else {
                self.problem(format!("{id} is not listed"));
                continue;
            };
            let written = if harm.is_of(&held.uid) { 0 } else { start + 1 };
            let count = i64::try_from(held.documents.len() + written).unwrap();
            match (&found.stats, &found.error) {
                (Some(stats), None) if stats.document_count == count => {}
                (None, Some(error)) if Code::from(error.code) == Code::DataLoss => self.told = true,
                other => self.problem(format!("{id} is listed with {other:?}")),
            }
        }
    }

    /// Every snapshot is restored as it was, or is told to be damaged.
    async fn snapshots(&mut self, server: &mut TestServer, given: &Given, harm: &Harm) {
        for (id, frozen) in &given.snapshots {
            let is_harmed = harm.is_of(&frozen.uid) || harm.is_of(&frozen.collection_uid);
            let restored = format!("restored-{id}");
            if let Err(status) = server.request_restore(id, &restored).await {
                self.problem(format!("{id} cannot be restored: {}", words(&status)));
                continue;
            }
            let Ok(mut ended) = tokio::time::timeout(PATIENCE, server.watch_restore(&restored)).await else {
                self.problem(format!("the restore of {id} does not end"));
                continue;
            };
            let ended = ended.pop().unwrap();
            match (ended.state(), ended.error) {
                (pb::restore::State::Succeeded, _) => {
                    let found = self.timed(scan(server, &restored)).await;
                    if !self.judge_read(&format!("the restore of {id}"), found, &frozen.documents) && !is_harmed {
                        self.problem(format!("{id} is harmed, too"));
                    }
                }
                (_, Some(error)) if Code::from(error.code) == Code::DataLoss && is_harmed => self.told = true,
                (state, error) => self.problem(format!("the restore of {id} is {state:?}: {error:?}")),
            }
        }
    }

    /// What is damaged no more is as it was.
    async fn undone(&mut self, given: &Given, harm: &Harm, dir: TempDir) {
        harm.undo(dir.path(), given);
        let mut server = match TestServer::reopen_with(dir, |_| {}).await {
            Ok(server) => server,
            Err(error) => return self.problem(format!("undone, it does not start: {error}")),
        };
        for (id, held) in &given.collections {
            match scan(&mut server, id).await {
                Ok(found) if without_after(&found) == held.documents => {}
                Ok(_) => self.problem(format!("undone, {id} has other documents")),
                Err(status) => self.problem(format!("undone, {id} says {}", words(&status))),
            }
        }
        server.stop().await;
    }

    /// Whether documents were read as they were. If not, that must have been told.
    fn judge_read(&mut self, what: &str, found: Result<Documents, Status>, expected: &Documents) -> bool {
        match found {
            Ok(found) if found == *expected => return true,
            Ok(found) => self.problem(format!(
                "SILENT: {what} has {} documents, of which {} as they were; {} were there",
                found.len(),
                found.iter().filter(|(id, json)| expected.get(*id) == Some(*json)).count(),
                expected.len(),
            )),
            Err(status) if status.code() == Code::DataLoss => self.told = true,
            Err(status) => self.problem(format!("{what} says {}", words(&status))),
        }
        false
    }

    async fn timed<T>(&mut self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        let began = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, call).await;
        self.slow |= began.elapsed() > PROMPT;
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")))
    }
}

/// The ids of what is written to see that writes are taken.
const AFTER: &str = "~after-";

fn without_after(found: &Documents) -> Documents {
    found.iter().filter(|(id, _)| !id.starts_with(AFTER)).map(|(id, json)| (id.clone(), json.clone())).collect()
}

async fn scan(server: &mut TestServer, id: &str) -> Result<Documents, Status> {
    let request = pb::StreamDocumentsRequest { collection: collection_name(id), ..Default::default() };
    let stream = server.documents.stream_documents(request).await?.into_inner();
    let messages: Vec<pb::StreamDocumentsResponse> = collect(stream).await?;
    Ok(messages.iter().flat_map(|message| &message.documents).map(|read| (read.id.clone(), json(read))).collect())
}

fn words(status: &Status) -> String {
    let why = if status.details().is_empty() { String::new() } else { reason(status) };
    format!("{:?} {why}: {}", status.code(), status.message())
}

/// What a file was called, for the table.
pub fn names(harm: &Harm) -> String {
    let names = harm.files.keys().map(|file| file.strip_prefix(Path::new("storage")).unwrap_or(file));
    names.map(|name| name.display().to_string()).collect::<Vec<_>>().join(" and ")
}
