//! A source of packed objects: its pace beside that of `IngestDocuments`, the
//! server's memory, and whether the result equals the input after kills.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use async_compression::{Level, tokio::write::GzipEncoder};
use chrono::{DateTime, SecondsFormat};
use stillframe::pb::{self, source::State};
use tokio::{io::AsyncWriteExt, time::sleep};

use crate::{
    Result, check,
    client::{Client, patiently},
    documents::{Documents, Order},
    random::{Random, fresh_seed},
    report::{self, mib, rate},
    scan::audit,
    server::Server,
    writer::{self, Flow},
};

/// Between two looks at a source.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 1_000_000)]
    documents: u64,
    /// Objects that they are spread over.
    #[arg(long, default_value_t = 32)]
    objects: u64,
    /// Kills while a second source reads the same objects.
    #[arg(long, default_value_t = 5)]
    kills: u32,
    /// Repeats the moments of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
}

/// What a source must have counted.
struct Input {
    documents: u64,
    objects: u64,
    bytes: u64,
}

pub async fn run(server: &mut Server, options: &Options) -> Result<()> {
    let Options { documents: count, objects, kills, seed } = *options;
    report::title(&format!("source: {} documents in {objects} objects, NDJSON, gzip", report::grouped(count)));
    let documents = Documents::new(Order::Spread);
    let input = pack(&server.import(), &documents, count, objects.max(1)).await?;
    let client = server.client().await?;

    let sent = client.create_collection("sent").await?;
    let written = writer::fill(&client, &sent, &documents, Flow::default(), count).await?;
    let ingest = rate(written.documents, written.elapsed);
    client.delete_collection(&sent).await?;
    server.settle().await?;

    let collection = client.create_collection("read").await?;
    server.forget_peak()?;
    let begun = Instant::now();
    let name = connect(&client, &collection, server).await?;
    let ended = ingested(&client, &name, objects).await?;
    let elapsed = begun.elapsed();
    let source = rate(count, elapsed);
    report::note("IngestDocuments", format!("{} /s", report::number(ingest)));
    report::note("source", format!("{} /s", report::number(source)));
    report::at_least("source / IngestDocuments", 100.0 * source / ingest, 60.0, "%");
    report::at_most("peak resident memory of the server", mib(server.usage()?.peak), 600.0, "MiB");
    compare(&client, &collection, &documents, &input, &ended).await?;
    client.delete_collection(&collection).await?;
    killed(server, &documents, &input, elapsed, (kills, seed.unwrap_or_else(fresh_seed))).await
}

/// Kills the server at random moments of a source's work.
async fn killed(
    server: &mut Server,
    documents: &Documents,
    input: &Input,
    alone: Duration,
    (kills, seed): (u32, u64),
) -> Result<()> {
    let mut random = Random::new(seed);
    let client = server.client().await?;
    let collection = client.create_collection("killed").await?;
    let name = connect(&client, &collection, server).await?;
    let (mut before, longest) = (0, alone.as_secs_f64() / f64::from(kills.max(1)));
    for _ in 0..kills {
        sleep(Duration::from_secs_f64(random.unit() * longest)).await;
        server.kill()?;
        server.restart(&[]).await?;
        let now = source(&server.client().await?, &name).await?.documents_ingested;
        check(now >= before, || format!("{before} documents were counted before a kill, {now} after it"))?;
        before = now;
    }
    report::note("durable at the last of the kills", report::grouped(before as u64));
    let client = server.client().await?;
    let ended = ingested(&client, &name, input.objects).await?;
    compare(&client, &collection, documents, input, &ended).await?;
    report::note(&format!("after {kills} kills (--seed {seed})"), "equals the input, counters too");
    Ok(())
}

/// Writes the objects.
async fn pack(directory: &Path, documents: &Documents, count: u64, objects: u64) -> Result<Input> {
    std::fs::create_dir_all(directory)?;
    let mut bytes = 0;
    for object in 0..objects {
        let mut encoder = GzipEncoder::with_quality(Vec::new(), Level::Fastest);
        for index in (object * count / objects)..((object + 1) * count / objects) {
            let line = record(documents, index)?;
            bytes += line.len() as u64;
            encoder.write_all(&line).await?;
        }
        encoder.shutdown().await?;
        std::fs::write(directory.join(format!("{object:04}.ndjson.gz")), encoder.into_inner())?;
    }
    Ok(Input { documents: count, objects, bytes })
}

/// A line: the document with its id and time in it.
fn record(documents: &Documents, index: u64) -> Result<Vec<u8>> {
    let target = (index, 1);
    let time = DateTime::from_timestamp_micros(documents.micros(target)).ok_or("a time out of range")?;
    let time = time.to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut line = format!(r#"{{"_id":"{}","_event_time":"{time}","#, documents.id(index)).into_bytes();
    line.extend_from_slice(documents.body(target).get(1..).unwrap_or_default());
    line.push(b'\n');
    Ok(line)
}

async fn connect(client: &Client, collection: &str, server: &Server) -> Result<String> {
    let import = server.import().canonicalize()?;
    let source = pb::Source {
        location: format!("file://{}", import.display()),
        scan_interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        max_bad_records: Some(0),
        ..Default::default()
    };
    let request = pb::CreateSourceRequest {
        parent: collection.to_owned(),
        source_id: "import".to_owned(),
        source: Some(source),
        ..Default::default()
    };
    Ok(patiently("CreateSource", client.sources().create_source(request)).await?.into_inner().name)
}

async fn source(client: &Client, name: &str) -> Result<pb::Source> {
    let request = pb::GetSourceRequest { name: name.to_owned() };
    Ok(patiently("GetSource", client.sources().get_source(request)).await?.into_inner())
}

/// Waits until all objects have been read.
async fn ingested(client: &Client, name: &str, objects: u64) -> Result<pb::Source> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = source(client, name).await?;
        check(now.state() != State::Error, || format!("the source stopped: {:?}", now.error))?;
        if now.objects_done == objects as i64 {
            return Ok(now);
        }
        check(Instant::now() < deadline, || format!("the source is not done after {PATIENCE:?}"))?;
        sleep(LOOK).await;
    }
}

async fn compare(
    client: &Client,
    collection: &str,
    documents: &Documents,
    input: &Input,
    ended: &pb::Source,
) -> Result<()> {
    let counted = (ended.documents_ingested, ended.bytes_read, ended.bad_records);
    let expected = (input.documents as i64, input.bytes as i64, 0);
    check(counted == expected, || format!("the source counted {counted:?}, not {expected:?}"))?;
    let found = audit(client, collection, |document| {
        let (index, version) = documents.recognise(document)?;
        check(index < input.documents && version == 1, || format!("{} is not in the input", document.id))
    });
    let found = found.await?.tally.count;
    check(found == input.documents, || format!("{found} documents, not {}", input.documents))?;
    let offset = client.stats(collection).await?.offset;
    check(offset == input.documents as i64, || format!("{offset} writes for {} documents", input.documents))
}
