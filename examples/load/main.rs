//! Measures a server of its own against the bars that the project sets itself.
//!
//! Build the server first, then run one scenario, or `all`:
//!
//! ```text
//! cargo build --release
//! cargo run --release --example load -- ingest --documents 1000000
//! cargo run --release --example load -- all --quick
//! ```
//!
//! Each value stands beside its bar. A missed bar is reported and nothing
//! more, since it depends on the machine; a wrong result (a lost write, totals
//! that differ from a scan, an unequal document) ends with exit code 1, and so
//! does an attack of `flood` that the server does not hold.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a tool that prints figures"
)]

mod all;
mod bearer;
mod bucket;
mod client;
mod compare;
mod copies;
mod crowd;
mod documents;
mod filter;
mod flood;
mod incremental;
mod ingest;
mod kill;
mod ledger;
mod local;
mod lone;
mod many;
mod overwrite;
mod pace;
mod process;
mod random;
mod records;
mod report;
mod restore;
mod retention;
mod scan;
mod server;
mod siblings;
mod snapshot;
mod source;
mod stream;
#[path = "../../tests/it/support"]
#[allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, reason = "that of the tests")]
mod support {
    pub mod s3;
}
mod watchers;
mod writer;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

use server::{Launch, Server};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measures a stillframe server against the project's bars.
#[derive(Parser)]
#[command(name = "load")]
struct Cli {
    #[command(flatten)]
    launch: Launch,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// New documents per second, the server's CPU and memory.
    Ingest(ingest::Options),
    /// Overwrites of random existing documents per second.
    Overwrite(overwrite::Options),
    /// SIGKILL at random moments: no acknowledged write may be missing.
    Kill(kill::Options),
    /// Time from `CreateSnapshot` to CREATED, by size of the collection.
    Snapshot(snapshot::Options),
    /// What a snapshot is billed after a small change.
    Incremental(incremental::Options),
    /// Time of a restore by kind, beside `cp -r` and `sync`.
    Restore(restore::Options),
    /// Ingest and restore with a retention, beside the same without.
    Retention(retention::Options),
    /// Restores on an S3 server on loopback, and what each step requests of it.
    Bucket(bucket::Options),
    /// A source of packed objects, beside `IngestDocuments`, and under kills.
    Source(source::Options),
    /// A writer's pace while snapshots and restores run.
    Pace(pace::Options),
    /// A reader that holds still while its documents are rewritten.
    Stream(stream::Options),
    /// What filters cost a stream of documents.
    Filter(filter::Options),
    /// Memory and idle CPU with many collections.
    Many(many::Options),
    /// What is asked of one snapshot, beside many others.
    Crowd(crowd::Options),
    /// Snapshots and restores of one collection, by how many snapshots it has.
    Siblings(siblings::Options),
    /// Many watchers of one restore.
    Watchers(watchers::Options),
    /// Latency of single writes.
    Lone(lone::Options),
    /// What a change of the records costs, and a start with many of them.
    Records(records::Options),
    /// Attacks, each on a server of its own, beside another tenant.
    Flood(flood::Options),
    /// Everything, in turn.
    All(all::Options),
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let Cli { launch, scenario } = Cli::parse();
    let outcome = match scenario {
        Scenario::All(options) => Box::pin(all::run_all(&launch, &options)).await,
        one => Box::pin(run(&launch, one)).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one scenario against a new server, which goes with its directory.
async fn run(launch: &Launch, scenario: Scenario) -> Result<()> {
    // Each attack has a server of its own.
    if let Scenario::Flood(options) = &scenario {
        return flood::run(launch, options).await;
    }
    let mut server = Server::start(launch).await?;
    let outcome = match scenario {
        Scenario::Ingest(options) => ingest::run(&server, &options).await,
        Scenario::Overwrite(options) => overwrite::run(&server, &options).await,
        Scenario::Kill(options) => kill::run(&mut server, &options).await,
        Scenario::Snapshot(options) => snapshot::run(&server, &options).await,
        Scenario::Incremental(options) => incremental::run(&server, &options).await,
        Scenario::Restore(options) => restore::run(&mut server, &options).await,
        Scenario::Retention(options) => retention::run(&server, &options).await,
        Scenario::Bucket(options) => bucket::run(launch, &options).await,
        Scenario::Source(options) => source::run(&mut server, &options).await,
        Scenario::Pace(options) => pace::run(&server, &options).await,
        Scenario::Stream(options) => stream::run(&server, &options).await,
        Scenario::Filter(options) => filter::run(&server, &options).await,
        Scenario::Many(options) => many::run(&server, &options).await,
        Scenario::Crowd(options) => crowd::run(&server, &options).await,
        Scenario::Siblings(options) => siblings::run(&mut server, &options).await,
        Scenario::Watchers(options) => watchers::run(&server, &options).await,
        Scenario::Lone(options) => lone::run(&server, &options).await,
        Scenario::Records(options) => records::run(&server, &options).await,
        Scenario::Flood(_) => Err("attacks are not made against one server".into()),
        Scenario::All(_) => Err("`all` cannot run inside `all`".into()),
    };
    if outcome.is_err() {
        eprintln!("{}", server.epitaph());
    }
    outcome
}

/// Fails the scenario: the server gave a wrong result.
fn check(held: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if held { Ok(()) } else { Err(otherwise().into()) }
}
