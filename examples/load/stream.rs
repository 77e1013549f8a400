//! A reader that opens a stream and holds still, while its documents are
//! rewritten again and again: it must still get its cut, whole and unchanged.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    Result, check,
    client::Client,
    documents::{Documents, Order},
    report::{self, mib},
    scan::{Reader, audit},
    server::Server,
    writer::{self, Flow},
};

#[derive(clap::Args)]
pub struct Options {
    /// Enough that the windows of the connection do not hold them all.
    #[arg(long, default_value_t = 200_000)]
    documents: u64,
    /// Seconds to hold still.
    #[arg(long, default_value_t = 180)]
    hold: u64,
    /// Overwrites per second meanwhile.
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
}

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    let Options { documents: count, hold, rate } = *options;
    report::title(&format!("stream: {} documents, held still for {hold} s", report::grouped(count)));
    let documents = Documents::new(Order::Spread);
    let client = server.client().await?;
    let collection = client.create_collection("held").await?;
    writer::fill(&client, &collection, &documents, Flow::default(), count).await?;
    let cut = client.stats(&collection).await?;

    // A connection of its own: what it leaves unread must not slow the writer.
    let reader = Reader::open(&server.client().await?, &collection).await?;
    check(reader.offset == cut.offset, || format!("the cut has offset {}, not {}", reader.offset, cut.offset))?;
    let rewritten = rewrite(&client, &collection, &documents, options).await?;
    let now = client.stats(&collection).await?;
    report::note("overwritten meanwhile", report::grouped(rewritten));
    report::note(
        "stored before, after",
        format!("{:.1}, {:.1} MiB", mib(cut.stored_bytes as u64), mib(now.stored_bytes as u64)),
    );
    report::note("asked for", format!("{} /s", report::grouped(rate)));

    let begun = Instant::now();
    let tally = reader.drain(|document| {
        let (_, version) = documents.recognise(document)?;
        check(version == 1, || format!("{} has version {version}, written after the cut", document.id))
    });
    let tally = tally.await?;
    tally.check_against(&cut)?;
    report::note("read on to the end", report::per_second(tally.count, begun.elapsed()));
    report::note("exactly the documents of the cut", "yes");
    audit(&client, &collection, |_| Ok(())).await?;
    report::note("totals equal a scan afterwards", "yes");
    Ok(())
}

/// Goes over all documents again and again; returns how many were written.
async fn rewrite(client: &Client, collection: &str, documents: &Documents, options: &Options) -> Result<u64> {
    let Options { documents: count, hold, rate } = *options;
    let until = Instant::now() + Duration::from_secs(hold);
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut written = 0;
    while Instant::now() < until {
        tick.tick().await;
        let targets = (written..written + rate).map(move |nth| (nth % count, nth / count + 2));
        writer::upsert(client, collection, documents, Flow::default(), targets).await?;
        written += rate;
    }
    Ok(written)
}
