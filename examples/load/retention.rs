//! Collections with a retention: what clustering costs ingest, and what a
//! restore saves that leaves half of the intervals out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use stillframe::pb::{self, restore::Verification};

use crate::{
    Result, check,
    client::{Client, Restored},
    documents::{Documents, Order, Times},
    local::Local,
    report::{self, milliseconds, rate, spread},
    scan::{Reader, Tally, micros},
    server::Server,
    writer::{self, Flow},
};

/// Long, so that nothing expires while it is measured, but for half of it
/// shorter than the life of a snapshot.
const RETENTION: Duration = Duration::from_secs(12 * 24 * 60 * 60);
/// The past part of the retention that documents are spread over: 32 intervals
/// less a minute, for the time it takes to write them.
const SPAN: Duration = Duration::from_secs(12 * 24 * 60 * 60 - 60);

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 1_000_000)]
    documents: u64,
    /// Rounds of each kind, which alternate.
    #[arg(long, default_value_t = 3)]
    repeat: u32,
}

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    let Options { documents: count, repeat } = *options;
    report::title(&format!("retention: {} documents over 32 intervals, {repeat} rounds", report::grouped(count)));
    ingest(server, count, repeat).await?;
    restore(count, repeat).await
}

async fn ingest(server: &Server, count: u64, repeat: u32) -> Result<()> {
    let client = server.client().await?;
    let kinds = [("without", None), ("in time order", Some(false)), ("in random order", Some(true))];
    let mut paces = [const { Vec::new() }; 3];
    for round in 0..repeat {
        for ((name, shuffled), paces) in kinds.iter().zip(&mut paces) {
            server.settle().await?;
            let documents = documents(count, shuffled.unwrap_or(false));
            let id = format!("ingest-{}-{round}", name.replace(' ', "-"));
            let collection =
                if shuffled.is_some() { retained(&client, &id).await? } else { client.create_collection(&id).await? };
            let written = writer::fill(&client, &collection, &documents, Flow::default(), count).await?;
            paces.push(rate(written.documents, written.elapsed));
            let counted = client.stats(&collection).await?.document_count;
            check(counted == count as i64, || format!("{count} documents acknowledged, {counted} counted"))?;
            client.delete_collection(&collection).await?;
        }
    }
    let [without, ordered, random] = paces.map(|paces| spread(&paces).median);
    report::note("ingest without retention, median", format!("{} /s", report::number(without)));
    report::note("ingest in time order, median", format!("{} /s", report::number(ordered)));
    report::note("ingest in random order, median", format!("{} /s", report::number(random)));
    report::at_least("in time order / without", 100.0 * ordered / without, 80.0, "%");
    report::at_least("in random order / without", 100.0 * random / without, 50.0, "%");
    Ok(())
}

/// The server is in this process, so that its clock can be moved by half of the
/// retention.
async fn restore(count: u64, repeat: u32) -> Result<()> {
    let local = Local::start().await?;
    let client = &local.client;
    let all = documents(count, false);
    let (whole, half) = (retained(client, "whole").await?, retained(client, "half").await?);
    writer::fill(client, &whole, &all, Flow::default(), count).await?;
    let later = (count / 2..count).map(|index| (index, 1));
    writer::upsert(client, &half, &all, Flow::default(), later).await?;
    client.snapshot(&whole, "flush-whole").await?;
    client.snapshot(&half, "flush-half").await?;
    local.settle().await;
    let (whole, _) = client.snapshot(&whole, "whole").await?;
    let (half, _) = client.snapshot(&half, "half").await?;
    local.clock.advance(RETENTION / 2);
    local.settle().await;

    let (mut ours, mut theirs, mut bytes) = (Vec::new(), Vec::new(), 0);
    for round in 0..repeat {
        let dropping = client.restore_some(&whole, &format!("dropping-{round}"), Verification::Full).await?;
        let living = client.restore_some(&half, &format!("living-{round}"), Verification::Full).await?;
        ours.push(milliseconds(dropping.elapsed));
        theirs.push(milliseconds(living.elapsed));
        bytes = dropping.receipt.bytes;
        if round == 0 {
            check_against_model(client, &dropping, &all, count).await?;
        }
        for restored in [dropping, living] {
            client.delete_collection(&restored.collection).await?;
        }
    }
    report::at_most(
        "bytes copied / bytes of the snapshot",
        100.0 * bytes as f64 / whole.referenced_bytes as f64,
        60.0,
        "%",
    );
    let (ours, theirs) = (spread(&ours), spread(&theirs));
    report::note("FULL restore that drops half, median", format!("{:.0} ms", ours.median));
    report::note("FULL restore of the half alone, median", format!("{:.0} ms", theirs.median));
    report::at_most("the one / the other", ours.median / theirs.median, 1.25, "x");
    local.stop().await
}

/// The result against what the input alone says: every id, body and time, the
/// count, the bytes and the digest.
async fn check_against_model(client: &Client, restored: &Restored, documents: &Documents, count: u64) -> Result<()> {
    let Restored { collection, receipt, .. } = restored;
    let cutoff = receipt.cutoff_time.ok_or("the receipt has no cutoff_time")?;
    let cutoff = cutoff.seconds * 1_000_000 + i64::from(cutoff.nanos) / 1_000;
    let mut expected = Tally::default();
    let (mut dropped, mut dropped_bytes, mut buffer) = (0, 0, Vec::new());
    for index in 0..count {
        let target = (index, 1);
        if documents.micros(target) < cutoff {
            dropped += 1;
            dropped_bytes += documents.size(target) as i64;
        } else if let Some(pb::write::Operation::Upsert(document)) = documents.upsert(target).operation {
            expected.add(&document, &mut buffer);
        }
    }
    let told = (receipt.documents_dropped, receipt.bytes_dropped);
    check(told == (dropped, dropped_bytes), || format!("the receipt says {told:?} dropped, the model {dropped}"))?;
    check(receipt.digest == expected.digest(), || "the receipt has another digest than the model".to_owned())?;
    let found = Reader::open(client, collection).await?.drain(|document| {
        documents.recognise(document)?;
        check(micros(document) >= cutoff, || format!("{} is older than the cutoff", document.id))
    });
    // What expired since the cutoff is hidden by now; the totals tell of all.
    let found = found.await?;
    expected.check_against(&client.stats(collection).await?)?;
    let hidden = expected.count - found.count;
    check(hidden <= count / 1_000, || format!("{hidden} documents are missing"))?;
    report::note("a scan against the model", format!("equal, {dropped} dropped, {hidden} expired since"));
    Ok(())
}

fn documents(count: u64, shuffled: bool) -> Documents {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = (now.as_micros() - SPAN.as_micros()) as i64;
    Documents::new(Order::Spread).at(Times::Within { first, span: SPAN.as_micros() as i64, count, shuffled })
}

async fn retained(client: &Client, id: &str) -> Result<String> {
    let retention = prost_types::Duration { seconds: RETENTION.as_secs() as i64, nanos: 0 };
    client.create_with(id, pb::Collection { retention: Some(retention), ..Default::default() }).await
}
