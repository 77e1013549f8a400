//! `stillframe collections`: what an operator decides about a damaged collection.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use tokio::runtime::Handle;

use super::{Result, place::PlaceArgs};
use crate::{
    app::{Config, open_records},
    clock::Clock,
    collection::accept::{Accepting, Look, Loss},
    documents::{Root, Storage, Store, Totals},
    instance::{self, StartError},
    lines::{counted, grouped, say},
    names::CollectionName,
    tasks::Tasks,
    timekeeper,
};

/// It is damaged, and nothing was changed.
const DAMAGED: u8 = 2;
/// It is damaged, and what is left cannot be used.
const LOST: u8 = 3;

/// What is done with a collection.
#[derive(Debug, Subcommand)]
pub enum CollectionsCommand {
    /// Says what is damaged in a collection and what is left of it; with --yes, makes that the collection.
    ///
    /// A server answers DATA_LOSS for a collection of which something is missing or changed, and deletes nothing of
    /// it. Bring the objects that it names back from where they went, if you can: then all is as before. If you
    /// cannot, this makes a collection of what is left. What is damaged is moved to `damaged/` in the collection's
    /// directory; snapshots, restores and other collections are not touched. Its offset is then larger than any
    /// that was ever answered. If this is interrupted, run it again: until it has ended, the server refuses the
    /// collection. Not while a server runs.
    ///
    /// Exits 0 if the collection is whole, or has been accepted; 2 if it is damaged and --yes was not said; 3 if
    /// files with documents are missing or damaged, without which there is nothing to accept (restore a snapshot,
    /// or delete the collection), or if a snapshot that is whole would lose its files; 1 if anything else went
    /// wrong. With 2 and 3 nothing was changed.
    #[command(verbatim_doc_comment)]
    AcceptLoss(AcceptArgs),
}

/// Which one, and whether it is meant.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    /// The collection: `workspaces/W/collections/C`.
    name: CollectionName,
    /// Accepts what is left. Without, it is only said.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Runs one of them.
pub async fn run(command: CollectionsCommand) -> Result<ExitCode> {
    let CollectionsCommand::AcceptLoss(AcceptArgs { name, yes, place }) = command;
    let PlaceArgs { data_dir, storage } = &place;
    check_used(&place).await?;
    let config = Config {
        tuning: storage.as_ref().map(Storage::tuning).unwrap_or_default(),
        storage: storage.clone(),
        ..Config::new(data_dir.clone())
    };
    let (clock, tasks) = (Clock::default(), Tasks::default());
    let opened = open_records(&config, &clock, &tasks).await?;
    // What is stamped, and what the database goes by, is the time that a server would have.
    timekeeper::resume(&clock, &opened.records, false).await;
    let store = Store::new(opened.root, tasks, clock.clone(), config.tuning, Handle::current());
    let store = if opened.locks.root.is_some() { store.without_rivals() } else { store };
    let accepting = Accepting::new(opened.records, store, clock, &name)?;
    match accepting.look().await.map_err(StartError::from)? {
        Look::Whole(totals) => {
            say(format_args!("{name} is whole: {}", held(&totals)));
            Ok(ExitCode::SUCCESS)
        }
        Look::Lost(lost) => {
            say(format_args!("{name} is damaged:"));
            list(&lost);
            say("nothing was changed. Restore a snapshot of it, or delete the collection");
            Ok(LOST.into())
        }
        Look::Damaged(loss) => {
            tell(&name, &loss);
            if !yes {
                let directory = accepting.directory();
                say(format_args!(
                    "nothing was changed. --yes makes what is left the collection, and moves what is damaged to \
                     {directory}/damaged/"
                ));
                return Ok(DAMAGED.into());
            }
            let moved = accepting.accept(&loss).await.map_err(StartError::from)?;
            for path in moved {
                say(format_args!("moved: {path}"));
            }
            say(format_args!("{name} is now {}", held(&loss.left.counted)));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Refuses a place where nothing is, or that a server has to take over first: opening it
/// would change it.
async fn check_used(place: &PlaceArgs) -> Result<()> {
    if !place.data_dir.is_dir() {
        return Err(format!("there is no data directory {}", place.data_dir.display()).into());
    }
    let storage = place.root();
    let root = Root::open_to_read(&storage)
        .map_err(|cause| StartError::Unusable { storage: storage.to_string(), cause: cause.into() })?;
    instance::of_log(&root).await?;
    if instance::older(&root).await?.is_some() {
        return Err("the storage root was written by an older version; start a server of this one first".into());
    }
    Ok(())
}

fn list(wrong: &[String]) {
    for why in wrong {
        say(format_args!("  {why}"));
    }
}

fn held(totals: &Totals) -> String {
    let documents = counted(totals.document_count.unsigned_abs(), "document", "documents");
    format!("{documents}, {} bytes, at offset {}", grouped(totals.size_bytes), grouped(totals.offset))
}

fn tell(name: &CollectionName, loss: &Loss) {
    let Loss { wrong, expected, left, survey } = loss;
    say(format_args!("{name} is damaged:"));
    list(wrong);
    if let Some(expected) = expected {
        say(format_args!("it had at least: {}", held(expected)));
    }
    let there = Totals { offset: left.found.offset, ..left.counted.clone() };
    say(format_args!("what is left:    {}", held(&there)));
    let known = expected.as_ref().map(|totals| totals.offset).max(survey.behind.offset);
    match known.filter(|known| *known > there.offset) {
        Some(known) => say(format_args!(
            "missing: writes {} to {}, and any that came later",
            grouped(there.offset + 1),
            grouped(known)
        )),
        None => say("missing: nothing that anything tells of; writes that came later, if there were any"),
    }
    if survey.behind.logs > 0 {
        let logs = counted(survey.behind.logs as u64, "log", "logs");
        say(format_args!("{logs} behind the first that is missing or damaged cannot be used{}", written(loss)));
    }
}

/// What the logs that cannot be used have written, as far as they can be read.
fn written(loss: &Loss) -> String {
    let (named, others) = loss.survey.behind.named();
    match (named.as_slice(), others) {
        ([], _) => String::new(),
        (named, 0) => format!("; they wrote {}", named.join(", ")),
        (named, others) => {
            format!("; they wrote {} and {}", named.join(", "), counted(others as u64, "other", "others"))
        }
    }
}
