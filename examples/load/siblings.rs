//! Many snapshots of one collection: taking one more and restoring one must not cost more
//! because of the others, nor may what they keep grow with the square of their number.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use stillframe::pb::{self, restore::Verification};
use tokio::time::sleep;

use crate::{
    Result,
    client::{Client, Restored, patiently},
    documents::{Documents, Order},
    report::{self, mib, milliseconds, spread},
    server::Server,
    writer::{self, Flow},
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 2000)]
    documents: u64,
    /// How many siblings there are when it is measured.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1000, 5000])]
    siblings: Vec<u64>,
    /// Snapshots and restores that are measured each time.
    #[arg(long, default_value_t = 9)]
    repeat: u64,
}

/// Between what is measured, so that each finds an idle server.
const PAUSE: Duration = Duration::from_millis(100);

/// How many manifests a collection has at rest, or fewer.
const FEW_MANIFESTS: usize = 200;
/// A manifest stays for a minute, and is looked at once in a minute.
const GIVEN_BACK_WITHIN: Duration = Duration::from_mins(5);

/// The medians at one number of siblings, in milliseconds.
struct Figures {
    created: f64,
    restored: f64,
}

pub async fn run(server: &mut Server, options: &Options) -> Result<()> {
    let Options { documents: count, siblings, repeat } = options;
    report::title(&format!("siblings: snapshots of one collection of {} documents", report::grouped(*count)));
    let mut client = server.client().await?;
    let documents = Documents::new(Order::Spread);
    let collection = client.create_collection("siblings").await?;
    writer::fill(&client, &collection, &documents, Flow::default(), *count).await?;
    let (first, _) = client.snapshot(&collection, "first").await?;
    let (mut next, mut all) = (1, Vec::new());
    for siblings in siblings {
        while next < *siblings {
            take(&client, &collection, &documents, next).await?;
            next += 1;
        }
        given_back(&server.storage()).await?;
        server.settle().await?;
        let label = report::grouped(*siblings);
        let figures = measure(&client, &collection, &documents, &first, (next, *repeat)).await?;
        next += repeat;
        report::note(&format!("{label} siblings: CreateSnapshot, median"), format!("{:.1} ms", figures.created));
        report::note(&format!("{label} siblings: restore, median"), format!("{:.1} ms", figures.restored));
        all.push(figures);
        let cancelled = cancel(&client, &first, *siblings).await?;
        report::at_most(&format!("{label} siblings: a cancelled restore ends"), cancelled, 500.0, "ms");
        let begun = Instant::now();
        server.stop().await?;
        report::at_most(&format!("{label} siblings: a stop"), milliseconds(begun.elapsed()), 500.0, "ms");
        show_bytes(&server.storage(), &label)?;
        server.restart(&[]).await?;
        client = server.client().await?;
    }
    let created: Vec<f64> = all.iter().map(|figures| figures.created).collect();
    let restored: Vec<f64> = all.iter().map(|figures| figures.restored).collect();
    for (what, medians) in [("CreateSnapshot", created), ("restore", restored)] {
        let times = spread(&medians);
        report::at_most(&format!("{what}: greatest median of the least"), times.greatest / times.least, 2.0, "x");
    }
    Ok(())
}

/// A snapshot that differs from the one before.
async fn take(client: &Client, collection: &str, documents: &Documents, nth: u64) -> Result<Duration> {
    client.write(collection, vec![documents.upsert((0, nth + 1))]).await?;
    Ok(client.snapshot(collection, &format!("sibling-{nth}")).await?.1)
}

async fn measure(
    client: &Client,
    collection: &str,
    documents: &Documents,
    first: &pb::Snapshot,
    (from, repeat): (u64, u64),
) -> Result<Figures> {
    let (mut created, mut restored) = (Vec::new(), Vec::new());
    for nth in from..from + repeat {
        sleep(PAUSE).await;
        created.push(milliseconds(take(client, collection, documents, nth).await?));
        sleep(PAUSE).await;
        let target = format!("restored-{nth}");
        let Restored { collection, elapsed, .. } = client.restore(first, &target, Verification::Structure).await?;
        restored.push(milliseconds(elapsed));
        client.delete_collection(&collection).await?;
    }
    Ok(Figures { created: spread(&created).median, restored: spread(&restored).median })
}

/// How long a restore takes to end that is cancelled at once; it may have succeeded.
async fn cancel(client: &Client, first: &pb::Snapshot, siblings: u64) -> Result<f64> {
    let name = client.start_restore(first, &format!("cancelled-{siblings}"), Verification::Structure).await?;
    let begun = Instant::now();
    let request = pb::CancelRestoreRequest { name: name.clone() };
    // Too late, if it has ended.
    let _ = patiently("CancelRestore", client.restores().cancel_restore(request)).await;
    client.watch_restore(&name).await?;
    Ok(milliseconds(begun.elapsed()))
}

/// Waits until what the rush of snapshots has left is given back: it is of their pace, not of
/// their number.
async fn given_back(storage: &Path) -> Result<()> {
    let begun = Instant::now();
    while count(&storage.join("collections"), "manifest")? > FEW_MANIFESTS {
        if begun.elapsed() > GIVEN_BACK_WITHIN {
            eprintln!("note: the manifests are still there after {GIVEN_BACK_WITHIN:?}; going on");
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// What is kept beside the files with documents.
fn show_bytes(storage: &Path, label: &str) -> Result<()> {
    let live = bytes(&storage.join("collections"), "manifest")?;
    let own = bytes(storage, "manifests")? + bytes(storage, "files")?;
    report::note(&format!("{label} siblings: manifests of collections"), format!("{:.2} MiB", mib(live)));
    report::note(&format!("{label} siblings: what snapshots have of their own"), format!("{:.2} MiB", mib(own)));
    Ok(())
}

/// Bytes of what is in directories of a name, at any depth.
fn bytes(directory: &Path, name: &str) -> Result<u64> {
    Ok(sizes(directory, name)?.iter().sum())
}

/// How many files there are in directories of a name, at any depth.
fn count(directory: &Path, name: &str) -> Result<usize> {
    Ok(sizes(directory, name)?.len())
}

/// The sizes of those. What goes meanwhile does not count.
fn sizes(directory: &Path, name: &str) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(all),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let is_named = directory.file_name().is_some_and(|found| found == name);
        match path.metadata() {
            Ok(found) if found.is_dir() => all.extend(sizes(&path, name)?),
            Ok(found) if is_named => all.push(found.len()),
            _ => {}
        }
    }
    Ok(all)
}
