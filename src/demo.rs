//! `stillframe demo`: the main job once, whole, on real data.
//!
//! It starts the real service on a loopback port and a temporary directory,
//! and talks to it as any client would: through the generated client, over
//! TCP. What the collections must hold is computed from the data set alone,
//! never from what the server says. The first thing that does not hold ends
//! it with an error.
//!
//! A client has to name tonic, so this is the one room besides `rpc` that does.

mod client;
mod data;
mod report;
mod server;
mod story;

use self::{client::Client, data::Documents, report::Report, server::Server, story::Story};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Runs the demo; `stop` ends it early. Nothing stays behind, whatever happens.
pub async fn run(stop: impl Future<Output = ()>) -> Result<()> {
    let mut report = Report::begin();
    let documents = data::territories()?;
    let server = Server::start().await?;
    report.did(format_args!("started a server on {}, its data in a temporary directory", server.address()));
    let told = tokio::select! {
        told = tell(&server, documents, &mut report) => told,
        () = stop => Err("the demo was interrupted".into()),
    };
    // The server stops and its directory goes in any case; the story's own error matters more.
    let stopped = server.stop().await;
    told.and(stopped)?;
    report.did("stopped the server and removed its data");
    report.end();
    Ok(())
}

async fn tell(server: &Server, documents: Documents, report: &mut Report) -> Result<()> {
    let client = Client::connect(server.address()).await?;
    Story::new(client, documents, report).tell().await
}
