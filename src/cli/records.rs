//! `stillframe records`: what an operator does with the records beside a server.

use std::{
    io::{self, BufWriter, ErrorKind, Write},
    ops::ControlFlow,
};

use clap::Subcommand;

use super::{Result, place::PlaceArgs, unsaid};
use crate::{
    documents::{Root, Storage, Unusable},
    instance::{self, StartError},
    lines::{counted, grouped, say},
    records::{self, IndexState, Log, Report},
    tasks::Tasks,
    writable,
};

/// What is done with the records.
#[derive(Debug, Subcommand)]
pub enum RecordsCommand {
    /// Reads the whole record log, holds the index and the objects of the storage root against it, and exits 0 only
    /// if all of it holds. Changes nothing. Not while a server runs.
    Check(PlaceArgs),
    /// Prints every record as the log has it, as a line of JSON. Changes nothing, and needs only the storage root.
    Dump {
        #[command(flatten)]
        place: PlaceArgs,
        /// The changes that are still in the log, oldest first, instead of the records.
        #[arg(long)]
        entries: bool,
    },
    /// Makes the index in the data directory anew from the record log. The data directory may be new: it becomes the
    /// one of this storage root. Not while a server runs, on whatever machine.
    Rebuild(PlaceArgs),
}

/// Runs one of them.
pub async fn run(command: RecordsCommand) -> Result<()> {
    match command {
        RecordsCommand::Check(place) => check(&place).await,
        RecordsCommand::Dump { place, entries } => dump(&place.root(), entries).await,
        RecordsCommand::Rebuild(place) => rebuild(&place).await,
    }
}

/// Nothing is changed but what opening the index takes: sled knows no opening to read
/// alone, and may write again what it recovers.
async fn check(place: &PlaceArgs) -> Result<()> {
    let PlaceArgs { data_dir, .. } = place;
    if !data_dir.is_dir() {
        return Err(format!("there is no data directory {}", data_dir.display()).into());
    }
    let (_lock, _fresh) = instance::lock(data_dir).await?;
    let storage = place.root();
    let root = Root::open_to_read(&storage).map_err(|cause| unusable(&storage, cause))?;
    let tasks = Tasks::default();
    let index = IndexState::find(data_dir, &tasks).await.map_err(StartError::from)?;
    let uid = instance::of_root(data_dir, &root, &index).await?;
    let mut tell = |line: String| say(line);
    let mut report = Report::new(&mut tell);
    records::check(index, &Log::new(root, uid), &tasks, &mut report).await.map_err(StartError::from)?;
    match report.wrong() {
        0 => Ok(()),
        wrong => Err(counted(wrong as u64, "thing is wrong", "things are wrong").into()),
    }
}

async fn dump(storage: &Storage, entries: bool) -> Result<()> {
    let root = Root::open_to_read(storage).map_err(|cause| unusable(storage, cause))?;
    let uid = instance::of_log(&root).await?;
    let log = Log::new(root, uid);
    let mut out = BufWriter::new(io::stdout());
    let mut printed = Ok(ControlFlow::Continue(()));
    let print = |line: serde_json::Value| {
        printed = wanted(writeln!(out, "{line}"));
        Ok(if let Ok(ControlFlow::Continue(())) = printed { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    };
    let dumped = match entries {
        false => records::dump(&log, print).await,
        true => records::dump_entries(&log, print).await,
    };
    // Also of what was read before an error.
    let flushed = wanted(out.flush());
    dumped.map_err(StartError::from)?;
    printed.and(flushed).map(drop).map_err(|cause| unsaid(cause).into())
}

/// A reader that went away (`| head`) has read enough.
fn wanted(printed: io::Result<()>) -> io::Result<ControlFlow<()>> {
    match printed {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error),
    }
}

async fn rebuild(place: &PlaceArgs) -> Result<()> {
    let PlaceArgs { data_dir, .. } = place;
    let unfit = |cause| StartError::DataDir { path: data_dir.clone(), cause };
    writable::check_directory(data_dir).map_err(unfit)?;
    let (_lock, fresh) = instance::lock(data_dir).await?;
    let storage = place.root();
    let root = Root::open(&storage).await.map_err(|cause| unusable(&storage, cause))?;
    let _root_lock = instance::lock_root(&root).await?;
    let index = IndexState::find(data_dir, &Tasks::default()).await.map_err(StartError::from)?;
    let uid = instance::of_root(data_dir, &root, &index).await?;
    fresh.keep();
    // As at a start: the index must not know more than will last.
    root.lay_out().await.map_err(StartError::from)?;
    let made = records::make_anew(data_dir, index, &Log::new(root.clone(), uid)).await;
    let (revision, records) = made.map_err(StartError::from)?;
    // Last: what failed has claimed nothing.
    instance::remember(data_dir, &root, uid)?;
    say(format_args!("rebuilt: revision {}, {}", grouped(revision), counted(records, "record", "records")));
    Ok(())
}

fn unusable(storage: &Storage, cause: impl Into<Unusable>) -> StartError {
    StartError::Unusable { storage: storage.to_string(), cause: cause.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_ends_it_and_a_full_disk_fails_it() {
        let printed = |kind: ErrorKind| wanted(Err(kind.into())).map_err(|error| error.kind());
        assert_eq!(wanted(Ok(())).unwrap(), ControlFlow::Continue(()));
        assert_eq!(printed(ErrorKind::BrokenPipe), Ok(ControlFlow::Break(())));
        assert_eq!(printed(ErrorKind::StorageFull), Err(ErrorKind::StorageFull));
    }
}
