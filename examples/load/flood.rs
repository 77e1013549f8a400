//! Attacks on what all tenants share, each on a new server and beside a well-behaved
//! tenant of another workspace: how much memory they take, and what the others notice.
//!
//! An attack holds if the server stays below its bars; one that does not fails the
//! scenario. Attackers are not expected to succeed: what they were answered is told, so
//! that it shows whether an attack took place.

mod answers;
mod asks;
mod attack;
mod beside;
mod budgets;
mod figure;
mod filters;
mod ground;
mod keyless;
mod keys;
mod large;
mod message;
mod packed;
mod patches;
mod pointers;
mod raw;
mod restores;
mod snapshots;
mod sources;
mod table;
mod unpacking;
mod unread;
mod uploads;

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    Result, check,
    report::{self, mib},
    server::Launch,
};
use attack::Attack;
use beside::Beside;
use ground::Ground;
use table::Line;

#[derive(clap::Args)]
pub struct Options {
    /// The attacks, by name or by its beginning [default: all].
    names: Vec<String>,
    /// How long each attack lasts.
    #[arg(long, default_value_t = 12)]
    seconds: u64,
    /// How long after it its memory is looked at.
    #[arg(long, default_value_t = 10)]
    rest: u64,
    /// Only names the attacks.
    #[arg(long)]
    list: bool,
}

pub async fn run(launch: &Launch, options: &Options) -> Result<()> {
    let attacks = chosen(&options.names)?;
    if options.list {
        for attack in &attacks {
            println!("{}", attack.name());
        }
        return Ok(());
    }
    report::title(&format!("flood: {} attacks of {} s beside another tenant", attacks.len(), options.seconds));
    table::head();
    let mut broken = Vec::new();
    for attack in &attacks {
        // An attack that cannot be made does not keep the others from it.
        let held = match one(launch, attack.as_ref(), options).await {
            Ok(held) => held,
            Err(error) => {
                table::failed(attack.name(), error.as_ref());
                false
            }
        };
        if !held {
            broken.push(attack.name());
        }
    }
    check(broken.is_empty(), || format!("attacks that the server does not hold: {}", broken.join(", ")))
}

fn chosen(names: &[String]) -> Result<Vec<Box<dyn Attack>>> {
    let all = attack::all();
    for name in names {
        check(all.iter().any(|attack| attack.name().starts_with(name.as_str())), || format!("no attack is {name}"))?;
    }
    let is_chosen = |attack: &dyn Attack| names.iter().any(|name| attack.name().starts_with(name.as_str()));
    Ok(all.into_iter().filter(|attack| names.is_empty() || is_chosen(attack.as_ref())).collect())
}

/// Whether the server holds it.
async fn one(launch: &Launch, attack: &dyn Attack, options: &Options) -> Result<bool> {
    let mut ground = Ground::start(launch).await?;
    attack.prepare(&ground).await?;
    ground.server.forget_peak()?;
    let beside = Beside::start(ground.neighbour.clone()).await;
    let findings = attack.run(&ground, Instant::now() + Duration::from_secs(options.seconds)).await;
    // What goes on behind the attack is its doing, too.
    sleep(Duration::from_secs(options.rest)).await;
    let usage = ground.server.usage().map_err(|error| format!("{error}; {}", ground.server.epitaph()))?;
    let figures = beside.stop().await?;
    let line = Line {
        name: attack.name(),
        peak: mib(usage.peak),
        after: mib(usage.resident),
        figures: &figures,
        findings: &findings?,
        answers: ground.answers.told(),
    };
    Ok(line.print())
}
