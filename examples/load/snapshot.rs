//! Time from `CreateSnapshot` until CREATED, which must not depend on the size of
//! the collection.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    Result, check,
    client::Client,
    documents::{Documents, Order},
    report::{self, milliseconds, spread},
    server::Server,
    writer::{self, Flow},
};

#[derive(clap::Args)]
pub struct Options {
    /// Documents in each collection.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 1_000_000])]
    sizes: Vec<u64>,
    /// Snapshots of each kind and size.
    #[arg(long, default_value_t = 20)]
    repeat: u32,
}

/// Between snapshots, so that each finds an idle server.
const PAUSE: Duration = Duration::from_millis(100);

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    report::title(&format!("snapshot: {} of each kind, flushed and idle", options.repeat));
    let client = server.client().await?;
    let mut medians = Vec::new();
    for &size in &options.sizes {
        let documents = Documents::new(Order::Spread);
        let id = format!("size-{size}");
        let collection = client.create_collection(&id).await?;
        writer::fill(&client, &collection, &documents, Flow::default(), size).await?;
        // The first snapshot flushes; compaction has to end as well.
        client.snapshot(&collection, &format!("{id}-first")).await?;
        server.settle().await?;

        let label = report::grouped(size);
        let unchanged = series(&client, &collection, &documents, size, options.repeat, false).await?;
        let median = show(&format!("{label} documents, unchanged"), &unchanged);
        report::at_most(&format!("{label} documents, unchanged: median"), median, 50.0, "ms");
        let changed = series(&client, &collection, &documents, size, options.repeat, true).await?;
        show(&format!("{label} documents, one changed before each"), &changed);
        medians.push(median);
    }
    if let (Some(&first), Some(&last)) = (medians.first(), medians.last()) {
        report::note("median of the last size / of the first", format!("{:.2}", last / first));
    }
    Ok(())
}

/// Milliseconds of each snapshot.
async fn series(
    client: &Client,
    collection: &str,
    documents: &Documents,
    size: u64,
    repeat: u32,
    change: bool,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for nth in 0..repeat {
        if change {
            client.write(collection, vec![documents.upsert((0, u64::from(nth) + 2))]).await?;
        }
        sleep(PAUSE).await;
        let kind = if change { "changed" } else { "unchanged" };
        let (snapshot, elapsed) = client.snapshot(collection, &format!("size-{size}-{kind}-{nth}")).await?;
        check(snapshot.document_count == size as i64, || {
            format!("{} holds {} documents of {size}", snapshot.name, snapshot.document_count)
        })?;
        let billed = if change { documents.size((0, u64::from(nth) + 2)) as i64 } else { 0 };
        check(snapshot.incremental_bytes == billed, || {
            format!("{} is billed {} bytes for {billed}", snapshot.name, snapshot.incremental_bytes)
        })?;
        times.push(milliseconds(elapsed));
    }
    Ok(times)
}

fn show(name: &str, times: &[f64]) -> f64 {
    let times = spread(times);
    report::note(name, format!("{:.1} ms ({:.1} to {:.1})", times.median, times.least, times.greatest));
    times.median
}
