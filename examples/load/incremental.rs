//! What a snapshot is billed after a small change, and what it costs on disk.

use stillframe::pb;

use crate::{
    Result, check,
    client::Client,
    documents::{Documents, Order},
    random::Random,
    report::{self, mib},
    server::Server,
    writer::{self, Flow},
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 1_000_000)]
    documents: u64,
    /// How often the same documents are changed back and forth.
    #[arg(long, default_value_t = 100)]
    swings: u64,
    /// Also rewrite all documents, which forces a compaction, and change 1 %
    /// again while it runs.
    #[arg(long)]
    rewrite: bool,
}

/// A little above 1 % of the bytes, because documents differ in size and the
/// new versions are not as long as the old.
const SHARE: f64 = 0.01 * 1.001;

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    report::title(&format!("incremental: 1 % of {} documents changed", report::grouped(options.documents)));
    let client = server.client().await?;
    let collection = client.create_collection("incremental").await?;
    let run = Run { client: &client, collection: &collection, documents: Documents::new(Order::Spread) };
    writer::fill(&client, &collection, &run.documents, Flow::default(), options.documents).await?;
    let (first, _) = client.snapshot(&collection, "first").await?;
    run.show("first", &first).await?;
    billed_whole(&first)?;

    let changed = run.choose(options.documents, first.size_bytes);
    run.change(&changed, 2).await?;
    let (second, _) = client.snapshot(&collection, "second").await?;
    run.show("after 1 %", &second).await?;
    run.billed_exactly(&second, &changed, 2)?;
    bar("after 1 %", &second);

    for swing in 0..options.swings {
        run.change(&changed, 1 + swing % 2).await?;
    }
    let (third, _) = client.snapshot(&collection, "third").await?;
    let label = format!("after {} changes of that 1 %", options.swings);
    run.show(&label, &third).await?;
    check(third.incremental_bytes <= third.size_bytes, || {
        format!("billed {} bytes for a collection of {}", third.incremental_bytes, third.size_bytes)
    })?;
    bar(&label, &third);

    if options.rewrite {
        run.change(&(0..options.documents).collect::<Vec<_>>(), 3).await?;
        let (fourth, _) = client.snapshot(&collection, "fourth").await?;
        run.show("after all were rewritten", &fourth).await?;
        billed_whole(&fourth)?;

        run.change(&changed, 4).await?;
        let rest = server.settle().await?;
        report::note("compaction came to rest after", format!("{:.1} s", rest.as_secs_f64()));
        let (fifth, _) = client.snapshot(&collection, "fifth").await?;
        run.show("after 1 % and a compaction", &fifth).await?;
        run.billed_exactly(&fifth, &changed, 4)?;
        bar("after 1 % and a compaction", &fifth);
    }
    Ok(())
}

fn bar(label: &str, snapshot: &pb::Snapshot) {
    let share = 100.0 * snapshot.incremental_bytes as f64 / snapshot.size_bytes.max(1) as f64;
    report::between(&format!("{label}: incremental / size"), share, 1.0, 1.1, "%");
}

fn billed_whole(snapshot: &pb::Snapshot) -> Result<()> {
    check(snapshot.incremental_bytes == snapshot.size_bytes, || {
        format!("{} is billed {} of {} bytes", snapshot.name, snapshot.incremental_bytes, snapshot.size_bytes)
    })
}

struct Run<'a> {
    client: &'a Client,
    collection: &'a str,
    documents: Documents,
}

impl Run<'_> {
    /// Random documents whose second versions make up the share.
    fn choose(&self, count: u64, size_bytes: i64) -> Vec<u64> {
        let (mut random, mut taken, mut chosen) = (Random::new(3), vec![false; count as usize], Vec::new());
        let mut bytes = 0;
        while (bytes as f64) < size_bytes as f64 * SHARE && (chosen.len() as u64) < count {
            let index = random.below(count);
            if !std::mem::replace(&mut taken[index as usize], true) {
                bytes += self.documents.size((index, 2));
                chosen.push(index);
            }
        }
        chosen
    }

    async fn change(&self, indexes: &[u64], version: u64) -> Result<()> {
        let targets = Vec::from(indexes).into_iter().map(move |index| (index, version));
        writer::upsert(self.client, self.collection, &self.documents, Flow::default(), targets).await?;
        Ok(())
    }

    /// Each changed document counts once, with the size that it has now.
    fn billed_exactly(&self, snapshot: &pb::Snapshot, indexes: &[u64], version: u64) -> Result<()> {
        let net: u64 = indexes.iter().map(|&index| self.documents.size((index, version))).sum();
        check(snapshot.incremental_bytes == net as i64, || {
            format!("{} is billed {} bytes, the net change is {net}", snapshot.name, snapshot.incremental_bytes)
        })
    }

    async fn show(&self, label: &str, created: &pb::Snapshot) -> Result<()> {
        let snapshot = self.client.get_snapshot(&created.name).await?;
        let exclusive = snapshot.exclusive_bytes.map_or("none".to_owned(), |bytes| format!("{:.1}", mib(bytes as u64)));
        report::note(
            &format!("{label}, in MiB"),
            format!(
                "size {:.1}, incremental {:.3}, files {:.1}, new {:.1}, exclusive {exclusive}",
                mib(snapshot.size_bytes as u64),
                mib(snapshot.incremental_bytes as u64),
                mib(snapshot.referenced_bytes as u64),
                mib(snapshot.new_file_bytes as u64),
            ),
        );
        Ok(())
    }
}
