//! The storage root on an S3 server on loopback, which shares the cores: how
//! long a restore takes beside the server's own copies, and what each step
//! requests of it.

use std::time::Duration;

use stillframe::pb::restore::Verification;

use crate::{
    Result,
    documents::{Documents, Order},
    report::{self, milliseconds, rate, spread},
    server::{Launch, Server},
    support::s3::{Loopback, SECRET},
    writer::{self, Flow},
};

/// What a restore may take besides the copies.
const BESIDE_COPIES_MS: f64 = 1_000.0;

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 1_000_000)]
    documents: u64,
    #[arg(long, default_value_t = 3)]
    repeat: u32,
}

pub async fn run(launch: &Launch, options: &Options) -> Result<()> {
    let Options { documents: count, repeat } = *options;
    report::title(&format!("bucket: {} documents on an S3 server on loopback", report::grouped(count)));
    let home = tempfile::Builder::new().prefix("stillframe-load-s3-").tempdir()?;
    let loopback = Loopback::start(home.path()).await;
    let mut server = Server::start(&launch.on("s3://storage", loopback.environment(SECRET).0)).await?;
    let measured = measure(&server, &loopback, count, repeat).await;
    if measured.is_err() {
        eprintln!("{}", server.epitaph());
    }
    measured
}

async fn measure(server: &Server, loopback: &Loopback, count: u64, repeat: u32) -> Result<()> {
    let (client, documents) = (server.client().await?, Documents::new(Order::Spread));
    told("the start", loopback);
    let collection = client.create_collection("source").await?;
    told("CreateCollection", loopback);
    client.write(&collection, vec![documents.upsert((count, 1))]).await?;
    told("the first write, which opens", loopback);
    client.write(&collection, vec![documents.upsert((count, 2))]).await?;
    told("a further write", loopback);
    let written = writer::fill(&client, &collection, &documents, Flow::default(), count).await?;
    report::note("ingest, durable", report::per_second(written.documents, written.elapsed));
    told("the ingest", loopback);
    client.snapshot(&collection, "flush").await?;
    server.settle().await?;
    told("its first snapshot, and compaction", loopback);
    let (snapshot, _) = client.snapshot(&collection, "frozen").await?;
    told("a snapshot", loopback);

    let (mut times, mut beside, mut files) = (Vec::new(), Vec::new(), 0);
    for round in 0..repeat {
        loopback.take_copy_time();
        let restored = client.restore(&snapshot, &format!("structure-{round}"), Verification::Structure).await?;
        let copies = milliseconds(loopback.take_copy_time());
        times.push(milliseconds(restored.elapsed));
        beside.push(milliseconds(restored.elapsed) - copies);
        files = restored.receipt.files;
        told("a restore with STRUCTURE", loopback);
        client.delete_collection(&restored.collection).await?;
        server.settle().await?;
        told("its deletion", loopback);
    }
    let (times, beside) = (spread(&times), spread(&beside));
    report::note(&format!("STRUCTURE, {files} files: median"), format!("{:.0} ms", times.median));
    report::at_most("the same less the server's own copies", beside.median, BESIDE_COPIES_MS, "ms");
    let pace = rate(count, Duration::from_secs_f64(times.median / 1e3));
    report::note("documents by the median", format!("{} /s", report::number(pace)));
    tokio::time::sleep(Duration::from_secs(45)).await;
    loopback.take_requests();
    tokio::time::sleep(Duration::from_secs(15)).await;
    told("15 s of rest, when all is closed", loopback);
    Ok(())
}

fn told(step: &str, loopback: &Loopback) {
    let requests = loopback.take_requests();
    let listed: Vec<String> = requests.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    report::note(step, if listed.is_empty() { "no request".to_owned() } else { listed.join(", ") });
}
