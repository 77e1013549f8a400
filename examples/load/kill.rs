//! SIGKILL at random moments of ingest and overwrites, on one data directory.
//! After each restart every acknowledged write must be there, and the totals
//! must equal a scan.

use std::{
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::time::sleep;

use crate::{
    Result, check,
    client::{CallFailed, Client},
    documents::{Documents, Order, Target},
    ledger::{Ledger, Round},
    random::{Random, fresh_seed},
    report,
    scan::audit,
    server::Server,
    writer,
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// Parallel streams of writes.
    #[arg(long, default_value_t = 4)]
    streams: u64,
    #[arg(long, default_value_t = 500)]
    batch: usize,
    #[arg(long, default_value_t = 8)]
    in_flight: usize,
    /// The earliest moment of a kill, in seconds after the writes began.
    #[arg(long, default_value_t = 0.5)]
    earliest: f64,
    /// The latest.
    #[arg(long, default_value_t = 5.0)]
    latest: f64,
    /// Repeats the moments and documents of an earlier run.
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Ingest,
    Overwrite,
}

/// A ledger shared by the two ends of its stream.
type Shared = Arc<Mutex<Ledger>>;

pub async fn run(server: &mut Server, options: &Options) -> Result<()> {
    let seed = options.seed.unwrap_or_else(fresh_seed);
    report::title(&format!("kill: {} rounds, {} streams, --seed {seed}", options.rounds, options.streams));
    let mut random = Random::new(seed);
    let documents = Documents::new(Order::Spread);
    let collection = server.client().await?.create_collection("kill").await?;
    let streams = options.streams.max(1);
    let ledgers: Vec<Shared> = (0..streams).map(|part| Arc::new(Mutex::new(Ledger::new(part, streams)))).collect();

    // Of all streams: an acknowledged offset may not be lost either.
    let mut offset = 0;
    for round in 1..=options.rounds {
        let kind = if round % 2 == 1 { Kind::Ingest } else { Kind::Overwrite };
        let moment = options.earliest + random.unit() * (options.latest - options.earliest).max(0.0);
        let client = server.client().await?;
        let seeds: Vec<u64> = ledgers.iter().map(|_| random.next()).collect();
        let lanes = ledgers.iter().zip(seeds).map(|(ledger, seed)| {
            let lane = Lane { client: &client, collection: &collection, documents: &documents, ledger, options };
            lane.write(kind, Random::new(seed))
        });
        let (ends, killed) = tokio::join!(join_all(lanes), async {
            sleep(Duration::from_secs_f64(moment)).await;
            let killed = Instant::now();
            server.kill().map(|_| killed)
        });
        let killed = killed?;
        for End { error, at, offset: seen } in ends {
            check(at >= killed, || format!("a stream ended before the kill: {error}"))?;
            check(error.is::<CallFailed>(), || format!("a wrong answer: {error}"))?;
            offset = offset.max(seen);
        }

        let made: Vec<Round> = ledgers.iter().map(|ledger| lock(ledger).crash()).collect();
        let started = server.restart(&[]).await?;
        let client = server.client().await?;
        let reached = client.stats(&collection).await?.offset;
        check(reached >= offset, || format!("offset {offset} was acknowledged, {reached} is left"))?;
        offset = reached;
        let (count, landed) = reckon(&client, &collection, &documents, &ledgers).await?;

        let (sure, open): (u64, u64) =
            (made.iter().map(|part| part.acknowledged).sum(), made.iter().map(|part| part.open).sum());
        report::note(
            &format!("round {round}: {kind:?}, killed after {moment:.2} s"),
            format!(
                "{} acknowledged, all there; {} open, landed on {}; {} documents; started in {} ms",
                report::grouped(sure),
                report::grouped(open),
                report::grouped(landed),
                report::grouped(count),
                report::number(report::milliseconds(started)),
            ),
        );
    }
    report::note("acknowledged writes missing", "0");
    report::note("totals equal a scan after each round", "yes");
    Ok(())
}

/// One stream of writes.
struct Lane<'a> {
    client: &'a Client,
    collection: &'a str,
    documents: &'a Documents,
    ledger: &'a Shared,
    options: &'a Options,
}

/// How a stream ended.
struct End {
    error: Box<dyn Error + Send + Sync>,
    at: Instant,
    /// The last one acknowledged.
    offset: i64,
}

impl Lane<'_> {
    /// Writes until the connection breaks.
    async fn write(self, kind: Kind, mut random: Random) -> End {
        let (documents, ledger, batch) = (self.documents.clone(), self.ledger.clone(), self.options.batch);
        let epoch = lock(&ledger).epoch();
        let next = move || {
            let mut ledger = lock(&ledger);
            // The transport may ask once more after the crash has been reckoned.
            if ledger.epoch() != epoch {
                return None;
            }
            let targets: Vec<Target> = match kind {
                Kind::Overwrite if !ledger.is_empty() => ledger.overwrite(batch, &mut random),
                _ => ledger.add(batch),
            };
            drop(ledger);
            Some(targets.into_iter().map(|target| documents.upsert(target)).collect())
        };
        let mut offset = 0;
        let sent = writer::send(self.client, self.collection, self.options.in_flight, next, |reply| {
            check(reply.offset >= offset, || format!("offset {} follows {offset}", reply.offset))?;
            offset = reply.offset;
            lock(self.ledger).acknowledge()
        });
        let error = sent.await.err().unwrap_or_else(|| "the stream ended OK".into());
        End { error, at: Instant::now(), offset }
    }
}

/// Compares all documents with the ledgers; returns how many there are, and on
/// how many of them an open write had landed.
async fn reckon(client: &Client, collection: &str, documents: &Documents, ledgers: &[Shared]) -> Result<(u64, u64)> {
    let seen = audit(client, collection, |document| {
        let target = documents.recognise(document)?;
        let part = target.0 % ledgers.len() as u64;
        lock(&ledgers[part as usize]).find(target)
    });
    let count = seen.await?.tally.count;
    let mut landed = 0;
    for ledger in ledgers {
        landed += lock(ledger).settle()?;
    }
    Ok((count, landed))
}

/// A panic elsewhere ends the scenario anyway.
fn lock(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
