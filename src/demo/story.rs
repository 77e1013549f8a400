//! The story: a collection is filled, frozen, spoilt, restored and checked.

use std::time::Instant;

use tonic_types::RpcStatusExt;

use super::{
    Result,
    client::{COMMONS, Client, collection_name},
    data::{self, Documents, json},
    report::{Report, grouped, millis, percent},
};
use crate::{
    digest::{self, Digest},
    pb::{self, write_result::Status},
};

const SOURCE: &str = "territories";
const RESTORED: &str = "territories-restored";
const BEFORE: &str = "before";
const AFTER: &str = "after";
/// Documents in a message of the ingest stream.
const BATCH: usize = 500;

/// Where the story is.
pub(super) struct Story<'a> {
    client: Client,
    report: &'a mut Report,
    /// What the source must hold.
    source: Documents,
    /// What the first snapshot froze, and the restored collection must hold.
    frozen: Documents,
    /// The last acknowledged offset of the source.
    offset: i64,
}

impl<'a> Story<'a> {
    pub fn new(client: Client, documents: Documents, report: &'a mut Report) -> Self {
        Self { client, report, frozen: documents.clone(), source: documents, offset: 0 }
    }

    pub async fn tell(mut self) -> Result<()> {
        self.fill().await?;
        self.add_exact_integers().await?;
        let before = self.read_source().await?;
        let first = self.freeze_first().await?;
        self.go_wrong().await?;
        self.freeze_again(&first).await?;
        self.plan().await?;
        let receipt = self.restore().await?;
        self.check_restored(&first, &receipt, &before).await?;
        self.check_apart().await?;
        self.drop_source().await?;
        self.list_snapshots(&first).await
    }

    async fn fill(&mut self) -> Result<()> {
        let created = self.client.create_collection(SOURCE).await?;
        self.report.did(format_args!("created {}", created.name));

        let lines: Vec<&str> = data::lines().collect();
        let batches: Vec<pb::IngestDocumentsRequest> = lines.chunks(BATCH).map(batch).collect();
        let (sent, began) = (batches.len(), Instant::now());
        let answers = self.client.ingest(batches).await?;
        let took = began.elapsed();
        self.report.equal("the number of acknowledgements", answers.len(), sent)?;
        let results: Vec<_> = answers.iter().flat_map(|answer| &answer.results).collect();
        self.report.equal("the number of results", results.len(), lines.len())?;
        let added = results.iter().all(|result| result.status() == Status::Added);
        self.report.check(added, "every document is new")?;
        self.offset = answers.last().map_or(0, |answer| answer.offset);
        self.report.did(format_args!(
            "ingested {} documents in {sent} batches over one stream, durable in {}",
            grouped(lines.len()),
            millis(took)
        ));
        self.check_stats().await
    }

    async fn check_stats(&mut self) -> Result<()> {
        let stats = self.client.stats(SOURCE).await?;
        self.report.equal("document_count", stats.document_count, self.source.count())?;
        self.report.equal("size_bytes", stats.size_bytes, self.source.size_bytes())?;
        self.report.equal("the offset", stats.offset, self.offset)?;
        self.report.detail(format_args!(
            "{} documents, {} bytes, offset {}, digest {}",
            grouped(stats.document_count),
            grouped(stats.size_bytes),
            grouped(stats.offset),
            stats.digest
        ));
        Ok(())
    }

    async fn add_exact_integers(&mut self) -> Result<()> {
        let answer = self.client.write(SOURCE, vec![data::upsert(data::EXACT)]).await?;
        self.offset = answer.offset;
        self.source.add_exact();
        let found = self.client.get(SOURCE, "exact").await?;
        let body = String::from_utf8_lossy(json(&found)).into_owned();
        self.report.check(Some(body.as_str()) == self.source.body("exact"), "64-bit integers keep every digit")?;
        self.report.did("wrote one document with integers beyond 2^53, and read it back:");
        self.report.detail(body);
        Ok(())
    }

    /// Reads the source whole, for the event times that the server gave.
    async fn read_source(&mut self) -> Result<Vec<pb::Document>> {
        let found = self.client.read(SOURCE).await?;
        self.check_holds(SOURCE, &self.source.clone(), &found)?;
        self.report.did(format_args!("read all {} documents: equal to the input", grouped(found.len())));
        self.frozen = self.source.clone();
        Ok(found)
    }

    async fn freeze_first(&mut self) -> Result<pb::Snapshot> {
        let snapshot = self.freeze(BEFORE).await?;
        self.report.equal("document_count", snapshot.document_count, self.frozen.count())?;
        self.report.equal("size_bytes", snapshot.size_bytes, self.frozen.size_bytes())?;
        self.report.equal("incremental_bytes of the first", snapshot.incremental_bytes, snapshot.size_bytes)?;
        self.report.detail(format_args!(
            "{} documents, {} bytes; incremental_bytes {}: all of it, being the first",
            grouped(snapshot.document_count),
            grouped(snapshot.size_bytes),
            grouped(snapshot.incremental_bytes)
        ));
        Ok(snapshot)
    }

    async fn freeze(&mut self, id: &str) -> Result<pb::Snapshot> {
        let began = Instant::now();
        let seen = self.client.snapshot(SOURCE, id, self.offset).await?;
        let took = began.elapsed();
        let mut states: Vec<_> = seen.iter().map(|snapshot| word(snapshot.state().as_str_name(), "STATE_")).collect();
        states.dedup();
        let last = seen.into_iter().last().unwrap_or_default();
        self.report.check(last.state() == pb::snapshot::State::Created, format_args!("{id} is CREATED: {last:?}"))?;
        self.report.did(format_args!("froze {}: {} in {}", last.name, states.join(" -> "), millis(took)));
        Ok(last)
    }

    async fn go_wrong(&mut self) -> Result<()> {
        let (writes, expected): (Vec<_>, Vec<_>) = self.source.go_wrong().into_iter().unzip();
        let answer = self.client.write(SOURCE, writes).await?;
        self.offset = answer.offset;
        let statuses: Vec<_> = answer.results.iter().map(pb::WriteResult::status).collect();
        self.report.equal("the number of results", statuses.len(), expected.len())?;
        for (index, (found, expected)) in statuses.iter().zip(&expected).enumerate() {
            let write = format_args!("write {index} ends {expected:?} (it ends {found:?})");
            self.report.check(found == expected, write)?;
        }
        let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
        self.report.did(format_args!(
            "a pipeline goes wrong: {} documents patched, {} overwritten, {} deleted",
            count(Status::Patched),
            count(Status::Replaced),
            count(Status::Deleted)
        ));
        let refused: Vec<String> = answer.results.iter().filter_map(|result| reason(result.error.as_ref()?)).collect();
        self.report.check(refused == ["PATCH_FAILED"], format_args!("one write is refused: {refused:?}"))?;
        self.report.detail("one decrement below the least 64-bit integer was refused, alone (PATCH_FAILED)");
        self.check_stats().await
    }

    async fn freeze_again(&mut self, first: &pb::Snapshot) -> Result<()> {
        let second = self.freeze(AFTER).await?;
        self.report.equal("size_bytes", second.size_bytes, self.source.size_bytes())?;
        let changed = self.source.net_change(&self.frozen);
        self.report.equal("incremental_bytes", second.incremental_bytes, changed)?;
        self.report.check(second.digest != first.digest, "the digest shows the change")?;
        self.report.detail(format_args!(
            "{} bytes; incremental_bytes {}, {} of it: only what changed",
            grouped(second.size_bytes),
            grouped(second.incremental_bytes),
            percent(second.incremental_bytes, second.size_bytes)
        ));
        Ok(())
    }

    async fn plan(&mut self) -> Result<()> {
        let plan = self.client.restore(BEFORE, RESTORED, true).await?.plan.unwrap_or_default();
        self.report.equal("the documents of the plan", plan.documents, self.frozen.count())?;
        let exists = self.client.exists(RESTORED).await?;
        self.report.check(!exists, "validate_only starts nothing")?;
        self.report.did(format_args!(
            "planned a restore of {BEFORE} (validate_only): {} documents, {} bytes in {} files",
            grouped(plan.documents),
            grouped(plan.bytes),
            plan.files
        ));
        for left in plan.left_behind {
            self.report.detail(format_args!("not restored: {left}"));
        }
        Ok(())
    }

    async fn restore(&mut self) -> Result<pb::restore::Receipt> {
        let requested = self.client.restore(BEFORE, RESTORED, false).await?;
        self.report.did(format_args!("restoring {COMMONS}/snapshots/{BEFORE} into {}", requested.collection));
        let mut watch = self.client.watch_restore(&requested.name).await?;
        let mut last = pb::RestoreProgress::default();
        while let Some(progress) = watch.message().await? {
            self.report.did(format_args!("  {}", progress_line(&progress)));
            last = progress;
        }
        let succeeded = last.state() == pb::restore::State::Succeeded;
        self.report.check(succeeded, format_args!("the watch ends with SUCCEEDED: {last:?}"))?;
        let ended = self.client.get_restore(&requested.name).await?;
        ended.receipt.ok_or_else(|| "this did not hold: a restore that SUCCEEDED has a receipt".into())
    }

    async fn check_restored(
        &mut self,
        snapshot: &pb::Snapshot,
        receipt: &pb::restore::Receipt,
        before: &[pb::Document],
    ) -> Result<()> {
        let verified = receipt.digest_check() == pb::restore::receipt::DigestCheck::Verified;
        self.report.check(verified, "the server has proven the digest")?;
        self.report.equal("documents_restored", receipt.documents_restored, self.frozen.count())?;
        self.report.equal("the receipt's digest", &receipt.digest, &snapshot.digest)?;
        let stats = self.client.stats(RESTORED).await?;
        self.report.equal("the restored collection's digest", &stats.digest, &snapshot.digest)?;
        self.report.equal("the restored collection's offset", stats.offset, snapshot.offset)?;
        self.report.did(format_args!(
            "receipt: {} documents, digest {}, VERIFIED",
            grouped(receipt.documents_restored),
            receipt.digest
        ));

        let found = self.client.read(RESTORED).await?;
        self.check_holds(RESTORED, &self.frozen.clone(), &found)?;
        let times =
            found.iter().zip(before).all(|(now, then)| now.event_time == then.event_time && now.etag == then.etag);
        self.report.check(times, "event times and etags are those from before")?;
        let own = self.own_digest(&found).to_string();
        self.report.equal("the digest computed from the input", &own, &snapshot.digest)?;
        self.report.did(format_args!(
            "compared {} restored documents with the input, one by one: ids, bytes, event times, etags, digest",
            grouped(found.len())
        ));
        Ok(())
    }

    /// The digest over the input's ids and bodies; only event times come from
    /// the server.
    fn own_digest(&self, found: &[pb::Document]) -> Digest {
        let mut own = Digest::default();
        for (document, (id, body)) in found.iter().zip(&self.frozen.0) {
            let time = document.event_time.unwrap_or_default();
            let micros = time.seconds * 1_000_000 + i64::from(time.nanos) / 1000;
            own.add(digest::of_document(id, micros, body.as_bytes()));
        }
        own
    }

    /// What happens to one collection does not happen to the other.
    async fn check_apart(&mut self) -> Result<()> {
        let found = self.client.read(SOURCE).await?;
        self.check_holds(SOURCE, &self.source.clone(), &found)?;
        self.report.did("the source still has what the pipeline left of it");

        self.client.write(RESTORED, vec![data::increment("exact", "/count", "-7")]).await?;
        let restored = self.client.get(RESTORED, "exact").await?;
        let written = json(&restored).starts_with(br#"{"count":9223372036854775800,"#);
        self.report.check(written, "the restored collection takes a write")?;
        let source = self.client.get(SOURCE, "exact").await?;
        let untouched = Some(json(&source)) == self.source.body("exact").map(str::as_bytes);
        self.report.check(untouched, "a write to the restored collection does not reach the source")?;
        self.client.write(RESTORED, vec![data::increment("exact", "/count", "7")]).await?;
        self.report.did("wrote to the restored collection and took it back; the source did not notice");
        Ok(())
    }

    async fn drop_source(&mut self) -> Result<()> {
        self.client.delete_collection(SOURCE).await?;
        let exists = self.client.exists(SOURCE).await?;
        self.report.check(!exists, "the source is gone")?;
        let found = self.client.read(RESTORED).await?;
        self.check_holds(RESTORED, &self.frozen.clone(), &found)?;
        self.report.did(format_args!(
            "deleted the source; the restored collection still has all {} documents",
            grouped(found.len())
        ));
        Ok(())
    }

    async fn list_snapshots(&mut self, first: &pb::Snapshot) -> Result<()> {
        let listed = self.client.list_snapshots().await?;
        self.report.equal("the number of snapshots", listed.len(), 2)?;
        self.report.check(listed[0].digest == first.digest, "the first snapshot outlives its collection, unchanged")?;
        self.report.did("snapshots outlive their collection:");
        for snapshot in listed {
            self.report.detail(format_args!(
                "{}  {}  {} bytes, incremental {}",
                snapshot.name,
                word(snapshot.state().as_str_name(), "STATE_"),
                grouped(snapshot.size_bytes),
                grouped(snapshot.incremental_bytes)
            ));
        }
        Ok(())
    }

    fn check_holds(&mut self, collection: &str, expected: &Documents, found: &[pb::Document]) -> Result<()> {
        let difference = expected.difference(found);
        let text = difference.as_deref().unwrap_or_default();
        let name = collection_name(collection);
        self.report.check(difference.is_none(), format_args!("{name} holds what it must: {text}"))
    }
}

/// A message of the ingest stream.
fn batch(lines: &[&str]) -> pb::IngestDocumentsRequest {
    pb::IngestDocumentsRequest {
        collection: collection_name(SOURCE),
        writes: lines.iter().map(|line| data::upsert(line)).collect(),
        ..pb::IngestDocumentsRequest::default()
    }
}

fn progress_line(progress: &pb::RestoreProgress) -> String {
    format!(
        "{:<9} {:<10} files {}/{}, bytes {}/{}, documents {}/{}",
        word(progress.state().as_str_name(), "STATE_"),
        word(progress.phase().as_str_name(), "PHASE_"),
        progress.files_done,
        progress.files_total,
        grouped(progress.bytes_done),
        grouped(progress.bytes_total),
        grouped(progress.documents_done),
        grouped(progress.documents_total)
    )
}

/// The name of an enum value without its prefix.
fn word<'a>(name: &'a str, prefix: &str) -> &'a str {
    name.strip_prefix(prefix).unwrap_or(name)
}

/// The reason in a write's error.
fn reason(error: &tonic_types::pb::Status) -> Option<String> {
    Some(error.get_error_details().error_info()?.reason.clone())
}
