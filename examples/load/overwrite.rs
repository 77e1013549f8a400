//! Overwrites of random existing documents, directly behind their ingest and
//! while its compaction goes on.

use crate::{
    Result, check,
    documents::{Documents, Order, Target},
    random::{Random, mix},
    report::{self, mib, rate},
    scan::audit,
    server::Server,
    writer::{self, Flow},
};

#[derive(clap::Args)]
pub struct Options {
    /// Documents that exist.
    #[arg(long, default_value_t = 1_000_000)]
    documents: u64,
    #[arg(long, default_value_t = 1_000_000)]
    writes: u64,
    /// Let compaction come to rest before.
    #[arg(long)]
    rest: bool,
    #[command(flatten)]
    flow: Flow,
}

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    let Options { documents: count, writes, rest, flow } = *options;
    check(count >= flow.streams, || "fewer documents than streams".to_owned())?;
    report::title(&format!(
        "overwrite: {} writes to {} documents, {} streams",
        report::grouped(writes),
        report::grouped(count),
        flow.streams,
    ));
    let client = server.client().await?;
    let documents = Documents::new(Order::Spread);
    let collection = client.create_collection("overwrite").await?;
    writer::fill(&client, &collection, &documents, flow, count).await?;
    if rest {
        server.settle().await?;
    }

    server.forget_peak()?;
    let before = server.usage()?;
    let part = |part| picks(part, flow.streams.max(1), count, writes);
    let written = writer::upsert_parts(&client, &collection, &documents, flow, part).await?;
    let after = server.usage()?;
    report::at_least("durable overwrites", rate(written.documents, written.elapsed), 8_000.0, "/s");
    report::note("peak resident memory of the server", format!("{:.1} MiB", mib(after.peak)));
    let cpu = after.cpu_since(&before) * 1e6 / written.documents.max(1) as f64;
    report::note("CPU of the server per overwrite", format!("{cpu:.2} µs"));

    let mut last = vec![1; count as usize];
    for (index, version) in (0..flow.streams.max(1)).flat_map(part) {
        last[index as usize] = version;
    }
    let seen = audit(&client, &collection, |document| {
        let (index, version) = documents.recognise(document)?;
        let expected = last.get(index as usize).copied();
        check(expected == Some(version), || {
            format!("{} has version {version}, the last write was {expected:?}", document.id)
        })
    });
    let seen = seen.await?.tally.count;
    check(seen == count, || format!("{count} documents became {seen}"))?;
    report::note("each document as last written, totals equal the scan", "yes");
    Ok(())
}

/// The writes of one stream: random documents of its own, versions ascending.
fn picks(part: u64, parts: u64, count: u64, writes: u64) -> impl Iterator<Item = Target> + Send + 'static {
    let mut random = Random::new(mix(part + 1));
    let own = (count - part).div_ceil(parts);
    let share = writes / parts + u64::from(part < writes % parts);
    (0..share).map(move |nth| (part + parts * random.below(own), nth + 2))
}
