//! What a filter costs a stream of documents, beside the same stream without one.

use std::time::{Duration, Instant};

use stillframe::pb;

use crate::{
    Result, check,
    client::{Client, patiently},
    documents::{Documents, Order},
    report::{self, spread},
    server::Server,
    writer::{self, Flow},
};

#[derive(clap::Args)]
pub struct Options {
    #[arg(long, default_value_t = 100_000)]
    documents: u64,
    /// Rounds, in each of which every filter has its turn.
    #[arg(long, default_value_t = 7)]
    repeat: u64,
}

/// Filters, and whether all documents fit or none.
const FILTERS: &[(&str, bool)] = &[
    ("version >= 1", true),
    ("author.since >= 1990 AND place.latitude >= 0 AND -active:nobody", true),
    ("tags:* AND score >= 0", true),
    ("text = \"*e*\"", true),
    ("author.city = \"nowhere\"", false),
    ("nowhere", false),
];

pub async fn run(server: &Server, options: &Options) -> Result<()> {
    let Options { documents: count, repeat } = options;
    report::title(&format!("filter: streams of {} documents of 1 KB", report::grouped(*count)));
    let client = server.client().await?;
    let collection = client.create_collection("filter").await?;
    writer::fill(&client, &collection, &Documents::new(Order::Sequential), Flow::default(), *count).await?;
    server.settle().await?;
    // Blocks that are not in the cache yet are no filter's fault.
    stream(&client, &collection, "", *count).await?;
    let mut plain = Vec::new();
    let mut filtered = vec![Vec::new(); FILTERS.len()];
    for _ in 0..*repeat {
        plain.push(report::milliseconds(stream(&client, &collection, "", *count).await?));
        for ((filter, fit), times) in FILTERS.iter().zip(&mut filtered) {
            let expected = if *fit { *count } else { 0 };
            times.push(report::milliseconds(stream(&client, &collection, filter, expected).await?));
        }
    }
    let plain = spread(&plain).median;
    report::note("without a filter, median", format!("{plain:.0} ms"));
    for ((filter, _), times) in FILTERS.iter().zip(&filtered) {
        report::at_most(filter, spread(times).median / plain, 1.5, "x");
    }
    Ok(())
}

/// Reads what fits a filter.
async fn stream(client: &Client, collection: &str, filter: &str, expected: u64) -> Result<Duration> {
    let begun = Instant::now();
    let request = pb::StreamDocumentsRequest {
        collection: collection.to_owned(),
        encoding: pb::Encoding::Json.into(),
        filter: filter.to_owned(),
        ..Default::default()
    };
    let mut messages = patiently("StreamDocuments", client.documents().stream_documents(request)).await?.into_inner();
    let mut count = 0;
    while let Some(message) = patiently("StreamDocuments", messages.message()).await? {
        count += message.documents.len() as u64;
    }
    check(count == expected, || format!("{count} documents fit {filter:?}, not {expected}"))?;
    Ok(begun.elapsed())
}
