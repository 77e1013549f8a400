//! Every scenario in turn, each on a new server.

use clap::Parser;

use crate::{Cli, Result, run, server::Launch};

#[derive(clap::Args)]
pub struct Options {
    /// A tenth of the documents and seconds: shows that it works, not how fast.
    #[arg(long)]
    quick: bool,
}

const WHOLE: &[&str] = &[
    "ingest",
    "overwrite",
    "kill",
    "snapshot",
    "incremental --rewrite",
    "restore",
    "retention",
    "bucket",
    "source",
    "pace",
    "stream",
    "filter",
    "many",
    "crowd",
    "siblings",
    "watchers",
    "lone",
    "records",
    "flood",
];
const QUICK: &[&str] = &[
    "ingest --documents 100000",
    "overwrite --documents 100000 --writes 100000 --streams 2",
    "kill --rounds 4 --latest 1.5",
    "snapshot --sizes 1000,100000 --repeat 10",
    "incremental --documents 100000 --swings 10 --rewrite",
    "restore --documents 100000 --repeat 3",
    "retention --documents 100000 --repeat 1",
    "bucket --documents 100000 --repeat 1",
    "source --documents 100000 --kills 2",
    "pace --documents 50000 --seconds 3 --rounds 1",
    "stream --documents 50000 --hold 20",
    "filter --documents 20000 --repeat 2",
    "many --collections 100 --wait 65 --measure 10",
    "crowd --collections 20 --snapshots 20 --more 50 --repeat 10 --measure 10",
    "siblings --documents 500 --siblings 1,50,200 --repeat 3",
    "watchers --count 200 --documents 100000 --repeat 1",
    "lone --seconds 2",
    "records --changes 100 --seconds 2 --records 10000",
    "flood --seconds 2 --rest 1 none keyless-reflection",
];

/// A failed scenario does not keep the others from being run.
pub async fn run_all(launch: &Launch, options: &Options) -> Result<()> {
    let mut failed = Vec::new();
    for line in if options.quick { QUICK } else { WHOLE } {
        let Cli { scenario, .. } = Cli::try_parse_from(std::iter::once("load").chain(line.split(' ')))?;
        if let Err(error) = Box::pin(run(launch, scenario)).await {
            eprintln!("FAILED: {line}: {error}");
            failed.push(*line);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed scenarios: {}", failed.join("; ")).into()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_line_is_a_command() {
        Cli::command().debug_assert();
        for line in WHOLE.iter().chain(QUICK) {
            Cli::try_parse_from(std::iter::once("load").chain(line.split(' '))).map(drop).unwrap();
        }
    }
}
