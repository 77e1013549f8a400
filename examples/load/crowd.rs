//! Many snapshots and collections: what is asked of one must not cost more because of
//! the others.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use crate::{
    Result,
    client::Client,
    documents::{Documents, Order},
    report::{self, milliseconds, spread},
    server::Server,
};

#[derive(clap::Args)]
pub struct Options {
    /// Collections with snapshots.
    #[arg(long, default_value_t = 100)]
    collections: u64,
    /// Snapshots of each. A workspace has room for 10,000 with those that are measured.
    #[arg(long, default_value_t = 99)]
    snapshots: u64,
    /// Further collections.
    #[arg(long, default_value_t = 900)]
    more: u64,
    /// Calls of each kind that are measured, before and after.
    #[arg(long, default_value_t = 25)]
    repeat: u32,
    /// Seconds over which the idle CPU is measured.
    #[arg(long, default_value_t = 30)]
    measure: u64,
}

/// Until everything that was used is closed.
const IDLE: Duration = Duration::from_secs(75);
const PARALLEL: usize = 16;

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    let Options { collections, snapshots, more, repeat, measure } = *options;
    report::title(&format!(
        "crowd: {} snapshots of {collections} collections, and {more} more collections",
        report::grouped(collections * snapshots)
    ));
    let client = server.client().await?;
    let documents = Documents::new(Order::Spread);
    let alone = figures(&client, "alone", repeat).await?;

    let begun = Instant::now();
    each(collections + more, |nth| create(&client, &documents, nth)).await?;
    report::note("collections created and written", report::per_second(collections + more, begun.elapsed()));
    let begun = Instant::now();
    for turn in 0..snapshots {
        each(collections, |nth| take(&client, nth, turn)).await?;
    }
    report::note("snapshots created", report::per_second(collections * snapshots, begun.elapsed()));

    sleep(IDLE).await;
    let before = server.usage()?;
    sleep(Duration::from_secs(measure)).await;
    let after = server.usage()?;
    let share = 100.0 * after.cpu_since(&before) / measure.max(1) as f64;
    report::at_most("idle CPU, of a core", share, 1.0, "%");
    report::note("resident memory at rest", format!("{:.1} MiB", report::mib(after.resident)));

    let crowded = format!("{}/snapshots/{}-{}", crate::client::WORKSPACE, id(0), snapshots / 2);
    let begun = Instant::now();
    client.get_snapshot(&crowded).await?;
    report::note("GetSnapshot between its siblings", format!("{:.2} ms", milliseconds(begun.elapsed())));
    let among = figures(&client, "among", repeat).await?;
    for ((what, alone), (_, among)) in alone.iter().zip(&among) {
        report::note(&format!("{what}: median alone, among them"), format!("{alone:.2}, {among:.2} ms"));
        report::at_most(&format!("{what} among them, of alone"), among / alone, 2.0, "x");
    }
    Ok(())
}

/// The median of each kind of call, in milliseconds.
async fn figures(client: &Client, id: &str, repeat: u32) -> Result<[(&'static str, f64); 3]> {
    let collection = client.create_collection(id).await?;
    let (mut created, mut got, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    for nth in 0..repeat {
        let (snapshot, elapsed) = client.snapshot(&collection, &format!("{id}-{nth}")).await?;
        created.push(milliseconds(elapsed));
        let begun = Instant::now();
        client.get_snapshot(&snapshot.name).await?;
        got.push(milliseconds(begun.elapsed()));
        let begun = Instant::now();
        client.first_snapshots(repeat).await?;
        listed.push(milliseconds(begun.elapsed()));
    }
    Ok([("CreateSnapshot", created), ("GetSnapshot", got), ("a first page", listed)]
        .map(|(what, times)| (what, spread(&times).median)))
}

async fn each<F: Future<Output = Result<()>>>(count: u64, work: impl Fn(u64) -> F) -> Result<()> {
    stream::iter(0..count).map(work).buffer_unordered(PARALLEL).try_collect().await
}

fn id(nth: u64) -> String {
    format!("crowd-{nth}")
}

async fn create(client: &Client, documents: &Documents, nth: u64) -> Result<()> {
    let collection = client.create_collection(&id(nth)).await?;
    client.write(&collection, vec![documents.upsert((nth, 1))]).await
}

async fn take(client: &Client, nth: u64, turn: u64) -> Result<()> {
    let collection = format!("{}/collections/{}", crate::client::WORKSPACE, id(nth));
    client.snapshot(&collection, &format!("{}-{turn}", id(nth))).await.map(drop)
}
