//! Restores, from the request to the end of the watch stream: by hard links
//! with both verifications, then byte by byte beside `cp -r` and `sync`.

use std::time::Duration;

use stillframe::pb::{self, restore::Verification};

use crate::{
    Result, check,
    client::{Client, Restored},
    compare, copies,
    documents::{Documents, Order},
    report::{self, milliseconds, rate, spread},
    server::Server,
    writer::{self, Flow},
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 1_000_000)]
    documents: u64,
    /// Restores of each kind.
    #[arg(long, default_value_t = 5)]
    repeat: u32,
}

pub async fn run(server: &mut Server, options: &Options) -> Result<()> {
    let Options { documents: count, repeat } = *options;
    report::title(&format!("restore: {} documents, {repeat} of each kind", report::grouped(count)));
    let client = server.client().await?;
    let source = client.create_collection("source").await?;
    writer::fill(&client, &source, &Documents::new(Order::Spread), Flow::default(), count).await?;
    // Flushed by a first snapshot; a second one is taken when compaction rests.
    client.snapshot(&source, "flush").await?;
    server.settle().await?;
    let (snapshot, _) = client.snapshot(&source, "frozen").await?;

    linked(server, &client, &source, &snapshot, repeat).await?;
    drop(client);
    server.stop().await?;
    server.restart(&["--restore-copy", "bytes"]).await?;
    copied(server, &snapshot, repeat).await
}

async fn linked(server: &Server, client: &Client, source: &str, snapshot: &pb::Snapshot, repeat: u32) -> Result<()> {
    for (name, verification) in [("STRUCTURE", Verification::Structure), ("FULL", Verification::Full)] {
        let (mut times, mut files) = (Vec::new(), 0);
        for nth in 0..repeat {
            server.settle().await?;
            let target = format!("{}-{nth}", name.to_lowercase());
            let Restored { collection, receipt, elapsed } = client.restore(snapshot, &target, verification).await?;
            times.push(milliseconds(elapsed));
            files = receipt.files;
            if nth == 0 {
                // A connection for each, so that neither waits for the other's window.
                let other = server.client().await?;
                let count = compare::equal((client, source), (&other, &collection)).await?;
                check(count == snapshot.document_count as u64, || format!("{count} documents compared"))?;
                report::note(&format!("{name}: compared document by document"), report::grouped(count));
            }
            client.delete_collection(&collection).await?;
        }
        let times = spread(&times);
        report::note(
            &format!("{name}: {files} files, range"),
            format!("{:.0} to {:.0} ms", times.least, times.greatest),
        );
        let label = format!("{name}: median");
        if verification == Verification::Structure {
            report::at_most(&label, times.median, 300.0 + 0.5 * files as f64, "ms");
        } else {
            report::note(&label, format!("{:.0} ms", times.median));
            let elapsed = Duration::from_secs_f64(times.median / 1e3);
            let pace = rate(snapshot.document_count as u64, elapsed);
            report::at_least(&format!("{name}: documents by the median"), pace, 300_000.0, "/s");
        }
    }
    Ok(())
}

/// Alternates a restore and the tools' copy of the files it made, which are the
/// same bytes; each begins with nothing left to be written out.
async fn copied(server: &Server, snapshot: &pb::Snapshot, repeat: u32) -> Result<()> {
    let client = server.client().await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for nth in 0..repeat {
        server.settle().await?;
        copies::sync().await?;
        let restored = client.restore(snapshot, &format!("bytes-{nth}"), Verification::Structure).await?;
        ours.push(milliseconds(restored.elapsed));

        let uid = client.collection(&restored.collection).await?.uid;
        let files = server.storage().join("collections").join(uid).join("compacted");
        server.settle().await?;
        copies::sync().await?;
        theirs.push(milliseconds(copies::copy_and_sync(files.clone(), server.scratch()).await?));
        if nth == 0 {
            let extent = copies::extent(&files)?;
            report::note(
                "bytes: files restored",
                format!("{} of {} bytes", restored.receipt.files, restored.receipt.bytes),
            );
            report::note("bytes: files of cp", format!("{} of {} bytes", extent.files, extent.bytes));
        }
        client.delete_collection(&restored.collection).await?;
    }
    let (ours, theirs) = (spread(&ours), spread(&theirs));
    for (name, times) in [("bytes: restore", &ours), ("bytes: cp -r and sync", &theirs)] {
        report::note(name, format!("{:.0} ms ({:.0} to {:.0})", times.median, times.least, times.greatest));
    }
    report::at_most("bytes: restore / cp -r and sync, medians", ours.median / theirs.median, 1.5, "x");
    Ok(())
}
