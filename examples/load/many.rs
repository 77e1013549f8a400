//! Many collections, each used once: memory and CPU of a server at rest.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use stillframe::pb;
use tokio::time::sleep;

use crate::{
    Result, check,
    client::{Client, patiently},
    documents::{Documents, Order},
    report::{self, mib},
    server::Server,
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 1000)]
    collections: u64,
    /// Seconds to wait before measuring.
    #[arg(long, default_value_t = 70)]
    wait: u64,
    /// Seconds over which the idle CPU is measured.
    #[arg(long, default_value_t = 30)]
    measure: u64,
}

const PARALLEL: usize = 16;

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    report::title(&format!("many: {} collections, each used once", report::grouped(options.collections)));
    let client = server.client().await?;
    let documents = Documents::new(Order::Spread);
    let empty = server.usage()?;
    report::note("resident memory of a new server", format!("{:.1} MiB", mib(empty.resident)));

    let begun = std::time::Instant::now();
    each(options.collections, |nth| create_and_use(&client, &documents, nth)).await?;
    report::note("created, written and read", report::per_second(options.collections, begun.elapsed()));
    let used = server.usage()?;
    report::note("resident memory then", format!("{:.1} MiB", mib(used.resident)));

    sleep(Duration::from_secs(options.wait)).await;
    let before = server.usage()?;
    sleep(Duration::from_secs(options.measure)).await;
    let after = server.usage()?;
    report::at_most("resident memory at rest", mib(after.resident), 300.0, "MiB");
    let share = 100.0 * after.cpu_since(&before) / options.measure.max(1) as f64;
    report::at_most("idle CPU, of a core", share, 2.0, "%");
    report::note("peak resident memory", format!("{:.1} MiB", mib(after.peak)));

    each(options.collections, |nth| read(&client, &documents, nth)).await?;
    report::note("each read again", "yes");
    Ok(())
}

async fn each<F: Future<Output = Result<()>>>(count: u64, work: impl Fn(u64) -> F) -> Result<()> {
    stream::iter(0..count).map(work).buffer_unordered(PARALLEL).try_collect().await
}

fn id(nth: u64) -> String {
    format!("many-{nth}")
}

async fn create_and_use(client: &Client, documents: &Documents, nth: u64) -> Result<()> {
    let collection = client.create_collection(&id(nth)).await?;
    client.write(&collection, vec![documents.upsert((nth, 1))]).await?;
    read(client, documents, nth).await
}

async fn read(client: &Client, documents: &Documents, nth: u64) -> Result<()> {
    let request = pb::GetDocumentRequest {
        collection: format!("{}/collections/{}", crate::client::WORKSPACE, id(nth)),
        id: documents.id(nth),
        encoding: pb::Encoding::Json.into(),
    };
    let document = patiently("GetDocument", client.documents().get_document(request)).await?.into_inner();
    let found = documents.recognise(&document)?;
    check(found == (nth, 1), || format!("{} holds {found:?}", id(nth)))
}
