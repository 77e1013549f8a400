//! A writer's pace while snapshots and restores of its collection run, beside
//! its pace alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use stillframe::pb::{self, restore::Verification};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    Result,
    client::Client,
    documents::{Documents, Order, Target},
    random::{Random, mix},
    report::{self, rate, spread},
    server::Server,
    writer::{self, Flow},
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 300_000)]
    documents: u64,
    /// Of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often each kind of pace is measured.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Overwrites,
    Additions,
}

struct Run<'a> {
    server: &'a Server,
    writer: Client,
    other: Client,
    collection: String,
    documents: Documents,
    count: u64,
    /// Makes versions and new documents unique over all measurements.
    serial: Arc<AtomicU64>,
    length: Duration,
}

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    report::title(&format!(
        "pace: a writer on {} documents, {} s alone and {} s beside snapshots and restores",
        report::grouped(options.documents),
        options.seconds,
        options.seconds,
    ));
    let (writer, other) = (server.client().await?, server.client().await?);
    let collection = writer.create_collection("pace").await?;
    let run = Run {
        server,
        writer,
        other,
        collection,
        documents: Documents::new(Order::Spread),
        count: options.documents.max(1),
        serial: Arc::new(AtomicU64::new(2)),
        length: Duration::from_secs(options.seconds),
    };
    writer::fill(&run.writer, &run.collection, &run.documents, Flow::default(), run.count).await?;
    let (frozen, _) = run.other.snapshot(&run.collection, "frozen").await?;

    for kind in [Kind::Overwrites, Kind::Additions] {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for round in 1..=options.rounds {
            server.settle().await?;
            alone.push(run.write(kind).await?);
            server.settle().await?;
            let (pace, snapshots, restores) = run.write_beside(kind, &frozen).await?;
            beside.push(pace);
            report::note(
                &format!("{kind:?}, round {round}: snapshots, restores"),
                format!("{snapshots}, {restores} of {}", report::grouped(frozen.document_count as u64)),
            );
        }
        let (alone, beside) = (spread(&alone), spread(&beside));
        report::note(&format!("{kind:?}: alone"), format!("{} /s", report::number(alone.median)));
        report::note(&format!("{kind:?}: beside"), format!("{} /s", report::number(beside.median)));
        let kept = 100.0 * beside.median / alone.median;
        report::at_least(&format!("{kind:?}: pace kept"), kept, 70.0, "%");
    }
    Ok(())
}

impl Run<'_> {
    /// Durable writes per second.
    async fn write(&self, kind: Kind) -> Result<f64> {
        let (count, serial, until) = (self.count, self.serial.clone(), Instant::now() + self.length);
        let mut random = Random::new(mix(serial.load(Ordering::Relaxed)));
        let targets = std::iter::from_fn(move || -> Option<Target> {
            let unique = serial.fetch_add(1, Ordering::Relaxed);
            (Instant::now() < until).then(|| match kind {
                Kind::Overwrites => (random.below(count), unique),
                Kind::Additions => (count + unique, 1),
            })
        });
        let done = writer::upsert(&self.writer, &self.collection, &self.documents, Flow::default(), targets).await?;
        Ok(rate(done.documents, done.elapsed))
    }

    /// The same while snapshots, one a second, and restores go on; returns how
    /// many of them there were as well.
    async fn write_beside(&self, kind: Kind, frozen: &pb::Snapshot) -> Result<(f64, u64, u64)> {
        let over = AtomicBool::new(false);
        let write = async {
            let pace = self.write(kind).await;
            over.store(true, Ordering::Relaxed);
            pace
        };
        tokio::try_join!(write, self.snapshots(&over), self.restores(&over, frozen))
    }

    async fn snapshots(&self, over: &AtomicBool) -> Result<u64> {
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut taken = 0;
        tick.tick().await;
        while !over.load(Ordering::Relaxed) {
            let id = format!("pace-{}", self.serial.fetch_add(1, Ordering::Relaxed));
            let (snapshot, _) = self.other.snapshot(&self.collection, &id).await?;
            self.other.delete_snapshot(&snapshot.name).await?;
            taken += 1;
            tick.tick().await;
        }
        Ok(taken)
    }

    async fn restores(&self, over: &AtomicBool, frozen: &pb::Snapshot) -> Result<u64> {
        let client = self.server.client().await?;
        let mut done = 0;
        while !over.load(Ordering::Relaxed) {
            let id = format!("pace-{}", self.serial.fetch_add(1, Ordering::Relaxed));
            let restored = client.restore(frozen, &id, Verification::Full).await?;
            client.delete_collection(&restored.collection).await?;
            done += 1;
        }
        Ok(done)
    }
}
