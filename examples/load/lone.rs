//! Latency of writes that come alone: one document in each `WriteDocuments`.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{
    Result, check,
    client::Client,
    documents::{Documents, Order},
    report,
    scan::audit,
    server::Server,
};

#[derive(clap::Args)]
pub struct Options {
    /// Of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Concurrent clients, each on a connection of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64])]
    clients: Vec<u64>,
}

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    report::title(&format!("lone: one document in a request, {} s each", options.seconds));
    let documents = Documents::new(Order::Spread);
    for &clients in &options.clients {
        let (client, id) = (server.client().await?, format!("lone-{clients}"));
        let collection = client.create_collection(&id).await?;
        let mut writers = JoinSet::new();
        let until = Instant::now() + Duration::from_secs(options.seconds);
        for part in 0..clients {
            let indexes = (part..).step_by(clients.max(1) as usize);
            writers.spawn(write(server.client().await?, collection.clone(), documents.clone(), indexes, until));
        }
        let begun = Instant::now();
        let mut latencies = Vec::new();
        while let Some(ended) = writers.join_next().await {
            latencies.extend(ended??);
        }
        let elapsed = begun.elapsed();

        latencies.sort_unstable();
        report::note(&format!("{clients} clients"), report::per_second(latencies.len() as u64, elapsed));
        let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or_default();
        let (half, tail, worst) = (at(0.5), at(0.99), latencies.last().copied().unwrap_or_default());
        report::note(
            &format!("{clients} clients: p50, p99, worst"),
            format!(
                "{:.2}, {:.2}, {:.2} ms",
                report::milliseconds(half),
                report::milliseconds(tail),
                report::milliseconds(worst),
            ),
        );
        let found = audit(&client, &collection, |document| documents.recognise(document).map(drop)).await?.tally.count;
        check(found == latencies.len() as u64, || format!("{} acknowledged, {found} found", latencies.len()))?;
    }
    Ok(())
}

/// Writes one document after the other; returns how long each took.
async fn write(
    client: Client,
    collection: String,
    documents: Documents,
    indexes: impl Iterator<Item = u64> + Send,
    until: Instant,
) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    for index in indexes {
        let begun = Instant::now();
        if begun >= until {
            break;
        }
        client.write(&collection, vec![documents.upsert((index, 1))]).await?;
        latencies.push(begun.elapsed());
    }
    Ok(latencies)
}
