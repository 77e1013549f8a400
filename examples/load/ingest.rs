//! New documents: pace, the server's CPU and memory, and whether a scan finds
//! exactly them.

use crate::{
    Result, check,
    documents::{Documents, Order},
    process,
    report::{self, mib, rate},
    scan::audit,
    server::Server,
    writer::{self, Flow},
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 1_000_000)]
    documents: u64,
    #[command(flatten)]
    flow: Flow,
    /// The order in which ids come.
    #[arg(long, value_enum, default_value = "spread")]
    order: Order,
}

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    let Options { documents: count, flow, order } = *options;
    report::title(&format!(
        "ingest: {} new documents, {} a message, {} streams, {} messages in flight",
        report::grouped(count),
        flow.batch,
        flow.streams,
        flow.in_flight,
    ));
    let client = server.client().await?;
    let documents = Documents::new(order);
    let collection = client.create_collection("ingest").await?;

    let (before, own_before) = (server.usage()?, process::usage(std::process::id())?);
    let written = writer::fill(&client, &collection, &documents, flow, count).await?;
    let (after, own_after) = (server.usage()?, process::usage(std::process::id())?);

    report::at_least("durable documents", rate(written.documents, written.elapsed), 35_000.0, "/s");
    report::at_most("peak resident memory of the server", mib(after.peak), 600.0, "MiB");
    let per_document = |seconds: f64| format!("{:.2} µs", seconds * 1e6 / count.max(1) as f64);
    report::note("CPU of the server per document", per_document(after.cpu_since(&before)));
    report::note("CPU of this client per document", per_document(own_after.cpu_since(&own_before)));

    let counted = client.stats(&collection).await?.document_count;
    check(counted == count as i64, || format!("{count} documents acknowledged, {counted} counted"))?;
    let timed = audit(&client, &collection, |_| Ok(())).await?;
    report::note("scan", report::per_second(timed.tally.count, timed.elapsed));
    let exact = audit(&client, &collection, |document| {
        let (index, version) = documents.recognise(document)?;
        check(index < count && version == 1, || format!("{} was never written", document.id))
    });
    check(exact.await?.tally == timed.tally, || "two scans of the same documents differ".to_owned())?;
    report::note("every document as written, totals equal the scan", "yes");
    report::note("stored", format!("{:.1} MiB", mib(client.stats(&collection).await?.stored_bytes as u64)));
    report::note("of documents", format!("{:.1} MiB", mib(timed.tally.size)));
    Ok(())
}
