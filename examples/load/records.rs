//! What a change of the records costs, beside a file that is created and synced, and
//! how long a start takes with many of them. Without a server: the records alone.

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use stillframe::{
    app::{Config, open_records},
    clock::{Clock, new_uid},
    records::{Change, Collection, Record, Records, Workspace},
    tasks::Tasks,
};
use tokio::task::JoinSet;

use crate::{Result, check, process, report, server::Server};

/// Records in one change, when many are made.
const AT_ONCE: usize = 1000;

#[derive(clap::Args)]
pub struct Options {
    /// Changes of one client, each beside a file.
    #[arg(long, default_value_t = 500)]
    changes: usize,
    /// Concurrent clients.
    #[arg(long, default_value_t = 64)]
    clients: u64,
    /// How long they change records.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Records at a start.
    #[arg(long, default_value_t = 100_000)]
    records: usize,
}

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    report::title(&format!("records: {} changes, {} records", options.changes, options.records));
    let place = server.scratch();
    std::fs::create_dir_all(&place)?;
    one_client(&place, options).await?;
    many_clients(&place, options).await?;
    start(&place, options).await
}

async fn open(data: &Path) -> Result<Records> {
    let config = Config::new(data.to_owned());
    Ok(open_records(&config, &Clock::default(), &Tasks::default()).await?.records)
}

type StoredWorkspace = <Workspace as Record>::Message;
type StoredCollection = <Collection as Record>::Message;

fn workspace(id: &str, revision: u64) -> Result<Workspace> {
    let uid = new_uid().as_bytes().to_vec();
    let description = "d".repeat(200);
    let message = StoredWorkspace { id: id.to_owned(), uid, revision, description, ..StoredWorkspace::default() };
    Ok(Workspace::read(message)?)
}

/// A change and a file in turn, so that both meet the same disk.
async fn one_client(place: &Path, options: &Options) -> Result<()> {
    let records = open(&place.join("one")).await?;
    let files = place.join("files");
    std::fs::create_dir(&files)?;
    let (mut changes, mut created) = (Vec::new(), Vec::new());
    for n in 0..options.changes {
        let begun = Instant::now();
        records.commit(Change::default().put(&workspace("w", n as u64)?)).await?;
        changes.push(begun.elapsed());
        let begun = Instant::now();
        let mut file = File::create_new(files.join(n.to_string()))?;
        file.write_all(&[7; 400])?;
        file.sync_all()?;
        File::open(&files)?.sync_all()?;
        created.push(begun.elapsed());
    }
    let [changes, created] = [changes, created].map(median);
    report::note("a file, created and synced: median", format!("{:.3} ms", report::milliseconds(created)));
    report::note("a change of one client: median", format!("{:.3} ms", report::milliseconds(changes)));
    report::at_most("a change beside a file", changes.as_secs_f64() / created.as_secs_f64(), 2.0, "x");
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn many_clients(place: &Path, options: &Options) -> Result<()> {
    let records = open(&place.join("many")).await?;
    let (begun, before) = (Instant::now(), records.revision());
    let until = begun + Duration::from_secs(options.seconds);
    let mut clients = JoinSet::new();
    for client in 0..options.clients {
        let records = records.clone();
        clients.spawn(async move {
            let mut made = 0;
            while Instant::now() < until {
                records.commit(Change::default().put(&workspace(&format!("w{client}"), made)?)).await?;
                made += 1;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(made)
        });
    }
    let mut made = 0;
    while let Some(client) = clients.join_next().await {
        made += client??;
    }
    let elapsed = begun.elapsed();
    report::at_least(&format!("changes of {} clients", options.clients), report::rate(made, elapsed), 1000.0, "/s");
    let entries = records.revision() - before;
    report::note("changes in an entry", format!("{:.1}", made as f64 / entries.max(1) as f64));
    Ok(())
}

async fn start(place: &Path, options: &Options) -> Result<()> {
    let data = place.join("start");
    let records = open(&data).await?;
    for first in (0..options.records).step_by(AT_ONCE) {
        let mut many = first..options.records.min(first + AT_ONCE);
        let change = many.try_fold(Change::default(), |change, n| collection(n).map(|made| change.insert(&made)))?;
        records.commit(change).await?;
    }
    let checksum = records.checksum();
    records.save().await?;
    drop(records);
    let whole = timed(&data, "a start with its index", 1.0, options).await?;
    check(whole == checksum, || "other records than were written".to_owned())?;
    std::fs::remove_dir_all(data.join("metadata"))?;
    let rebuilt = timed(&data, "a start that makes its index anew", 5.0, options).await?;
    check(rebuilt == checksum, || "other records than were written".to_owned())?;
    let resident = process::usage(std::process::id())?.resident;
    report::note("resident memory of this process", format!("{:.0} MiB", report::mib(resident)));
    Ok(())
}

async fn timed(data: &Path, what: &str, bar: f64, options: &Options) -> Result<stillframe::records::Checksum> {
    let begun = Instant::now();
    let records = open(data).await?;
    report::at_most(&format!("{what}, {} records", options.records), begun.elapsed().as_secs_f64(), bar, "s");
    Ok(records.checksum())
}

fn collection(n: usize) -> Result<Collection> {
    let message = StoredCollection {
        workspace: "commons".to_owned(),
        id: format!("c{n:08}"),
        uid: new_uid().as_bytes().to_vec(),
        description: "d".repeat(100),
        // READY.
        state: 2,
        ..StoredCollection::default()
    };
    Ok(Collection::read(message)?)
}
