//! Many watchers of one restore: each must see how it ends.
//!
//! The restore itself needs memory, so restores without and with watchers
//! alternate, and what memory grows by more with them is what they cost.

use std::time::Duration;

use futures::future::try_join_all;
use stillframe::pb::{self, restore::Verification};

use crate::{
    Result, check,
    client::{Client, patiently},
    documents::{Documents, Order},
    report::{self, mib, spread},
    server::Server,
    writer::{self, Flow},
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 1000)]
    count: u64,
    #[arg(long, default_value_t = 4)]
    connections: u64,
    /// Documents restored. More make the restore longer.
    #[arg(long, default_value_t = 200_000)]
    documents: u64,
    /// Restores of each kind.
    #[arg(long, default_value_t = 3)]
    repeat: u32,
}

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    let Options { count, connections, documents, repeat } = *options;
    report::title(&format!("watchers: {count} on one restore of {} documents", report::grouped(documents)));
    let client = server.client().await?;
    let collection = client.create_collection("watched").await?;
    writer::fill(&client, &collection, &Documents::new(Order::Spread), Flow::default(), documents).await?;
    let (snapshot, _) = client.snapshot(&collection, "watched").await?;
    server.settle().await?;
    // Fills the caches, so that the first pair is no exception.
    watched(server, &client, &snapshot, "warm-up", &[]).await?;

    let mut costs = Vec::new();
    for nth in 0..repeat {
        let plain = watched(server, &client, &snapshot, &format!("plain-{nth}"), &[]).await?;
        let mut clients = Vec::new();
        for _ in 0..connections.max(1) {
            clients.push(server.client().await?);
        }
        let watchers: Vec<&Client> = clients.iter().cycle().take(count as usize).collect();
        let busy = watched(server, &client, &snapshot, &format!("busy-{nth}"), &watchers).await?;
        report::note(
            &format!("restore {nth}: resident before, peak"),
            format!("{:.1}, {:.1} MiB", mib(busy.before), mib(busy.peak)),
        );
        report::note(
            &format!("restore {nth}: attached before its end"),
            format!("{} of {count}, {} values", busy.attached, report::grouped(busy.values)),
        );
        costs.push((busy.growth() - plain.growth()) / 1024.0 / count.max(1) as f64);
    }
    report::note("each watcher saw the restore succeed", "yes");
    let costs = spread(&costs);
    report::note("memory of a watcher, range", format!("{:.1} to {:.1} KiB", costs.least, costs.greatest));
    report::at_most("memory of a watcher, median", costs.median, 20.0, "KiB");
    Ok(())
}

struct Watched {
    before: u64,
    peak: u64,
    /// Watchers that saw the restore before it had ended.
    attached: u64,
    /// Values that all of them received.
    values: u64,
}

impl Watched {
    /// Bytes of memory that this restore took in addition, at its height.
    fn growth(&self) -> f64 {
        self.peak as f64 - self.before as f64
    }
}

/// One restore under the eyes of `watchers`.
async fn watched(
    server: &Server,
    client: &Client,
    snapshot: &pb::Snapshot,
    target: &str,
    watchers: &[&Client],
) -> Result<Watched> {
    server.settle().await?;
    server.forget_peak()?;
    let before = server.usage()?.resident;
    let name = client.start_restore(snapshot, target, Verification::Full).await?;
    let seen = try_join_all(watchers.iter().map(|watcher| watch(watcher, &name))).await?;
    let (last, _) = client.watch_restore(&name).await?;
    succeeded(&last)?;
    let peak = server.usage()?.peak;
    client.delete_collection(&format!("{}/collections/{target}", crate::client::WORKSPACE)).await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(Watched {
        before,
        peak,
        attached: seen.iter().map(|(in_time, _)| u64::from(*in_time)).sum(),
        values: seen.iter().map(|(_, values)| values).sum(),
    })
}

/// Whether the first value came before the end, and how many values came.
/// Progress must never go back, and the last value must be the success.
async fn watch(client: &Client, restore: &str) -> Result<(bool, u64)> {
    let request = pb::WatchRestoreRequest { name: restore.to_owned() };
    let mut stream = patiently("WatchRestore", client.restores().watch_restore(request)).await?.into_inner();
    let (mut first, mut last, mut values) = (None, pb::RestoreProgress::default(), 0);
    while let Some(now) = patiently("WatchRestore", stream.message()).await? {
        first.get_or_insert(now.state());
        check(
            now.phase >= last.phase && now.bytes_done >= last.bytes_done && now.documents_done >= last.documents_done,
            || format!("progress went back from {last:?} to {now:?}"),
        )?;
        (last, values) = (now, values + 1);
    }
    succeeded(&last)?;
    Ok((first != Some(pb::restore::State::Succeeded), values))
}

fn succeeded(last: &pb::RestoreProgress) -> Result<()> {
    check(last.state() == pb::restore::State::Succeeded, || format!("the last value of a watch is {last:?}"))
}
