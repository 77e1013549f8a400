//! Sources that read without end, and sources that look through a directory again and
//! again, while the other tenant makes a source of one line.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::future::join;
use stillframe::pb;
use tokio::time::sleep;

use super::{
    asks::asks,
    attack::{Attack, Finding, boxed, pass},
    ground::Ground,
};
use crate::{
    Result,
    client::{Client, patiently},
};

enum Sources {
    /// Over large files, and over sparse ones that have no end.
    Reading,
    /// Over a directory of many names, none of which is asked for.
    Listing,
}

/// As many as a collection may have.
const OF_COLLECTION: usize = 16;
const LISTING_COLLECTIONS: usize = 8;
const NAMES: usize = 20_000;
const SPARSE: u64 = 1 << 40;
const LARGE: usize = 128 << 20;
const LOOK: Duration = Duration::from_millis(20);

pub fn attacks() -> Vec<Box<dyn Attack>> {
    boxed([Sources::Reading, Sources::Listing])
}

#[async_trait(?Send)]
impl Attack for Sources {
    fn name(&self) -> &'static str {
        match self {
            Self::Reading => "fair-sources",
            Self::Listing => "fair-listings",
        }
    }

    async fn prepare(&self, ground: &Ground) -> Result<()> {
        let client = ground.attacker.writer().await?;
        for nth in 0..self.collections() {
            client.create_collection(&format!("sources-{nth}")).await?;
        }
        ground.neighbour.writer().await?.create_collection("line").await?;
        let line = place(ground, "line")?;
        fs::write(line.join("one.ndjson"), "{\"_id\":\"one\"}\n")?;
        match self {
            Self::Reading => large(ground),
            Self::Listing => names(&place(ground, "names")?),
        }
    }

    async fn run(&self, ground: &Ground, until: Instant) -> Result<Vec<Finding>> {
        let client = ground.attacker.writer().await?;
        let flood = async {
            for nth in 0..self.collections() * OF_COLLECTION {
                let collection = ground.attacker.collection(&format!("sources-{}", nth / OF_COLLECTION));
                let (directory, pattern) = match self {
                    Self::Reading => (place(ground, &format!("large-{nth}"))?, ""),
                    Self::Listing => (place(ground, "names")?, "nothing-*"),
                };
                ground.answers.answer(create(&client, &collection, &format!("s-{nth}"), &directory, pattern).await);
            }
            pass(until).await;
            Ok(())
        };
        let neighbour = ground.neighbour.writer().await?;
        let line = place(ground, "line")?;
        let ask = async |nth| one_line(&neighbour, &ground.neighbour.collection("line"), &line, nth).await;
        let (flooded, finding): (Result<()>, _) = join(flood, asks("a source of one line", until, ask)).await;
        flooded?;
        Ok(vec![finding])
    }
}

impl Sources {
    const fn collections(&self) -> usize {
        match self {
            Self::Reading => 1,
            Self::Listing => LISTING_COLLECTIONS,
        }
    }
}

/// A directory that sources may read.
fn place(ground: &Ground, name: &str) -> Result<PathBuf> {
    let directory = ground.server.import().join(name);
    fs::create_dir_all(&directory)?;
    Ok(directory.canonicalize()?)
}

/// Sparse files and large ones by turns, the latter all the same on the disk.
fn large(ground: &Ground) -> Result<()> {
    let original = ground.server.import().join("large.ndjson");
    let mut lines = BufWriter::new(File::create(&original)?);
    let text = "x".repeat(1_000);
    for nth in 0..LARGE / (text.len() + 32) {
        writeln!(lines, r#"{{"_id":"{nth}","text":"{text}"}}"#)?;
    }
    lines.flush()?;
    for nth in 0..OF_COLLECTION {
        let object = place(ground, &format!("large-{nth}"))?.join("object.ndjson");
        if nth.is_multiple_of(2) {
            File::create(object)?.set_len(SPARSE)?;
        } else {
            fs::hard_link(&original, object)?;
        }
    }
    Ok(())
}

fn names(directory: &Path) -> Result<()> {
    for nth in 0..NAMES {
        File::create(directory.join(format!("{nth:05}.ndjson")))?;
    }
    Ok(())
}

async fn create(
    client: &Client,
    collection: &str,
    id: &str,
    directory: &Path,
    pattern: &str,
) -> std::result::Result<String, tonic::Status> {
    let source = pb::Source {
        location: format!("file://{}", directory.display()),
        pattern: pattern.to_owned(),
        scan_interval: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
        ..Default::default()
    };
    let request = pb::CreateSourceRequest {
        parent: collection.to_owned(),
        source_id: id.to_owned(),
        source: Some(source),
        ..Default::default()
    };
    Ok(client.sources().create_source(request).await?.into_inner().name)
}

/// From the request until the line is read.
async fn one_line(client: &Client, collection: &str, directory: &Path, nth: u64) -> Result<()> {
    let name = create(client, collection, &format!("line-{nth}"), directory, "").await?;
    let request = pb::GetSourceRequest { name: name.clone() };
    while patiently("GetSource", client.sources().get_source(request.clone())).await?.into_inner().documents_ingested
        == 0
    {
        sleep(LOOK).await;
    }
    let request = pb::DeleteSourceRequest { name, ..Default::default() };
    patiently("DeleteSource", client.sources().delete_source(request)).await?;
    Ok(())
}
